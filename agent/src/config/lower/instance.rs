//! `vrrp_instance`: what its lines say. What follows from them together is in `settle.rs`.

use std::net::IpAddr;
use std::time::Duration;

use crate::config::diagnostic::{Findings, did_you_mean, quoted};
use crate::config::keywords::Place;
use crate::config::lex::Word;
use crate::config::model::{
    Checksum, Instance, Location, Notify, NotifyScript, Peer, Route, Rule, State, TrackInterface, Trusted,
    Version, Vip,
};
use crate::config::tree::Node;

use super::garp::GarpLines;
use super::globals::{Defaults, checksum};
use super::rule::Assigned;
use super::sending;
use super::track::{ItemLine, ScriptLine};
use super::vmac::VmacLines;
use super::{address, command, route, rule, settle, track, trusted, unsupported, values, walk};

/// Bytes of a version 2 password.
const AUTH_LEN: usize = vipward_common::wire::vrrp::AUTH_LEN;

/// Something with its place.
pub(super) type At<T> = (T, Location);

/// A block as its lines say it; `None` where there is no line.
#[expect(clippy::struct_excessive_bools, reason = "each is a keyword of its own")]
pub(super) struct Draft {
    pub(super) state: Option<State>,
    pub(super) interface: Option<String>,
    pub(super) vrid: Option<u8>,
    pub(super) priority: Option<u8>,
    pub(super) interval: Option<At<Duration>>,
    pub(super) version: Option<At<Version>>,
    pub(super) native_ipv6: bool,
    /// `auth_type PASS`
    pub(super) auth_type: Option<Location>,
    pub(super) auth_pass: Option<At<[u8; AUTH_LEN]>>,
    pub(super) nopreempt: Option<Location>,
    pub(super) preempt_delay: Option<At<Duration>>,
    pub(super) source: Option<At<IpAddr>>,
    /// The first line that asks for unicast.
    pub(super) unicast: Option<Location>,
    /// A line of `unicast_peer` is wrong, and that has been said.
    pub(super) peer_refused: bool,
    pub(super) peers: Vec<Peer>,
    pub(super) trusted: Vec<Trusted>,
    /// The first line of `vipward_peers`.
    pub(super) trusts: Option<Location>,
    pub(super) check_unicast_src: Option<bool>,
    pub(super) checksum: Checksum,
    pub(super) down_adverts: u8,
    pub(super) vips: Vec<Vip>,
    pub(super) track_primary: bool,
    pub(super) routes: Vec<Route>,
    pub(super) rules: Vec<Rule>,
    pub(super) track_scripts: Vec<ScriptLine>,
    pub(super) track_interfaces: Vec<TrackInterface>,
    pub(super) track_files: Vec<ItemLine>,
    pub(super) track_processes: Vec<ItemLine>,
    pub(super) accept: bool,
    /// One of `accept` and `no_accept` is there.
    pub(super) accept_given: bool,
    pub(super) strict: bool,
    pub(super) promote_secondaries: bool,
    pub(super) vmac: VmacLines,
    pub(super) garp: GarpLines,
    /// `mcast_dst_ip`
    pub(super) group: Option<At<IpAddr>>,
    /// `unicast_ttl`
    pub(super) ttl: Option<At<u8>>,
    pub(super) lower_prio_no_advert: bool,
    pub(super) higher_prio_send_advert: bool,
    pub(super) owner_ignore_adverts: Option<At<bool>>,
    pub(super) notify: Notify,
    pub(super) priority_changes: Option<bool>,
    pub(super) smtp_alert: Option<bool>,
}

/// One block, given the defaults for all of them.
pub(super) fn lower(
    node: &Node,
    defaults: &Defaults,
    assigned: &mut Assigned,
    findings: &mut Findings,
) -> Option<Instance> {
    let mut draft = Draft {
        state: None,
        interface: None,
        vrid: None,
        priority: None,
        interval: None,
        version: None,
        native_ipv6: false,
        auth_type: None,
        auth_pass: None,
        nopreempt: None,
        preempt_delay: None,
        source: None,
        unicast: None,
        peer_refused: false,
        peers: Vec::new(),
        trusted: Vec::new(),
        trusts: None,
        check_unicast_src: None,
        checksum: defaults.checksum,
        down_adverts: defaults.down_adverts,
        vips: Vec::new(),
        track_primary: true,
        routes: Vec::new(),
        rules: Vec::new(),
        track_scripts: Vec::new(),
        track_interfaces: Vec::new(),
        track_files: Vec::new(),
        track_processes: Vec::new(),
        accept: true,
        accept_given: false,
        strict: defaults.strict,
        promote_secondaries: false,
        vmac: VmacLines::default(),
        garp: defaults.garp,
        group: None,
        ttl: None,
        lower_prio_no_advert: defaults.sending.lower_prio_no_advert,
        higher_prio_send_advert: defaults.sending.higher_prio_send_advert,
        owner_ignore_adverts: None,
        notify: Notify::default(),
        priority_changes: None,
        smtp_alert: None,
    };
    walk(Place::Instance, node.children(), findings, |keyword, node, findings| match keyword {
        "virtual_routes" => {
            draft.routes.extend(node.children().iter().filter_map(|line| route::route(line, findings)));
        }
        "virtual_rules" => {
            let read = |line| rule::rule(line, assigned, findings);
            draft.rules.extend(node.children().iter().filter_map(read));
        }
        _ => _ = draft.set(keyword, node, findings),
    });
    settle::settle(node, draft, defaults, findings)
}

impl Draft {
    fn set(&mut self, keyword: &str, node: &Node, findings: &mut Findings) -> Option<()> {
        if keyword == "vipward_peers" {
            self.trusts.get_or_insert_with(|| node.at().clone());
            self.trusted.extend(trusted::read(node, findings));
            return Some(());
        }
        if keyword == "notify_priority_changes" {
            self.priority_changes = Some(values::flag(node, findings)?);
            return Some(());
        }
        if keyword.starts_with("notify") {
            return set_notify(&mut self.notify, keyword, node, findings);
        }
        if node.block.is_some() {
            self.set_block(keyword, node, findings);
            return Some(());
        }
        if keyword.starts_with("garp_") {
            return self.garp.set(keyword, node, findings);
        }
        let at = node.at();
        match keyword {
            "preempt" => self.nopreempt = None,
            "nopreempt" => self.nopreempt = Some(at.clone()),
            "native_ipv6" => self.native_ipv6 = true,
            "dont_track_primary" => self.track_primary = false,
            "use_vmac" => self.vmac.ask(node, findings)?,
            "vmac_xmit_base" => self.vmac.xmit_base(node),
            "accept" | "no_accept" => {
                self.accept = keyword == "accept";
                self.accept_given = true;
            }
            "strict_mode" => self.strict = values::flag(node, findings)?,
            "smtp_alert" => self.smtp_alert = Some(values::flag(node, findings)?),
            "promote_secondaries" => self.promote_secondaries = true,
            "v3_checksum_as_v2" => self.checksum = checksum(node, findings)?,
            "vmac_garp_intvl" => self.garp.set("garp_extra_if", node, findings)?,
            "lower_prio_no_advert" => self.lower_prio_no_advert = values::flag(node, findings)?,
            "higher_prio_send_advert" => self.higher_prio_send_advert = values::flag(node, findings)?,
            "owner_ignore_adverts" => {
                self.owner_ignore_adverts = Some((values::flag(node, findings)?, at.clone()));
            }
            "mcast_dst_ip" => self.group = Some((sending::any_group(node, findings)?, at.clone())),
            "check_unicast_src" => {
                self.check_unicast_src = Some(values::flag(node, findings)?);
                self.unicast.get_or_insert_with(|| at.clone());
            }
            _ => return self.set_value(keyword, node, node.args().first()?, findings),
        }
        Some(())
    }

    fn set_value(&mut self, keyword: &str, node: &Node, word: &Word, findings: &mut Findings) -> Option<()> {
        match keyword {
            "state" => self.state = Some(state(word, findings)),
            "interface" => self.interface = Some(values::interface(word, findings)?),
            "virtual_router_id" => self.vrid = Some(values::number(word, 1..=255, findings)?),
            "priority" => self.priority = Some(values::number(word, 1..=255, findings)?),
            "advert_int" => {
                let range = Duration::from_millis(10)..=Duration::from_secs(255);
                self.interval = Some((values::seconds(word, range, findings)?, word.at.clone()));
            }
            "version" => self.version = Some((values::version(word, findings)?, word.at.clone())),
            "preempt_delay" => {
                let range = Duration::ZERO..=Duration::from_secs(1000);
                self.preempt_delay = Some((values::seconds(word, range, findings)?, node.at().clone()));
            }
            "mcast_src_ip" | "unicast_src_ip" => {
                if keyword == "unicast_src_ip" {
                    self.unicast.get_or_insert_with(|| node.at().clone());
                }
                self.source = Some((values::address(word, findings)?, word.at.clone()));
            }
            "unicast_ttl" => {
                self.ttl = Some((values::number(word, 0..=u8::MAX, findings)?, node.at().clone()));
            }
            "down_timer_adverts" => self.down_adverts = values::number(word, 1..=100, findings)?,
            _ => unsupported(node, findings),
        }
        Some(())
    }

    fn set_block(&mut self, keyword: &str, node: &Node, findings: &mut Findings) {
        let lines = node.children();
        match keyword {
            "authentication" => walk(Place::Authentication, lines, findings, |keyword, node, findings| {
                self.set_authentication(keyword, node, findings);
            }),
            "unicast_peer" => {
                self.unicast.get_or_insert_with(|| node.at().clone());
                for line in lines {
                    match address::peer(line, findings) {
                        Some((peer, bounded)) => {
                            if bounded {
                                // As in keepalived: who bounds the TTL of a peer wants peers checked.
                                self.check_unicast_src.get_or_insert(true);
                            }
                            self.peers.push(peer);
                        }
                        None => self.peer_refused = true,
                    }
                }
            }
            "virtual_ipaddress" => {
                self.vips.extend(lines.iter().filter_map(|line| address::vip(line, true, findings)));
            }
            "virtual_ipaddress_excluded" => {
                self.vips.extend(lines.iter().filter_map(|line| address::vip(line, false, findings)));
            }
            "track_script" => {
                self.track_scripts.extend(lines.iter().filter_map(|line| track::script(line, findings)));
            }
            "track_interface" => {
                self.track_interfaces
                    .extend(lines.iter().filter_map(|line| track::interface(line, findings)));
            }
            "track_file" => {
                self.track_files.extend(lines.iter().filter_map(|line| track::item(line, findings)));
            }
            "track_process" => {
                self.track_processes.extend(lines.iter().filter_map(|line| track::item(line, findings)));
            }
            _ => unsupported(node, findings),
        }
    }

    fn set_authentication(&mut self, keyword: &str, node: &Node, findings: &mut Findings) -> Option<()> {
        let word = node.args().first()?;
        match (keyword, word.text.as_str()) {
            ("auth_type", "PASS") => self.auth_type = Some(word.at.clone()),
            ("auth_type", other) => {
                self.auth_type = Some(word.at.clone());
                let (message, help) = match other {
                    "AH" => {
                        ("authentication by AH is not supported".to_owned(), "use PASS, or version 3 without")
                    }
                    _ => (format!("{} is no type of authentication", quoted(other)), "the type is `PASS`"),
                };
                findings.error(&word.at, message).help(help);
            }
            _ => self.auth_pass = Some((password(node, word, findings), word.at.clone())),
        }
        Some(())
    }
}

/// A `notify…` line, of an instance or of a sync group.
pub(super) fn set_notify(
    notify: &mut Notify,
    keyword: &str,
    node: &Node,
    findings: &mut Findings,
) -> Option<()> {
    let slot: &mut Option<NotifyScript> = match keyword {
        "notify" => &mut notify.any,
        "notify_master" => &mut notify.master,
        "notify_backup" => &mut notify.backup,
        "notify_fault" => &mut notify.fault,
        "notify_stop" => &mut notify.stop,
        "notify_master_rx_lower_pri" => &mut notify.lower_priority,
        "notify_deleted" => {
            notify.tells_deleted = true;
            if node.args().is_empty() {
                return Some(());
            }
            &mut notify.deleted
        }
        _ => {
            unsupported(node, findings);
            return None;
        }
    };
    let script = command::notify(node, findings)?;
    // As in keepalived the first one stays.
    slot.get_or_insert(script);
    Some(())
}

fn state(word: &Word, findings: &mut Findings) -> State {
    let upper = word.text.to_ascii_uppercase();
    match word.text.as_str() {
        "MASTER" => return State::Master,
        "BACKUP" => return State::Backup,
        _ => {}
    }
    let help = match upper.as_str() {
        "SLAVE" | "STANDBY" | "SECONDARY" => Some("did you mean `BACKUP`?".to_owned()),
        "ACTIVE" | "PRIMARY" => Some("did you mean `MASTER`?".to_owned()),
        _ => did_you_mean(&upper, ["MASTER", "BACKUP"]),
    };
    let help = help.unwrap_or_else(|| "it is `MASTER` or `BACKUP`".to_owned());
    findings
        .strict(&word.at, format!("{} is no state", quoted(&word.text)))
        .help(format!("{help} (keepalived takes any other word for BACKUP)"));
    State::Backup
}

fn password(node: &Node, word: &Word, findings: &mut Findings) -> [u8; AUTH_LEN] {
    if node.statement.cut_by_comment {
        findings
            .warning(&word.at, "the password is cut by a comment, which `#` and `!` begin even within a word")
            .help("put it in double quotes, on all nodes");
    }
    let bytes = word.text.as_bytes();
    if bytes.len() > AUTH_LEN {
        findings.warning(&word.at, format!("only the first {AUTH_LEN} bytes of the password count"));
    }
    let mut data = [0; AUTH_LEN];
    for (to, from) in data.iter_mut().zip(bytes) {
        *to = *from;
    }
    data
}
