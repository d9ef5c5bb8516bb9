//! What `status` answers: one snapshot of everything, the same for JSON, for the terminal and for whoever reads
//! the socket. Field names are an interface: add, never rename.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::render::engine::ResourceReport;

/// Everything that the agent knows of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StatusSnapshot {
    /// Version of the agent.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// `router_id` of the configuration, or the host's name.
    pub router_id: String,
    /// When it started, RFC 3339.
    pub started: String,
    /// VRRP instances, in the order of the configuration.
    pub instances: Vec<InstanceStatus>,
    /// Sync groups, in the order of the configuration.
    pub groups: Vec<GroupStatus>,
    /// Health scripts that run.
    pub scripts: Vec<ScriptStatus>,
    /// Rendered files.
    pub resources: Vec<ResourceReport>,
}

/// One VRRP instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// Name in the configuration.
    pub name: String,
    /// Virtual router identifier.
    pub vrid: u8,
    /// Its sync group.
    #[serde(default)]
    pub group: Option<String>,
    /// Interface of its adverts.
    pub interface: String,
    /// Address family of its adverts.
    pub family: Family,
    /// State of the protocol.
    pub state: State,
    /// Priority in the configuration.
    pub priority: u8,
    /// Priority that it advertises: with the weights of scripts and interfaces.
    pub effective_priority: u8,
    /// What it tracks, and what that does to its priority.
    #[serde(default)]
    pub trackers: Vec<TrackerStatus>,
    /// Who is master as far as this node knows: the sender of the last advert, or this node.
    pub master: Option<Master>,
    /// Virtual addresses, `ADDRESS/LENGTH`.
    pub vips: Vec<String>,
    /// How adverts are received; `null` while the interface does not exist.
    pub datapath: Option<Datapath>,
    /// Why it is not the best data path, if it is not.
    #[serde(default)]
    pub datapath_reason: Option<String>,
    /// State changes since the agent started.
    pub transitions: u64,
    /// When the last one was, RFC 3339.
    pub last_transition: Option<String>,
    /// Why it was.
    #[serde(default)]
    pub last_cause: Option<String>,
    /// Why it is in FAULT.
    #[serde(default)]
    pub fault: Option<String>,
    /// What it waits for in INIT, as `waiting for …`.
    #[serde(default)]
    pub waiting: Option<String>,
    /// Adverts accepted.
    #[serde(default)]
    pub adverts_received: u64,
    /// Adverts sent.
    #[serde(default)]
    pub adverts_sent: u64,
    /// Adverts that the system refused to send.
    #[serde(default)]
    pub adverts_failed: u64,
    /// Adverts rejected by a receive check.
    #[serde(default)]
    pub adverts_rejected: u64,
    /// The same by reason; only reasons that occurred.
    #[serde(default)]
    pub adverts_rejected_by: BTreeMap<String, u64>,
    /// Adverts accepted with priority 0: a master resigned.
    #[serde(default)]
    pub adverts_priority_zero: u64,
    /// Adverts accepted that list other addresses than ours.
    #[serde(default)]
    pub adverts_address_list_differs: u64,
    /// Adverts accepted that have another interval than ours (version 3).
    #[serde(default)]
    pub adverts_interval_differs: u64,
    /// Who sent the last advert of each kind that was rejected, or is odd though accepted.
    #[serde(default)]
    pub strangers: Vec<Stranger>,
    /// It hands over and lets everybody else go first.
    #[serde(default)]
    pub drained: bool,
    /// It has announced that it leaves, and serves until its successor is heard.
    #[serde(default)]
    pub leaving: bool,
    /// Whether the kernel lets this node serve the VIPs.
    #[serde(default)]
    pub lease: Lease,
    /// Packets that were kept from the VIPs while there was no lease, by kind; only kinds that occurred.
    #[serde(default)]
    pub fenced: BTreeMap<String, u64>,
    /// Times that the kernel refused the timer.
    #[serde(default)]
    pub timer_not_armed: u64,
    /// Events of the data path that found the ring full.
    #[serde(default)]
    pub events_ring_full: u64,
    /// VIPs put back after somebody else removed them.
    #[serde(default)]
    pub repairs: u64,
}

/// Who sent adverts that were rejected, or are odd though accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stranger {
    /// The reason for the rejection, or `addresses` or `other_interval` for what only differs.
    pub what: String,
    /// Source address.
    pub address: String,
    /// Source MAC; `null` where the data path does not see it.
    #[serde(default)]
    pub mac: Option<String>,
    /// VRRP version.
    pub version: u8,
    /// When, to the second or so: of many adverts one a second is remembered.
    pub seconds_ago: f64,
}

/// Whether the kernel lets this node serve the VIPs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Lease {
    /// There is none, and nothing is fenced.
    Unavailable {
        /// Why.
        reason: String,
    },
    /// Not now.
    #[default]
    None,
    /// Yes.
    Held {
        /// For how long, unless an advert renews it; negative once it has lapsed.
        remaining_seconds: f64,
    },
    /// Yes, until the successor is heard.
    Leaving {
        /// For how long at most.
        remaining_seconds: f64,
    },
}

/// The master that an instance knows of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Master {
    /// Source address of its adverts.
    pub address: String,
    /// Priority in them.
    pub priority: u8,
    /// It is this node.
    #[serde(default)]
    pub own: bool,
}

/// Address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// State of an instance, in keepalived's words (RFC 9568 says Active and Backup).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// Not started yet: waits for its interface or the first result of a script.
    Init,
    /// Listens.
    Backup,
    /// Serves the VIPs.
    Master,
    /// May not serve.
    Fault,
}

/// How adverts are received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Datapath {
    /// By the XDP program, in the driver.
    Xdp,
    /// By the XDP program, behind the driver.
    XdpGeneric,
    /// By a raw socket.
    Socket,
}

/// Something that an instance tracks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackerStatus {
    /// `script`, `interface`, `file` or `process`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its weight for this instance; 0 means FAULT.
    pub weight: i32,
    /// The weight counts the other way round.
    pub reverse: bool,
    /// What it is like, as `is up`, `is down`, `holds 5` or `has no result yet`.
    pub state: String,
    /// By how much it changes the priority now.
    pub change: i64,
    /// It keeps the instance from taking part.
    pub fault: bool,
}

/// A sync group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupStatus {
    /// Name in the configuration.
    pub name: String,
    /// MASTER if all members are, FAULT if one is, INIT if one is that, else BACKUP.
    pub state: State,
    /// Names of its members.
    pub members: Vec<String>,
}

/// One health script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptStatus {
    /// Name in the configuration.
    pub name: String,
    /// Whether it counts as up; `null` until its first result.
    pub up: Option<bool>,
    /// How the run that decided ended, with its output.
    pub detail: Option<String>,
    /// When that was, RFC 3339.
    pub since: Option<String>,
}

/// `time` as RFC 3339 with milliseconds, in UTC.
pub fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    /// Two instances, one of them ill.
    pub(crate) fn sample() -> StatusSnapshot {
        let web = InstanceStatus {
            name: "VI_1".into(),
            vrid: 51,
            group: None,
            interface: "eth0".into(),
            family: Family::Ipv4,
            state: State::Master,
            priority: 150,
            effective_priority: 150,
            trackers: Vec::new(),
            master: Some(Master { address: "192.0.2.1".into(), priority: 150, own: true }),
            vips: vec!["192.0.2.10/24".into()],
            datapath: Some(Datapath::Xdp),
            datapath_reason: None,
            transitions: 2,
            last_transition: Some(rfc3339(UNIX_EPOCH + Duration::from_millis(1_700_000_000_123))),
            last_cause: Some("the master fell silent".into()),
            fault: None,
            waiting: None,
            adverts_received: 7,
            adverts_sent: 99,
            adverts_failed: 0,
            adverts_rejected: 0,
            adverts_rejected_by: BTreeMap::new(),
            adverts_priority_zero: 1,
            adverts_address_list_differs: 0,
            adverts_interval_differs: 0,
            strangers: Vec::new(),
            drained: false,
            leaving: false,
            lease: Lease::Held { remaining_seconds: 2.5 },
            fenced: BTreeMap::new(),
            timer_not_armed: 0,
            events_ring_full: 0,
            repairs: 0,
        };
        let database = InstanceStatus {
            name: "database".into(),
            vrid: 7,
            interface: "bond0.100".into(),
            family: Family::Ipv6,
            state: State::Fault,
            priority: 100,
            effective_priority: 80,
            trackers: vec![TrackerStatus {
                kind: "file".into(),
                name: "load".into(),
                weight: -2,
                reverse: false,
                state: "holds 10".into(),
                change: -20,
                fault: false,
            }],
            master: Some(Master { address: "fe80::2".into(), priority: 120, own: false }),
            vips: vec!["2001:db8::10/64".into(), "2001:db8::11/64".into(), "fe80::10/64".into()],
            datapath: Some(Datapath::XdpGeneric),
            datapath_reason: Some("the driver of bond0.100 has no XDP".into()),
            last_transition: None,
            last_cause: None,
            fault: Some("script chk_db is down".into()),
            adverts_rejected: 12,
            adverts_rejected_by: BTreeMap::from([("ttl".into(), 2), ("unknown_peer".into(), 10)]),
            adverts_address_list_differs: 3,
            strangers: vec![Stranger {
                what: "unknown_peer".into(),
                address: "fe80::9".into(),
                mac: Some("02:00:00:00:00:09".into()),
                version: 3,
                seconds_ago: 4.2,
            }],
            lease: Lease::None,
            fenced: BTreeMap::from([("arp".into(), 5)]),
            repairs: 1,
            ..web.clone()
        };
        let script = ScriptStatus {
            name: "chk_db".into(),
            up: Some(false),
            detail: Some("exit status 1: connection refused".into()),
            since: Some("2023-11-14T22:13:20.123Z".into()),
        };
        StatusSnapshot {
            version: "0.1.0".into(),
            pid: 42,
            router_id: "n1".into(),
            started: "2023-11-14T22:00:00.000Z".into(),
            instances: vec![web, database],
            groups: Vec::new(),
            scripts: vec![script],
            resources: Vec::new(),
        }
    }

    #[test]
    fn the_json_has_the_promised_shape() {
        let json = serde_json::to_value(sample()).expect("JSON");
        let promised = serde_json::json!({
            "name": "VI_1", "vrid": 51, "interface": "eth0", "family": "ipv4", "state": "MASTER",
            "priority": 150, "effective_priority": 150,
            "master": {"address": "192.0.2.1", "priority": 150, "own": true},
            "vips": ["192.0.2.10/24"], "datapath": "xdp", "transitions": 2,
            "last_transition": "2023-11-14T22:13:20.123Z",
        });
        for (field, value) in promised.as_object().expect("object") {
            assert_eq!(json.pointer(&format!("/instances/0/{field}")), Some(value), "{field}");
        }
        assert_eq!(json.pointer("/instances/1/datapath"), Some(&"xdp-generic".into()));
        assert_eq!(json.pointer("/instances/1/last_transition"), Some(&serde_json::Value::Null));
        assert_eq!(json.pointer("/instances/1/adverts_rejected_by/unknown_peer"), Some(&10.into()));
        assert_eq!(json.pointer("/resources"), Some(&serde_json::json!([])));
        let back: StatusSnapshot = serde_json::from_value(json).expect("reads itself");
        assert_eq!(back, sample());
    }

    #[test]
    fn a_snapshot_of_another_version_is_read() {
        let text = r#"{"instances":[{"name":"a","vrid":1,"interface":"e","family":"ipv6","state":"INIT","priority":1,
            "effective_priority":1,"master":null,"vips":[],"datapath":"socket","transitions":0,
            "last_transition":null,"news":true}],"resources":[{"x":1}]}"#;
        let snapshot: StatusSnapshot =
            serde_json::from_str(text).expect("unknown and missing fields are fine");
        assert_eq!(snapshot.instances.first().map(|instance| instance.state), Some(State::Init));
    }
}
