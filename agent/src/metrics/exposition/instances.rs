//! VRRP instances. All but the facts about an instance have its name as their only label of identity.

use std::fmt;

use vipward_common::reason::{Fenced, Reason};

use super::family::{Families, Label, timestamp};
use crate::control::status::{Datapath, Family, InstanceStatus, Lease};

/// Writes one gauge or counter of every instance.
macro_rules! each {
    ($families:ident.$kind:ident, $instances:ident, $name:literal, $help:literal, $value:expr) => {
        $families.$kind(
            $name,
            $help,
            $instances.iter().map(|instance| ([name(instance)], $value(instance))),
        )?
    };
}

fn name(instance: &InstanceStatus) -> Label<'_> {
    ("name", &instance.name)
}

pub(super) fn write(families: &mut Families, instances: &[InstanceStatus]) -> fmt::Result {
    facts(families, instances)?;
    state(families, instances)?;
    adverts(families, instances)?;
    watch(families, instances)?;
    lease(families, instances)?;
    each!(
        families.counters,
        instances,
        "vipward_vip_repairs",
        "VIPs put back after somebody else removed them",
        |it: &InstanceStatus| it.repairs
    );
    Ok(())
}

fn facts(families: &mut Families, instances: &[InstanceStatus]) -> fmt::Result {
    let facts = instances.iter().map(|instance| {
        let family = if instance.family == Family::Ipv4 { "ipv4" } else { "ipv6" };
        let labels: [Label; 3] = [name(instance), ("interface", &instance.interface), ("family", family)];
        (labels, [("vrid", instance.vrid)])
    });
    families.infos(
        "vipward_instance",
        "Where an instance is: to be joined with the others by its name",
        facts,
    )?;
    let paths = instances.iter().filter_map(|instance| {
        let datapath = instance.datapath.map(Datapath::name)?;
        let reason = instance.datapath_reason.as_deref().unwrap_or_default();
        Some([name(instance), ("datapath", datapath), ("reason", reason)])
    });
    families.infos(
        "vipward_datapath",
        "How an instance's adverts are received (xdp, xdp-generic or socket), and why not by the best one",
        paths,
    )
}

fn state(families: &mut Families, instances: &[InstanceStatus]) -> fmt::Result {
    each!(
        families.gauges,
        instances,
        "vipward_instance_state",
        "0 INIT, 1 BACKUP, 2 MASTER, 3 FAULT",
        |it: &InstanceStatus| u32::from(it.state.number())
    );
    each!(
        families.gauges,
        instances,
        "vipward_instance_priority",
        "Priority in the configuration",
        |it: &InstanceStatus| u32::from(it.priority)
    );
    each!(
        families.gauges,
        instances,
        "vipward_instance_effective_priority",
        "Priority that is advertised: with the weights of scripts and interfaces",
        |it: &InstanceStatus| u32::from(it.effective_priority)
    );
    each!(
        families.gauges,
        instances,
        "vipward_instance_vips",
        "Virtual addresses of an instance, served here or not",
        |it: &InstanceStatus| u64::try_from(it.vips.len()).unwrap_or(u64::MAX)
    );
    each!(
        families.gauges,
        instances,
        "vipward_instance_drained",
        "1 while everybody else goes first",
        |it: &InstanceStatus| u32::from(it.drained)
    );
    let transitions = instances.iter().flat_map(|instance| {
        instance.transitions_by.iter().map(move |counted| {
            let labels = [name(instance), ("to", counted.to.name()), ("cause", &counted.cause)];
            (labels, counted.count)
        })
    });
    families.counters(
        "vipward_instance_transitions",
        "Changes of state by the state that was entered and the cause; only those that occurred",
        transitions,
    )?;
    let last = instances
        .iter()
        .filter_map(|instance| Some(([name(instance)], timestamp(instance.last_transition.as_deref()?)?)));
    families.gauges(
        "vipward_instance_last_transition_timestamp_seconds",
        "When the state changed last, in seconds since 1970",
        last,
    )
}

fn adverts(families: &mut Families, instances: &[InstanceStatus]) -> fmt::Result {
    each!(families.counters, instances, "vipward_adverts_sent", "Adverts sent", |it: &InstanceStatus| it
        .adverts_sent);
    each!(
        families.counters,
        instances,
        "vipward_adverts_failed",
        "Adverts that the system refused to send",
        |it: &InstanceStatus| it.adverts_failed
    );
    each!(
        families.counters,
        instances,
        "vipward_adverts_priority_zero_sent",
        "Adverts sent with priority 0: this node resigned",
        |it: &InstanceStatus| it.adverts_priority_zero_sent
    );
    each!(
        families.counters,
        instances,
        "vipward_adverts_received",
        "Adverts that passed every check",
        |it: &InstanceStatus| it.adverts_received
    );
    each!(
        families.counters,
        instances,
        "vipward_adverts_priority_zero_received",
        "Those with priority 0: a master resigned",
        |it: &InstanceStatus| it.adverts_priority_zero
    );
    each!(
        families.counters,
        instances,
        "vipward_adverts_address_list_differs",
        "Adverts accepted that list other addresses than ours",
        |it: &InstanceStatus| it.adverts_address_list_differs
    );
    each!(
        families.counters,
        instances,
        "vipward_adverts_interval_differs",
        "Adverts accepted that have another interval than ours (version 3)",
        |it: &InstanceStatus| it.adverts_interval_differs
    );
    let rejected = instances.iter().flat_map(|instance| {
        Reason::ALL.into_iter().map(move |reason| {
            let count = instance.adverts_rejected_by.get(reason.label()).copied().unwrap_or(0);
            ([name(instance), ("reason", reason.label())], count)
        })
    });
    families.counters("vipward_adverts_rejected", "Adverts rejected by a receive check, by reason", rejected)
}

fn watch(families: &mut Families, instances: &[InstanceStatus]) -> fmt::Result {
    each!(
        families.gauges,
        instances,
        "vipward_advert_interval_seconds",
        "Interval of an instance's adverts",
        |it: &InstanceStatus| it.interval_seconds
    );
    let ages = instances.iter().filter_map(|it| Some(([name(it)], it.last_advert_seconds_ago?)));
    families.gauges(
        "vipward_last_advert_age_seconds",
        "How long ago another router's advert was accepted; absent until one is",
        ages,
    )?;
    each!(
        families.counters,
        instances,
        "vipward_watch_timeouts",
        "Times that the watch on the master ran out; begins anew when the data path does",
        |it: &InstanceStatus| it.timeouts
    );
    each!(
        families.counters,
        instances,
        "vipward_watch_not_armed",
        "Times that the kernel refused the timer",
        |it: &InstanceStatus| it.timer_not_armed
    );
    each!(
        families.counters,
        instances,
        "vipward_events_ring_full",
        "Events of an instance that found the data path's ring full",
        |it: &InstanceStatus| it.events_ring_full
    );
    Ok(())
}

fn lease(families: &mut Families, instances: &[InstanceStatus]) -> fmt::Result {
    let available = instances.iter().map(|instance| {
        let reason = match &instance.lease {
            Lease::Unavailable { reason } => Some(reason.as_str()),
            Lease::None | Lease::Held { .. } | Lease::Leaving { .. } => None,
        };
        let labels = [name(instance), ("reason", reason.unwrap_or_default())];
        (labels, u32::from(reason.is_none()))
    });
    families.gauges(
        "vipward_lease_available",
        "Whether the kernel keeps the VIPs from a node without a lease (0: no, and why; they are not fenced)",
        available,
    )?;
    each!(
        families.gauges,
        instances,
        "vipward_lease_state",
        "0 none, 1 held, 2 held until the successor is heard",
        |it: &InstanceStatus| match it.lease {
            Lease::Unavailable { .. } | Lease::None => 0_u32,
            Lease::Held { .. } => 1,
            Lease::Leaving { .. } => 2,
        }
    );
    let remaining = instances.iter().filter_map(|instance| match instance.lease {
        Lease::Held { remaining_seconds } | Lease::Leaving { remaining_seconds } => {
            Some(([name(instance)], remaining_seconds))
        }
        Lease::Unavailable { .. } | Lease::None => None,
    });
    families.gauges(
        "vipward_lease_remaining_seconds",
        "How long the lease lasts unless it is renewed; negative once it has lapsed, absent without one",
        remaining,
    )?;
    let fenced = instances.iter().flat_map(|instance| {
        Fenced::ALL.into_iter().map(move |kind| {
            let count = instance.fenced.get(kind.label()).copied().unwrap_or(0);
            ([name(instance), ("kind", kind.label())], count)
        })
    });
    families.counters(
        "vipward_fenced_packets",
        "Packets that were kept from the VIPs while there was no lease, by kind",
        fenced,
    )
}
