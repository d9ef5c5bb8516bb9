//! From a configuration to what runs.

use std::net::IpAddr;
use std::sync::Arc;

use super::super::plan::{Plan, tracked};
use super::super::tracking::{Health, Kind, effective};
use super::*;
use crate::config::model::{
    Checksum, Command, Config, Family, Garp, Globals, How, Instance, Location, Notify, NotifyScript, Pacing,
    Script, State, Statics, TrackInterface, TrackScript, User, Version,
};

fn at() -> Location {
    Location::new(&Arc::new("x.conf".into()), 7, 3)
}

fn command(word: &str) -> Command {
    Command { source: word.into(), how: How::Exec(vec![word.into()]), at: at() }
}

fn user(name: &str) -> User {
    User { name: name.into(), group: None, at: at() }
}

fn script(name: &str) -> Script {
    Script {
        name: name.into(),
        at: at(),
        command: command("/bin/true"),
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(2),
        weight: -20,
        reverse: false,
        rise: 3,
        fall: 2,
        user: None,
        init_fail: true,
    }
}

fn track(name: &str, weight: Option<i32>) -> TrackScript {
    TrackScript { name: name.into(), weight, reverse: false, at: at() }
}

fn instance() -> Instance {
    let any: IpAddr = "192.0.2.1".parse().expect("address");
    Instance {
        name: "VI_1".into(),
        at: at(),
        state: State::Backup,
        interface: "eth0".into(),
        vrid: 1,
        priority: 100,
        interval: Duration::from_secs(1),
        version: Version::V3,
        family: Family::V4,
        auth: None,
        preempt: true,
        preempt_delay: Duration::ZERO,
        source: Some(any),
        unicast: false,
        unicast_peers: Vec::new(),
        trusted: Vec::new(),
        check_unicast_src: true,
        checksum: Checksum::PseudoHeader,
        down_adverts: 3,
        vips: Vec::new(),
        track_primary: true,
        vmac: None,
        routes: Vec::new(),
        rules: Vec::new(),
        track_scripts: vec![track("used", None), track("other", Some(5))],
        track_interfaces: vec![TrackInterface { name: "eth1".into(), weight: -30, reverse: false, at: at() }],
        track_files: Vec::new(),
        track_processes: Vec::new(),
        accept: true,
        promote_secondaries: false,
        garp: Garp::default(),
        group: None,
        ttl: 255,
        lower_prio_no_advert: false,
        higher_prio_send_advert: false,
        owner_ignore_adverts: false,
        notify: Notify {
            master: Some(NotifyScript { command: command("/bin/m"), user: Some(user("nobody")), at: at() }),
            ..Notify::default()
        },
        notify_priority_changes: false,
        smtp_alert: false,
    }
}

fn config() -> Config {
    let globals = Globals { script_user: Some(user("root")), script_security: true, ..Globals::default() };
    Config {
        globals,
        scripts: ["used", "unused", "other"].map(script).to_vec(),
        files: Vec::new(),
        processes: Vec::new(),
        instances: vec![instance()],
        groups: Vec::new(),
        statics: Statics::default(),
        pacing: Pacing::default(),
        link_delays: Vec::new(),
    }
}

#[test]
fn only_tracked_scripts_run_and_users_are_looked_up() {
    let plan = Plan::new(&config()).expect("all users exist");
    let names: Vec<&str> = plan.scripts.iter().map(|script| script.name.as_str()).collect();
    assert_eq!(names, ["used", "other"]);
    let first = plan.scripts.first().expect("one");
    assert!(first.launch.identity.uid.is_root() && first.launch.secure && first.init_fail);
    assert_eq!((first.rise, first.fall, first.timeout), (3, 2, Duration::from_secs(2)));
    let [(name, hooks)] = plan.hooks.as_slice() else { panic!("{:?}", plan.hooks) };
    assert_eq!(name.words(), ("INSTANCE", "VI_1"));
    assert_eq!(hooks.master.as_ref().map(|launch| launch.identity.name.as_str()), Some("nobody"));
    assert_eq!(hooks.any, None);
}

#[test]
fn a_missing_user_names_its_place() {
    let mut config = config();
    config.scripts[0].user = Some(user("no-such-user"));
    let error = Plan::new(&config).expect_err("no such user");
    assert_eq!(error.to_string(), "x.conf:7:3: error: there is no user `no-such-user`");
}

#[test]
fn an_instance_tracks_its_scripts_and_interfaces_with_its_own_weights() {
    let (config, instance) = (config(), instance());
    let worth = |used: Health, eth1_up: bool| {
        let health = |kind: Kind, name: &str| match (kind, name) {
            (Kind::Script, "used") => used,
            (Kind::Interface, "eth1") if !eth1_up => Health::Down,
            _ => Health::Up,
        };
        effective(100, tracked(&instance, &config.scripts, health)).priority
    };
    assert_eq!(worth(Health::Up, true), 105);
    assert_eq!(worth(Health::Down, true), 85);
    assert_eq!(worth(Health::Down, false), 55);
}
