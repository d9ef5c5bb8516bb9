//! The names that users of keepalived-exporter have on their dashboards, with its labels and values.

use std::collections::HashMap;
use std::fmt;

use vipward_common::reason::Reason;

use super::super::observation::Observation;
use super::family::{Families, Label};
use crate::check::tally::Tally;
use crate::config::model::{Config, Instance, Vip};
use crate::control::status::{InstanceStatus, State};

/// An instance as it stands and as it is configured; a reload may have taken it out of the latter.
type Known<'a> = (&'a InstanceStatus, Option<&'a Instance>);
/// `iname`, `intf`, and then `vrid`.
type Labels<'a> = ([Label<'a>; 2], [(&'static str, u8); 1]);

pub(super) fn write(families: &mut Families, observation: &Observation) -> fmt::Result {
    families.gauge("keepalived_up", "Status", &1_u32)?;
    let config = observation.config.as_deref();
    let by_name: HashMap<&str, &Instance> =
        instances(config).iter().map(|instance| (instance.name.as_str(), instance)).collect();
    let known: Vec<Known> = observation
        .status
        .instances
        .iter()
        .map(|instance| (instance, by_name.get(instance.name.as_str()).copied()))
        .collect();
    addresses(families, &known, observation)?;
    counters(families, &known)?;
    scripts(families, observation)
}

fn instances(config: Option<&Config>) -> &[Instance] {
    config.map_or(&[], |config| &config.instances)
}

/// What has a sample for each address.
fn addresses(families: &mut Families, known: &[Known], observation: &Observation) -> fmt::Result {
    let of = |in_adverts: bool| {
        known.iter().flat_map(move |(status, instance)| {
            let vips = instance.map_or(&[][..], |instance| &instance.vips);
            let listed = vips.iter().filter(move |vip| vip.in_adverts == in_adverts);
            listed.map(move |vip| (address(status, vip), *status, *instance))
        })
    };
    let states = [(true, "keepalived_vrrp_state"), (false, "keepalived_vrrp_excluded_state")];
    for (in_adverts, name) in states {
        let samples = of(in_adverts).map(|(labels, status, _)| (labels, u32::from(status.state.number())));
        families.gauges(name, "State of vrrp", samples)?;
    }
    let down: Vec<&str> = observation
        .status
        .scripts
        .iter()
        .filter(|script| script.up != Some(true))
        .map(|script| script.name.as_str())
        .collect();
    let fine = |instance: Option<&Instance>| {
        let tracks = instance.map_or(&[][..], |instance| &instance.track_scripts);
        !tracks.iter().any(|track| down.contains(&track.name.as_str()))
    };
    let checks = of(true).map(|(labels, _, instance)| (labels, u32::from(fine(instance))));
    families.gauges("keepalived_exporter_check_script_status", "Check Script status for each VIP", checks)
}

/// The labels of one address. keepalived leaves the length out where it covers the whole address.
fn address<'a>(status: &'a InstanceStatus, vip: &'a Vip) -> (Labels<'a>, [(&'static str, String); 1]) {
    let whole = if vip.address.is_ipv4() { 32 } else { 128 };
    let address = if vip.prefix_len == whole {
        vip.address.to_string()
    } else {
        format!("{}/{}", vip.address, vip.prefix_len)
    };
    let interface = vip.dev.as_deref().unwrap_or(&status.interface);
    (labels(status, interface), [("ip_address", address)])
}

fn labels<'a>(status: &'a InstanceStatus, interface: &'a str) -> Labels<'a> {
    ([("iname", &status.name), ("intf", interface)], [("vrid", status.vrid)])
}

/// A counter's name, what it counts, and where it is.
type Counter = (&'static str, &'static str, fn(&Known) -> u64);

const COUNTERS: [Counter; 15] = [
    ("keepalived_gratuitous_arp_delay", "Gratuitous ARP delay", |(_, instance)| {
        instance.map_or(0, |instance| instance.garp.delay.as_secs())
    }),
    ("keepalived_advertisements_received", "Advertisements received", |(it, _)| it.adverts_received),
    ("keepalived_advertisements_sent", "Advertisements sent", |(it, _)| it.adverts_sent),
    ("keepalived_become_master", "Became master", |(it, _)| entered(it, |to| to == State::Master)),
    ("keepalived_release_master", "Released master", |(it, _)| {
        let became = entered(it, |to| to == State::Master);
        became.saturating_sub(u64::from(it.state == State::Master))
    }),
    ("keepalived_packet_length_errors", "Packet length errors", |(it, _)| rejected(it, &[Reason::Length])),
    ("keepalived_advertisements_interval_errors", "Advertisement interval errors", |(it, _)| {
        rejected(it, &[Reason::Interval, Reason::IntervalZero]) + it.adverts_interval_differs
    }),
    ("keepalived_ip_ttl_errors", "TTL errors", |(it, _)| rejected(it, &[Reason::Ttl])),
    ("keepalived_invalid_type_received", "Invalid type errors", |(it, _)| rejected(it, &[Reason::Type])),
    ("keepalived_address_list_errors", "Address list errors", |(it, _)| {
        rejected(it, &[Reason::NoAddresses]) + it.adverts_address_list_differs
    }),
    // The types that there are, are all known here.
    ("keepalived_authentication_invalid", "Authentication invalid", |_| 0),
    ("keepalived_authentication_mismatch", "Authentication mismatch", |(it, _)| {
        rejected(it, &[Reason::AuthType])
    }),
    ("keepalived_authentication_failure", "Authentication failure", |(it, _)| {
        rejected(it, &[Reason::AuthData])
    }),
    ("keepalived_priority_zero_received", "Priority zero received", |(it, _)| it.adverts_priority_zero),
    ("keepalived_priority_zero_sent", "Priority zero sent", |(it, _)| it.adverts_priority_zero_sent),
];

fn counters(families: &mut Families, known: &[Known]) -> fmt::Result {
    for (name, help, value) in COUNTERS {
        let samples = known.iter().map(|known| (labels(known.0, &known.0.interface), value(known)));
        families.counters(name, help, samples)?;
    }
    Ok(())
}

fn entered(instance: &InstanceStatus, counts: impl Fn(State) -> bool) -> u64 {
    instance.transitions_by.iter().filter(|kind| counts(kind.to)).map(|kind| kind.count).sum()
}

fn rejected(instance: &InstanceStatus, reasons: &[Reason]) -> u64 {
    reasons.iter().filter_map(|reason| instance.adverts_rejected_by.get(reason.label())).sum()
}

fn scripts(families: &mut Families, observation: &Observation) -> fmt::Result {
    let scripts = || observation.status.scripts.iter();
    let status = scripts().map(|it| ([("name", &it.name)], u32::from(it.up == Some(true))));
    families.gauges("keepalived_script_status", "Tracker Script Status", status)?;
    // 0 idle, 1 running; keepalived's other two are moments of its ending a script.
    let running = |name: &str| {
        let tally = observation.scripts.iter().find(|(known, _)| known == name);
        tally.is_some_and(|(_, Tally { running, .. })| *running > 0)
    };
    let state = scripts().map(|it| ([("name", &it.name)], u32::from(running(&it.name))));
    families.gauges("keepalived_script_state", "Tracker Script State", state)
}
