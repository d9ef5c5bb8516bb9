//! A sample of what is answered, and the promises about its JSON.

use std::time::{Duration, UNIX_EPOCH};

use super::*;

fn web() -> InstanceStatus {
    InstanceStatus {
        name: "VI_1".into(),
        vrid: 51,
        interface: "eth0".into(),
        family: Family::Ipv4,
        state: State::Master,
        priority: 150,
        effective_priority: 150,
        master: Some(Master { address: "192.0.2.1".into(), priority: 150, own: true }),
        takeover_seconds: None,
        preempts: true,
        preempts_in_seconds: None,
        vips: vec!["192.0.2.10/24".into()],
        datapath: Some(Datapath::Xdp),
        datapath_reason: None,
        transitions: 2,
        transitions_by: vec![
            Transitions { to: State::Backup, cause: "started".into(), count: 1 },
            Transitions { to: State::Master, cause: "master_silent".into(), count: 1 },
        ],
        last_transition: Some(rfc3339(UNIX_EPOCH + Duration::from_millis(1_700_000_000_123))),
        last_cause: Some("the master fell silent".into()),
        fault: None,
        waiting: None,
        group: None,
        trackers: Vec::new(),
        interval_seconds: 0.1,
        last_advert_seconds_ago: Some(12.5),
        timeouts: 1,
        adverts_received: 7,
        adverts_sent: 99,
        adverts_priority_zero_sent: 0,
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
    }
}

/// Two instances, one of them ill.
pub(crate) fn sample() -> StatusSnapshot {
    let web = web();
    let database = InstanceStatus {
        name: "database".into(),
        vrid: 7,
        interface: "bond0.100".into(),
        family: Family::Ipv6,
        state: State::Fault,
        priority: 100,
        effective_priority: 80,
        master: Some(Master { address: "fe80::2".into(), priority: 120, own: false }),
        vips: vec!["2001:db8::10/64".into(), "2001:db8::11/64".into(), "fe80::10/64".into()],
        datapath: Some(Datapath::XdpGeneric),
        datapath_reason: Some("the driver of bond0.100 has no XDP".into()),
        last_transition: None,
        last_cause: None,
        fault: Some("script chk_db is down".into()),
        trackers: vec![TrackerStatus {
            kind: "file".into(),
            name: "load".into(),
            weight: -2,
            reverse: false,
            state: "holds 10".into(),
            change: -20,
            fault: false,
        }],
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
        log_level: Some("info".into()),
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
    let snapshot: StatusSnapshot = serde_json::from_str(text).expect("unknown and missing fields are fine");
    assert_eq!(snapshot.instances.first().map(|instance| instance.state), Some(State::Init));
}
