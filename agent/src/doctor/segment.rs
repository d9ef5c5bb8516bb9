//! What is heard on the segment: masters of our routers, other routers, and adverts that are of no use. From a running
//! agent, and by listening for a moment.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::finding::Finding;
use super::place::Place;
use crate::config::model::Config;
use crate::control::reasons;
use crate::control::status::{InstanceStatus, State, StatusSnapshot};
use crate::monitor::judge::Judge;
use crate::monitor::sighting::{Body, Heard};
use crate::monitor::watch::{Sighting, Watch};
use crate::net::Links;

const CHECK: &str = "segment";
/// Packets that are remembered while listening.
const MAX_SIGHTINGS: usize = 10_000;
/// Findings about one interface's other routers, which anybody on the segment can cause.
const MAX_FOREIGN: usize = 8;
/// A stranger of whom nothing was heard for so long is no news.
const RECENT: f64 = 600.0;
/// Intervals without an advert after which a backup should have taken over.
const SILENCE: f64 = 4.0;

/// Listens on all interfaces for so long. The error says why nothing is heard.
pub(super) fn listen(time: Duration, config: Option<Config>, links: Links) -> Result<Vec<Sighting>, String> {
    let mut watch = Watch::open(None, Judge::of(config, links)).map_err(|error| error.to_string())?;
    let end = Instant::now() + time;
    let mut seen = Vec::new();
    while Instant::now() < end && seen.len() < MAX_SIGHTINGS {
        watch.wait(Some(end), &mut seen).map_err(|error| error.to_string())?;
    }
    match watch.take_notes() {
        notes if notes.is_empty() => Ok(seen),
        notes => Err(notes.join("; ")),
    }
}

/// What a running agent knows.
pub(super) fn of_agent(status: &StatusSnapshot) -> Vec<Finding> {
    status.instances.iter().flat_map(of_instance).collect()
}

fn of_instance(instance: &InstanceStatus) -> Vec<Finding> {
    let name = &instance.name;
    let mut findings = Vec::new();
    if let (State::Fault, Some(fault)) = (instance.state, &instance.fault) {
        findings.push(Finding::warning(
            CHECK,
            format!("{name} is in FAULT: {fault}"),
            "see `vipward status`",
        ));
    }
    match (instance.state, instance.last_advert_seconds_ago) {
        (State::Backup, Some(ago)) if ago <= SILENCE * instance.interval_seconds.max(0.25) => {
            let master = instance.master.as_ref().map_or("the master", |master| &master.address);
            findings.push(Finding::fine(CHECK, format!("{name}: adverts of {master} reach this host")));
        }
        (State::Master, _) => findings.push(Finding::fine(CHECK, format!("{name}: this node is master"))),
        _ => {}
    }
    for stranger in instance.strangers.iter().filter(|stranger| stranger.seconds_ago <= RECENT) {
        let remedy =
            reasons::remedy(&stranger.what).unwrap_or("compare the instance's settings on all nodes");
        findings.push(Finding::warning(CHECK, format!("{name}: {}", reasons::who(stranger)), remedy));
    }
    findings.into_iter().map(|finding| finding.on(&instance.interface)).collect()
}

/// What was heard on one interface. With an `agent` the silence of ours is its business.
pub(super) fn check(place: &Place, heard: &[Sighting], time: Duration, agent: bool) -> Vec<Finding> {
    let here: Vec<(&Sighting, &Heard)> = heard
        .iter()
        .filter(|sighting| sighting.interface == place.interface && !sighting.sent && sighting.vlan.is_none())
        .filter_map(|sighting| match &sighting.body {
            Body::Advert(heard) => Some((sighting, heard)),
            Body::Garp { .. } | Body::Na { .. } => None,
        })
        .collect();
    let mut findings = Vec::new();
    for router in &place.routers {
        let ours = |(_, heard): &&(&Sighting, &Heard)| {
            heard.vrid == router.vrid && heard.source.is_ipv4() == (router.family.number() == 4)
        };
        let name = &router.name;
        match here.iter().find(ours) {
            Some((_, heard)) if !agent => findings.push(Finding::fine(
                CHECK,
                format!("{name}: {} advertises VRID {}, and it reaches this host", heard.source, heard.vrid),
            )),
            None if !agent => findings.push(Finding::note(
                CHECK,
                format!(
                    "{name}: nothing was heard for VRID {} in {time:?}: nobody is master, or adverts do not get here",
                    router.vrid
                ),
            )),
            Some(_) | None => {}
        }
        let bad =
            here.iter().filter(ours).find_map(|(sighting, heard)| Some((heard, sighting.faults.first()?)));
        if let Some((heard, fault)) = bad.filter(|_| !agent) {
            let remedy =
                reasons::remedy(&fault.what).unwrap_or("compare the instance's settings on all nodes");
            findings.push(Finding::warning(
                CHECK,
                format!("{name}: advert of {}: {}", heard.source, fault.message),
                remedy,
            ));
        }
    }
    findings.extend(foreign(place, &here));
    findings.into_iter().map(|finding| finding.on(&place.interface)).collect()
}

/// Routers that the configuration does not have here.
fn foreign(place: &Place, here: &[(&Sighting, &Heard)]) -> Vec<Finding> {
    let mut others: BTreeMap<(u8, bool), Vec<IpAddr>> = BTreeMap::new();
    for (_, heard) in here {
        let ours = place.routers.iter().any(|router| {
            router.vrid == heard.vrid && heard.source.is_ipv4() == (router.family.number() == 4)
        });
        let sources = others.entry((heard.vrid, heard.source.is_ipv6())).or_default();
        if !ours && !sources.contains(&heard.source) && sources.len() < MAX_FOREIGN {
            sources.push(heard.source);
        }
    }
    others.retain(|_, sources| !sources.is_empty());
    let told = others.iter().take(MAX_FOREIGN).map(|((vrid, _), sources)| {
        let sources: Vec<String> = sources.iter().map(ToString::to_string).collect();
        Finding::note(
            CHECK,
            format!(
                "VRID {vrid} is in use here by {}: choose another for new instances",
                sources.join(" and ")
            ),
        )
    });
    let more = others.len().saturating_sub(MAX_FOREIGN);
    let rest = (more > 0).then(|| Finding::note(CHECK, format!("{more} more VRIDs are in use here")));
    told.chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::super::place::tests::places;
    use super::*;
    use crate::control::status::Stranger;
    use crate::control::status::tests::sample;
    use crate::doctor::finding::Severity;
    use crate::monitor::sighting::Fault;

    fn sighting(vrid: u8, source: [u8; 4], faults: &[(&str, &str)]) -> Sighting {
        let heard = Heard {
            source: source.into(),
            destination: [224, 0, 0, 18].into(),
            ttl: 255,
            version: 3,
            vrid,
            priority: Some(100),
            interval_ms: Some(1000),
            addresses: Vec::new(),
            password: false,
        };
        Sighting {
            at: String::new(),
            interface: "eth0".into(),
            sent: false,
            vlan: None,
            mac: String::new(),
            body: Body::Advert(heard),
            ours: None,
            xdp: None,
            faults: faults.iter().map(|(what, message)| Fault::new(what, *message)).collect(),
        }
    }

    fn place() -> Place {
        places(
            "vrrp_instance A { interface eth0\n virtual_router_id 51\n virtual_ipaddress { 10.0.0.50\n } }",
        )
        .remove(0)
    }

    const TIME: Duration = Duration::from_secs(2);

    #[test]
    fn silence_masters_and_strangers() {
        let silent = check(&place(), &[], TIME, false);
        assert!(silent.len() == 1 && silent[0].severity == Severity::Note, "{silent:?}");
        assert!(check(&place(), &[], TIME, true).is_empty(), "a running agent knows better");
        let master = check(&place(), &[sighting(51, [10, 0, 0, 1], &[])], TIME, false);
        assert!(master.len() == 1 && master[0].severity == Severity::Fine, "{master:?}");
        let wrong = [
            sighting(51, [10, 0, 0, 1], &[]),
            sighting(51, [10, 0, 0, 9], &[("auth_data", "wrong password")]),
        ];
        let found = check(&place(), &wrong, TIME, false);
        assert!(
            found.iter().any(|finding| {
                finding.severity == Severity::Warning
                    && finding.message.contains("10.0.0.9")
                    && finding.remedy.as_ref().is_some_and(|remedy| remedy.contains("auth_pass"))
            }),
            "{found:?}"
        );
        let elsewhere = Sighting { interface: "eth1".into(), ..sighting(51, [10, 0, 0, 1], &[]) };
        let own = Sighting { sent: true, ..sighting(51, [10, 0, 0, 1], &[]) };
        assert_eq!(check(&place(), &[elsewhere, own], TIME, false), silent);
    }

    #[test]
    fn foreign_routers_are_named_and_bounded() {
        let all: Vec<Sighting> = (1..=200).map(|vrid| sighting(vrid, [10, 0, 0, vrid], &[])).collect();
        let found = check(&place(), &all, TIME, true);
        assert_eq!(found.len(), MAX_FOREIGN + 1, "{found:?}");
        assert!(found[0].message.starts_with("VRID 1 is in use here by 10.0.0.1"), "{found:?}");
        assert!(found[MAX_FOREIGN].message.starts_with("191 more"), "{found:?}");
    }

    #[test]
    fn a_running_agent_names_whom_it_met() {
        let mut status = sample();
        status.instances.truncate(1);
        status.instances[0].strangers = vec![
            Stranger {
                what: "auth_data".into(),
                address: "192.0.2.9".into(),
                mac: None,
                version: 2,
                seconds_ago: 5.0,
            },
            Stranger {
                what: "ttl".into(),
                address: "192.0.2.8".into(),
                mac: None,
                version: 2,
                seconds_ago: 9e9,
            },
        ];
        let found = of_agent(&status);
        let told: Vec<&Finding> =
            found.iter().filter(|finding| finding.severity == Severity::Warning).collect();
        assert!(told.len() == 1 && told[0].message.contains("192.0.2.9"), "{found:?}");
    }
}
