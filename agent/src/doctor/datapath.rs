//! Which data path an interface has, or would get, and why it is not a better one. Nothing is attached for that: on a
//! real card it would cut the network off for a moment.

use std::fs;
use std::path::Path;

use super::finding::Finding;
use super::place::Place;
use crate::control::status::{Datapath, StatusSnapshot};
use crate::kernel;
use crate::net::xdp::{self, Attached};

const CHECK: &str = "datapath";
/// Bytes of a packet above which native XDP needs more than a page for one.
const PAGE_MTU: u32 = 3498;

/// What was seen of one interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// What a running agent uses, and why.
    pub(super) in_use: Option<(Datapath, Option<String>)>,
    /// The driver says that it can run programs.
    pub(super) native: Option<bool>,
    /// A program that is not a running agent's.
    pub(super) foreign: Option<String>,
    /// It is a bond.
    pub(super) bond: bool,
    /// Its MTU.
    pub(super) mtu: u32,
}

/// Whether the kernel takes the program at all; the error says why not.
pub(super) fn loads() -> Result<(), String> {
    kernel::probe().map_err(|error| error.to_string())
}

/// Looks at one interface.
pub(super) fn look(
    place: &Place,
    ifindex: u32,
    attached: &[Attached],
    agent: Option<&StatusSnapshot>,
) -> Seen {
    let folder = Path::new("/sys/class/net").join(&place.interface);
    let here = |status: &StatusSnapshot| {
        let instance = status.instances.iter().find(|instance| instance.interface == place.interface)?;
        Some((instance.datapath?, instance.datapath_reason.clone()))
    };
    let program = attached.iter().find(|attached| attached.ifindex == ifindex);
    let name = program.map(|attached| kernel::program_name(attached.program));
    Seen {
        in_use: agent.and_then(here),
        native: xdp::is_native(ifindex),
        foreign: name.filter(|name| name != kernel::PROGRAM_NAME),
        bond: folder.join("bonding").is_dir(),
        mtu: fs::read_to_string(folder.join("mtu")).ok().and_then(|mtu| mtu.trim().parse().ok()).unwrap_or(0),
    }
}

/// What to make of it. `loads` says whether the kernel takes the program.
pub(super) fn check(place: &Place, seen: &Seen, loads: &Result<(), String>) -> Vec<Finding> {
    let findings = match (&seen.in_use, loads) {
        (Some((Datapath::Xdp, _)), _) => vec![Finding::fine(CHECK, "native XDP is in use")],
        (Some((path, reason)), _) => {
            let why = reason.as_deref().unwrap_or("of a reason that the agent does not tell");
            vec![lesser(*path, why, seen)]
        }
        (None, Err(why)) => vec![lesser(Datapath::Socket, why, seen)],
        (None, Ok(())) => would_be(seen),
    };
    findings.into_iter().map(|finding| finding.on(&place.interface)).collect()
}

fn lesser(path: Datapath, why: &str, seen: &Seen) -> Finding {
    match path {
        _ if why == kernel::ASKED_FOR => Finding::note(CHECK, format!("{}: {why}", path.name())),
        Datapath::Socket => Finding::warning(
            CHECK,
            format!("adverts are received by a raw socket, which wakes the agent and knows no fence: {why}"),
            "see what is said of the kernel and of rights; --datapath auto uses XDP where it can",
        ),
        // No more is to be had from this driver.
        _ if seen.native == Some(false) || seen.bond => {
            Finding::note(CHECK, format!("generic XDP, a little dearer per packet: {why}"))
        }
        _ => Finding::warning(
            CHECK,
            format!("generic XDP and not native: {why}"),
            "put right what is named there, and restart the agent",
        ),
    }
}

fn would_be(seen: &Seen) -> Vec<Finding> {
    if let Some(name) = &seen.foreign {
        return vec![Finding::warning(
            CHECK,
            format!("another XDP program is attached ({name}): ours cannot be"),
            "detach it (ip link set dev INTERFACE xdp off), or use --datapath socket",
        )];
    }
    if seen.bond {
        return vec![Finding::note(
            CHECK,
            "generic XDP: on a bond a native program would run on its members",
        )];
    }
    let mut findings = vec![match seen.native {
        Some(true) => Finding::fine(CHECK, "native XDP: the kernel takes the program, and the driver has it"),
        Some(false) => Finding::note(CHECK, "generic XDP: the driver has no native one"),
        None => Finding::note(
            CHECK,
            "XDP: the kernel takes the program; whether native is seen when it is attached",
        ),
    }];
    if seen.native != Some(false) && seen.mtu > PAGE_MTU {
        findings.push(Finding::note(
            CHECK,
            format!("an MTU of {} may be too large for native XDP; then it is generic", seen.mtu),
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::place::bare;
    use super::*;
    use crate::doctor::finding::Severity;

    fn first(seen: &Seen, loads: &Result<(), String>) -> (Severity, String) {
        let findings = check(&bare("eth0"), seen, loads);
        (findings[0].severity, findings[0].message.clone())
    }

    #[test]
    fn a_running_agent_knows_best() {
        let used = |path, native| Seen {
            in_use: Some((path, Some("the driver does not support it".into()))),
            native: Some(native),
            ..Seen::default()
        };
        let refused = Err("no BPF".to_owned());
        assert_eq!(first(&used(Datapath::Xdp, true), &refused).0, Severity::Fine);
        assert_eq!(first(&used(Datapath::XdpGeneric, false), &refused).0, Severity::Note);
        let (severity, message) = first(&used(Datapath::XdpGeneric, true), &Ok(()));
        assert!(
            severity == Severity::Warning && message.ends_with("the driver does not support it"),
            "{message}"
        );
        assert_eq!(first(&used(Datapath::Socket, true), &Ok(())).0, Severity::Warning);
        let asked =
            Seen { in_use: Some((Datapath::Socket, Some(kernel::ASKED_FOR.into()))), ..Seen::default() };
        assert_eq!(first(&asked, &Ok(())).0, Severity::Note);
    }

    #[test]
    fn without_one_it_is_foreseen() {
        let seen = |native| Seen { native, mtu: 1500, ..Seen::default() };
        assert_eq!(first(&seen(Some(true)), &Ok(())).0, Severity::Fine);
        assert_eq!(first(&seen(Some(false)), &Ok(())).0, Severity::Note);
        assert_eq!(first(&seen(None), &Ok(())).0, Severity::Note);
        let (severity, message) = first(&seen(Some(true)), &Err("XDP needs CAP_BPF".into()));
        assert!(severity == Severity::Warning && message.contains("CAP_BPF"), "{message}");
        let foreign = Seen { foreign: Some("katran".into()), ..seen(Some(true)) };
        assert!(first(&foreign, &Ok(())).1.contains("katran"));
        let jumbo = check(&bare("eth0"), &Seen { mtu: 9000, ..seen(Some(true)) }, &Ok(()));
        assert!(jumbo.len() == 2 && jumbo[1].message.contains("9000"), "{jumbo:?}");
        assert!(first(&Seen { bond: true, ..seen(Some(true)) }, &Ok(())).1.contains("bond"));
    }
}
