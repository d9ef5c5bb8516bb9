//! A `vrrp_instance` as a whole: what its lines mean together, and what counts where a line is missing. The rules
//! are those of keepalived 2.2.7 unless a comment says why not.

use std::net::IpAddr;
use std::time::Duration;

use crate::config::diagnostic::{Findings, quoted};
use crate::config::model::{Family, Instance, Location, Peer, State, TrackItem, Version, Vip};
use crate::config::tree::Node;
use vipward_common::wire::{PRIORITY_OWNER, TTL};

use super::globals::Defaults;
use super::instance::{At, Draft};
use super::track::{ItemLine, Weights};
use super::{mentions, stands_for, strict, trusted, weights};

const DEFAULT_PRIORITY: u8 = 100;
const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);
/// Max Advertise Interval has 12 bits of centiseconds (RFC 9568 §5.2.7).
const MAX_INTERVAL_V3: Duration = Duration::from_millis(40_950);
const CENTISECOND: Duration = Duration::from_millis(10);
const SECOND: Duration = Duration::from_secs(1);
/// Addresses in an advert: the count has 8 bits, and an IPv6 advert has to fit 1500 bytes. keepalived counts the
/// Ethernet header among these and so has room for one less.
const MAX_VIPS_V4: usize = 255;
const MAX_VIPS_V6: usize = 89;

/// The instance that `node` describes; `None` if it lacks something essential, which is reported.
pub(super) fn settle(
    node: &Node,
    mut draft: Draft,
    defaults: &Defaults,
    findings: &mut Findings,
) -> Option<Instance> {
    let name = node.args().first()?.text.clone();
    if draft.strict {
        strict::apply(&mut draft, node, findings);
    }
    let family = family(&draft, findings);
    let version = version(&draft, family, defaults, findings);
    let interval = interval(draft.interval.as_ref(), version, findings);
    let auth = auth(&draft, version, findings);
    let (state, priority) = state_and_priority(&draft, node.at(), findings);
    let (preempt, preempt_delay) = preemption(&draft, state, priority, findings);
    unicast(&mut draft, family, findings);
    trusted::settle(&draft, family, findings);
    vips(&mut draft.vips, node, family, draft.unicast.is_some(), findings);
    let group = group(&draft, family, defaults, findings);
    let ttl = ttl(&draft, findings);

    for (keyword, missing) in
        [("interface", draft.interface.is_none()), ("virtual_router_id", draft.vrid.is_none())]
    {
        // A line with a bad value has been reported already.
        if missing && !mentions(node, keyword, findings) {
            findings.error(node.at(), format!("{} has no `{keyword}`", quoted(&name)));
        }
    }
    let unicast = draft.unicast.is_some();
    let vmac = draft.vrid.and_then(|vrid| draft.vmac.clone().settle(vrid, family, unicast, findings));
    let garp = draft.garp.settle(defaults.garp);
    if !garp.extra.is_zero() && !garp.extra_all && vmac.as_ref().is_none_or(|vmac| !vmac.xmit_base) {
        findings
            .warning(
                node.at(),
                "`garp_extra_if` without `all` is for virtual MACs that no advert comes from: there is none",
            )
            .help("`garp_extra_if all N` announces the VIPs on all interfaces but the adverts' own");
    }
    let mut instance = Instance {
        name,
        at: node.at().clone(),
        state,
        interface: draft.interface?,
        vrid: draft.vrid?,
        priority,
        interval,
        version,
        family,
        auth,
        preempt,
        preempt_delay,
        source: draft.source.map(|(source, _)| source),
        unicast,
        unicast_peers: draft.peers,
        trusted: draft.trusted,
        // keepalived's default is no check: adverts of anybody would count.
        check_unicast_src: unicast && draft.check_unicast_src.unwrap_or(defaults.check_unicast_src),
        checksum: draft.checksum,
        down_adverts: draft.down_adverts,
        vips: draft.vips,
        track_primary: draft.track_primary,
        vmac,
        routes: draft.routes,
        rules: draft.rules,
        track_scripts: draft
            .track_scripts
            .into_iter()
            .map(|line| line.settle(&defaults.reversed_scripts))
            .collect(),
        track_interfaces: draft.track_interfaces,
        track_files: settled(draft.track_files, "track_file", &defaults.files, findings),
        track_processes: settled(draft.track_processes, "vrrp_track_process", &defaults.processes, findings),
        // The owner's addresses are the host's own.
        accept: draft.accept || priority == PRIORITY_OWNER,
        promote_secondaries: draft.promote_secondaries,
        garp,
        group,
        ttl,
        lower_prio_no_advert: draft.lower_prio_no_advert,
        higher_prio_send_advert: draft.higher_prio_send_advert,
        owner_ignore_adverts: ignores_adverts(draft.owner_ignore_adverts, priority, defaults, findings),
        notify: draft.notify,
        notify_priority_changes: draft.priority_changes.unwrap_or(defaults.priority_changes),
        smtp_alert: draft.smtp_alert.unwrap_or_else(|| defaults.mail.alerts()),
    };
    if priority == PRIORITY_OWNER {
        let because = "with priority 255";
        weights::files(&mut instance, because, "write `weight 0` to mean that", findings);
    }
    Some(instance)
}

/// The lines of `track_file` or `track_process` as they count.
fn settled(
    lines: Vec<ItemLine>,
    keyword: &str,
    weights: &Weights,
    findings: &mut Findings,
) -> Vec<TrackItem> {
    lines.into_iter().filter_map(|line| line.settle(keyword, weights, findings)).collect()
}

/// The family of the addresses in adverts, and complaints about everything of the other one.
fn family(draft: &Draft, findings: &mut Findings) -> Family {
    let vips = || draft.vips.iter().filter(|vip| vip.in_adverts).map(|vip| (vip.address, &vip.at));
    let source = draft.source.as_ref().map(|(address, at)| (*address, at));
    let peers = || draft.peers.iter().map(|peer| (peer.address, &peer.at));
    let family = if draft.native_ipv6 {
        Family::V6
    } else {
        vips().chain(source).chain(peers()).next().map_or(Family::V4, |(address, _)| Family::of(address))
    };
    let foreign = |(address, _): &(IpAddr, &Location)| Family::of(*address) != family;
    for (address, at) in vips().filter(foreign) {
        findings
            .error(at, format!("{address} is not of the family of the instance's other addresses"))
            .help("one of the families belongs in `virtual_ipaddress_excluded`");
    }
    for (address, at) in source.into_iter().chain(peers()).filter(foreign) {
        findings.error(at, format!("{address} is not of the family of the instance's virtual addresses"));
    }
    family
}

fn version(draft: &Draft, family: Family, defaults: &Defaults, findings: &mut Findings) -> Version {
    match (&draft.version, family) {
        (Some((Version::V2, at)), Family::V6) => {
            // keepalived would send version 2 over IPv6, which no RFC knows.
            findings.strict(at, "version 2 has no IPv6").help("use version 3 on all nodes");
            Version::V3
        }
        (Some((version, _)), _) => *version,
        (None, Family::V6) => Version::V3,
        (None, Family::V4) => defaults.version,
    }
}

fn interval(given: Option<&At<Duration>>, version: Version, findings: &mut Findings) -> Duration {
    let Some((interval, at)) = given else { return DEFAULT_INTERVAL };
    let (unit, most, rule) = match version {
        Version::V2 => (SECOND, Duration::from_secs(255), "version 2 counts whole seconds"),
        Version::V3 => {
            (CENTISECOND, MAX_INTERVAL_V3, "version 3 counts hundredths of a second, up to 40.95 s")
        }
    };
    let half = unit.as_micros() / 2;
    let units = ((interval.as_micros() + half) / unit.as_micros()).max(1);
    let rounded = unit.saturating_mul(u32::try_from(units).unwrap_or(u32::MAX)).min(most);
    if rounded != *interval {
        let help = match version {
            Version::V2 => format!("write `version 3`, or {} s as keepalived rounds it", rounded.as_secs()),
            Version::V3 => format!("keepalived takes it for {} s", rounded.as_secs_f64()),
        };
        findings.strict(at, format!("an interval of {} s: {rule}", interval.as_secs_f64())).help(help);
    }
    rounded
}

fn auth(draft: &Draft, version: Version, findings: &mut Findings) -> Option<[u8; 8]> {
    let at = draft.auth_type.as_ref().or(draft.auth_pass.as_ref().map(|(_, at)| at))?;
    if version == Version::V3 {
        findings
            .warning(at, "version 3 has no authentication: this is ignored")
            .help("keepalived ignores it as well, so nothing is lost by deleting it");
        return None;
    }
    match (&draft.auth_type, &draft.auth_pass) {
        (Some(_), Some((data, _))) if data.first().is_some_and(|byte| *byte != 0) => Some(*data),
        (Some(at), _) => {
            findings.warning(at, "authentication without a password is ignored");
            None
        }
        (None, _) => {
            findings.warning(at, "a password without `auth_type PASS` is ignored");
            None
        }
    }
}

fn state_and_priority(draft: &Draft, at: &Location, findings: &mut Findings) -> (State, u8) {
    let priority = draft.priority.unwrap_or_else(|| {
        if draft.state != Some(State::Master) {
            return DEFAULT_PRIORITY;
        }
        findings
            .warning(at, "`state MASTER` without a priority makes it the address owner, with priority 255")
            .help("give each node a priority");
        PRIORITY_OWNER
    });
    let implied = if priority == PRIORITY_OWNER { State::Master } else { State::Backup };
    (draft.state.unwrap_or(implied), priority)
}

fn preemption(draft: &Draft, state: State, priority: u8, findings: &mut Findings) -> (bool, Duration) {
    let mut preempt = true;
    if let Some(at) = &draft.nopreempt {
        if priority == PRIORITY_OWNER {
            findings.warning(at, "`nopreempt` is ignored: priority 255 always preempts");
        } else if state == State::Master {
            findings
                .warning(at, "`nopreempt` is ignored with `state MASTER`")
                .help("write `state BACKUP` on all nodes; the priorities decide who begins");
        } else {
            preempt = false;
        }
    }
    let Some((delay, at)) = draft.preempt_delay.as_ref().filter(|(delay, _)| !delay.is_zero()) else {
        return (preempt, Duration::ZERO);
    };
    if state == State::Master {
        findings
            .warning(at, "`preempt_delay` is ignored with `state MASTER`")
            .help("write `state BACKUP` on all nodes; the priorities decide who begins");
        return (preempt, Duration::ZERO);
    }
    if !preempt {
        findings.warning(at, "`preempt_delay` is ignored with `nopreempt`");
        return (preempt, Duration::ZERO);
    }
    (preempt, *delay)
}

fn unicast(draft: &mut Draft, family: Family, findings: &mut Findings) {
    let Some(at) = &draft.unicast else { return };
    if let Some((source, _)) = &draft.source {
        for peer in draft.peers.iter().filter(|peer| peer.address == *source) {
            findings
                .warning(&peer.at, format!("{source} is this node itself and left out of its peers"))
                .help("each node lists the others");
        }
        draft.peers.retain(|peer| peer.address != *source);
    }
    if draft.peers.is_empty() && !draft.peer_refused {
        findings.error(at, "unicast without a peer").help(
            "list the other nodes in `unicast_peer`; keepalived would fall back to multicast in silence",
        );
    }
    draft.peers.retain(|peer| Family::of(peer.address) == family);
    if draft.source.is_none() {
        link_local(&draft.peers, findings);
    }
}

/// `owner_ignore_adverts`, which is for the owner alone.
fn ignores_adverts(
    given: Option<At<bool>>,
    priority: u8,
    defaults: &Defaults,
    findings: &mut Findings,
) -> bool {
    let owner = priority == PRIORITY_OWNER;
    if let Some((_, at)) = given.as_ref().filter(|(ignores, _)| *ignores && !owner) {
        findings
            .warning(at, format!("`owner_ignore_adverts` does nothing with priority {priority}"))
            .help("it is for the address owner, with 255");
    }
    owner && given.map_or(defaults.sending.owner_ignore_adverts, |(ignores, _)| ignores)
}

/// Where multicast adverts go, if it is not the protocol's own group.
fn group(draft: &Draft, family: Family, defaults: &Defaults, findings: &mut Findings) -> Option<IpAddr> {
    let Some((group, at)) = &draft.group else {
        return defaults.sending.group(family).filter(|_| draft.unicast.is_none());
    };
    if Family::of(*group) != family {
        findings.error(at, format!("{group} is not of the family of the instance's virtual addresses"));
    } else if draft.unicast.is_some() {
        findings.warning(at, "`mcast_dst_ip` has no effect with unicast");
        return None;
    }
    Some(*group)
}

/// TTL or hop limit of the adverts.
fn ttl(draft: &Draft, findings: &mut Findings) -> u8 {
    let Some((ttl, at)) = &draft.ttl else { return TTL };
    if draft.unicast.is_none() {
        findings
            .warning(at, "`unicast_ttl` has no effect with multicast")
            .help("a multicast advert has 255 and is discarded with any other");
        return TTL;
    }
    if *ttl == 0 {
        findings.warning(at, "adverts with a TTL of 0 reach nobody");
    }
    *ttl
}

/// Without a source of its own an instance of IPv6 hears what is sent to its link-local address. A node whose peers
/// have other addresses is surely listed there by such a one too.
fn link_local(peers: &[Peer], findings: &mut Findings) {
    let wider = |peer: &&Peer| matches!(peer.address, IpAddr::V6(own) if !own.is_unicast_link_local());
    if let Some(peer) = peers.iter().find(wider) {
        findings
            .warning(&peer.at, format!("{} is not link-local, as the source of our adverts is", peer.address))
            .help(
                "name the address by which the peers list this node in `unicast_src_ip`: no other hears them",
            );
    }
}

fn vips(vips: &mut [Vip], node: &Node, family: Family, unicast: bool, findings: &mut Findings) {
    let mut advertised = vips.iter_mut().filter(|vip| vip.in_adverts).peekable();
    let Some(first) = advertised.peek() else {
        let has_lines = node
            .children()
            .iter()
            .any(|line| stands_for(line, "virtual_ipaddress", findings) && !line.children().is_empty());
        if !has_lines {
            findings.error(node.at(), "no `virtual_ipaddress`: an advert lists at least one address").help(
                "addresses of the other family, and those too many, go to `virtual_ipaddress_excluded`",
            );
        }
        return;
    };
    if let (IpAddr::V6(address), false) = (first.address, unicast)
        && !address.is_unicast_link_local()
    {
        findings
            .warning(&first.at, format!("the first IPv6 address should be link-local, unlike {address}"))
            .help("RFC 9568 §5.2.9; hosts that use the router's link-local address lose it at a failover");
    }
    let most = if family == Family::V4 { MAX_VIPS_V4 } else { MAX_VIPS_V6 };
    let mut reported = false;
    for vip in advertised.skip(most) {
        if !reported {
            findings
                .strict(&vip.at, format!("an advert has room for {most} addresses"))
                .help("this one and the following belong in `virtual_ipaddress_excluded`");
            reported = true;
        }
        vip.in_adverts = false;
    }
}
