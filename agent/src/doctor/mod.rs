//! `vipward doctor`: looks for whatever keeps adverts from being sent, heard and acted upon, and says what to do.
//!
//! Each check is a module: `look` gathers what it needs from the system, `check` makes findings of that and of nothing
//! else. Nothing is changed: no program is attached, no address set.
//!
//! * [`finding`]: what is said; [`place`]: which interfaces it is said of;
//! * [`kernel`], [`rights`], [`rivals`], [`clock`]: the host;
//! * [`nic`], [`datapath`], [`settings`], [`multicast`], [`firewall`]: its interfaces;
//! * [`segment`]: what is heard there;
//! * [`program`]: other programs that are asked.

mod clock;
mod datapath;
pub mod finding;
mod firewall;
mod kernel;
mod multicast;
mod nic;
mod place;
mod program;
mod rights;
mod rivals;
mod segment;
mod settings;

use std::path::PathBuf;
use std::time::Duration;

use crate::config::{self, model::Config};
use crate::control::client::{self, ClientError};
use crate::control::protocol::{Request, Response};
use crate::control::status::{Datapath, StatusSnapshot};
use crate::net::netlink::Netlink;
use crate::net::{Links, xdp};
use finding::{Finding, Report};
use place::Place;

/// What the doctor is to look at.
#[derive(Clone, Debug)]
pub struct Visit {
    /// Configuration whose interfaces are looked at.
    pub file: PathBuf,
    /// Whose lines of it count.
    pub config_id: Option<String>,
    /// Where an agent may be running.
    pub run_dir: PathBuf,
    /// For how long to listen; not at all if zero.
    pub listen: Duration,
}

/// Looks at everything.
pub fn examine(visit: &Visit) -> Report {
    let mut findings = kernel::check(&kernel::look());
    findings.extend(rights::check(&rights::look()));
    let agent = agent(visit, &mut findings);
    findings.extend(rivals::check(&rivals::look(agent.is_some())));
    findings.extend(clock::check(clock::look()));
    let config = config(visit, &mut findings);
    let links = Netlink::open().and_then(|mut netlink| {
        let links = Links::dump(&mut netlink)?;
        Ok((links, xdp::attached(&mut netlink)?))
    });
    let (links, attached) = match links {
        Ok(all) => all,
        Err(error) => {
            findings.push(Finding::error(
                "interfaces",
                error.to_string(),
                "ask as root (sudo vipward doctor)",
            ));
            return Report::of(findings);
        }
    };
    let places = config.as_ref().map_or_else(|| possible(&links), place::of);
    let loads = datapath::loads();
    let rules = firewall::look();
    let heard = match visit.listen {
        Duration::ZERO => Vec::new(),
        time => segment::listen(time, config, links.clone()).unwrap_or_else(|why| {
            findings.push(Finding::note("segment", format!("not all that passes can be heard: {why}")));
            Vec::new()
        }),
    };
    if let Some(status) = &agent {
        findings.extend(segment::of_agent(status));
    }
    for place in &places {
        let card = nic::look(place);
        findings.extend(nic::check(place, &card));
        let Some(interface) = links.by_name(&place.interface) else { continue };
        let path = datapath::look(place, interface.ifindex, &attached, agent.as_ref());
        let xdp = path.in_use.as_ref().is_some_and(|(kind, _)| *kind != Datapath::Socket);
        findings.extend(datapath::check(place, &path, &loads));
        findings.extend(settings::check(place, &settings::look(place, &links)));
        findings.extend(multicast::check(place, &multicast::look(place)));
        findings.extend(firewall::check(place, &rules, xdp));
        if !visit.listen.is_zero() {
            findings.extend(segment::check(place, &heard, visit.listen, agent.is_some()));
        }
    }
    Report::of(findings)
}

/// The status of an agent, if one runs.
fn agent(visit: &Visit, findings: &mut Vec<Finding>) -> Option<StatusSnapshot> {
    const CHECK: &str = "agent";
    match client::request(&visit.run_dir, &Request::Status {}) {
        Ok(Response::Status(status)) => {
            findings.push(Finding::fine(
                CHECK,
                format!("vipward {} runs as process {}", status.version, status.pid),
            ));
            return Some(*status);
        }
        Ok(_) => findings.push(Finding::note(CHECK, "the agent gave an answer to another question")),
        Err(error @ ClientError::NoAgent(_)) => findings.push(Finding::note(CHECK, error.to_string())),
        Err(error) => {
            findings.push(Finding::warning(
                CHECK,
                error.to_string(),
                "see the agent's log (journalctl -u vipward)",
            ));
        }
    }
    None
}

fn config(visit: &Visit, findings: &mut Vec<Finding>) -> Option<Config> {
    const CHECK: &str = "config";
    let file = visit.file.display();
    if visit.file.try_exists().is_ok_and(|exists| !exists) {
        let message =
            format!("there is no {file}: all interfaces are looked at, and nothing is known of VRIDs");
        findings.push(Finding::note(CHECK, message));
        return None;
    }
    let loaded =
        config::load(&visit.file, &config::Options { lenient: true, config_id: visit.config_id.clone() });
    findings.push(match &loaded.config {
        Some(config) => Finding::fine(CHECK, format!("{file}: {} instances", config.instances.len())),
        None => Finding::error(
            CHECK,
            format!("{file} cannot be used: all interfaces are looked at"),
            format!("vipward check -f {file}"),
        ),
    });
    loaded.config
}

/// Interfaces on which routers could be.
fn possible(links: &Links) -> Vec<Place> {
    let usable = links.interfaces().filter(|interface| interface.usable() && interface.arp);
    usable.filter(|interface| interface.name != "lo").map(|interface| place::bare(&interface.name)).collect()
}
