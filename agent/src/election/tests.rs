//! Turns of the election that no peer can bring about on time, in a network namespace of their own: a data path that
//! fails, and a stop between priority 0 and the successor's advert.

use std::process::Command as Process;
use std::sync::Arc;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use tokio::sync::{mpsc, oneshot};
use vipward_vrrp::router::{Event, Heard};
use vipward_vrrp::types::{Interval, Priority, State};

use super::Options;
use super::driver::Driver;
use super::message::{Command, Update};
use super::registry::Id;
use crate::clock;
use crate::config::{self, model::Config};
use crate::kernel::{Choice, Datapath as _};

/// A thread's network namespace ends with it, so nothing is left behind.
fn in_a_namespace(work: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("needs root");
            assert!(Process::new("ip").args(["link", "set", "lo", "up"]).status().unwrap().success());
            work();
        });
    });
}

/// A configuration of one instance with these lines and a VIP.
fn config_of(lines: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keepalived.conf");
    let vips = "virtual_ipaddress {\n 127.9.9.9/32\n }\n";
    std::fs::write(&file, format!("vrrp_instance web {{\n {lines} {vips}}}\n")).unwrap();
    let loaded = config::load_and_look(&file, &config::Options::default());
    loaded.config.unwrap()
}

/// A driver with one BACKUP on the loopback interface, and its news.
fn backup() -> (Driver, mpsc::Receiver<Update>) {
    let config = config_of("interface lo\n virtual_router_id 17\n");
    let (updates, news) = mpsc::channel(64);
    let mut driver =
        Driver::new(&Options { datapath: Choice::Socket, leases: true, pins: None }, None, updates).unwrap();
    let (reply, _) = oneshot::channel();
    turn(&mut driver, Some(Command::Configure(Arc::new(config), reply)));
    (driver, news)
}

/// The same as MASTER with its VIP.
fn master() -> (Driver, Id, mpsc::Receiver<Update>) {
    let (mut driver, news) = backup();
    let id = driver.registry.ids()[0];
    driver.feed(clock::now(), id, Event::Expired);
    driver.work_through();
    driver.publish_all();
    assert!(holds_the_vip());
    (driver, id, news)
}

fn turn(driver: &mut Driver, command: Option<Command>) {
    driver.turn(clock::now(), true, command.into_iter());
}

fn holds_the_vip() -> bool {
    let shown = Process::new("ip").args(["-o", "address", "show", "to", "127.9.9.9"]).output().unwrap();
    !shown.stdout.is_empty()
}

/// Takes turns until everything is let go of.
fn ends(driver: &mut Driver) {
    let limit = clock::now() + Duration::from_secs(10);
    while !driver.is_done() {
        assert!(clock::now() < limit, "still serving");
        turn(driver, None);
    }
    assert!(!holds_the_vip(), "the VIP was left behind");
}

#[test]
fn a_stop_serves_until_the_successor_is_heard() {
    in_a_namespace(|| {
        let (mut driver, id, mut news) = master();
        turn(&mut driver, Some(Command::Shutdown));
        turn(&mut driver, None);
        assert!(driver.registry.get(id).unwrap().machine.is_leaving());
        assert!(!driver.is_done() && holds_the_vip(), "let go before the successor was heard");

        let source = "127.0.0.2".parse().unwrap();
        let heard = Heard { source, priority: Priority(50), interval: Interval::from_secs(1) };
        driver.feed(clock::now(), id, Event::Heard(heard));
        ends(&mut driver);
        let mut told = Vec::new();
        while let Ok(update) = news.try_recv() {
            if let Update::Transition(transition) = update {
                told.push((transition.to, transition.stopping));
            }
        }
        assert_eq!(told, [(State::Backup, false), (State::Master, false), (State::Init, true)]);
    });
}

#[test]
fn a_second_stop_waits_for_nobody() {
    in_a_namespace(|| {
        let (mut driver, _, _news) = master();
        turn(&mut driver, Some(Command::Shutdown));
        assert!(!driver.is_done() && holds_the_vip());
        turn(&mut driver, Some(Command::Shutdown));
        assert!(driver.registry.is_empty());
        ends(&mut driver);
    });
}

/// What is down cannot be handed over, and a new configuration would never end.
#[test]
fn a_stop_ends_with_a_fault_and_takes_no_configuration() {
    in_a_namespace(|| {
        let (mut driver, id, _news) = master();
        let config = Arc::new(config_of("interface lo\n virtual_router_id 18\n"));
        turn(&mut driver, Some(Command::Shutdown));
        let (reply, mut answer) = oneshot::channel();
        turn(&mut driver, Some(Command::Configure(config, reply)));
        assert_eq!(driver.registry.ids(), [id]);
        assert!(answer.try_recv().is_err());
        assert!(!driver.is_done());
        assert!(Process::new("ip").args(["link", "set", "lo", "down"]).status().unwrap().success());
        ends(&mut driver);
    });
}

#[test]
fn an_instance_that_a_reload_takes_out_lets_go_at_once() {
    in_a_namespace(|| {
        let (mut driver, _, _news) = master();
        let config = Arc::new(config_of("interface lo\n virtual_router_id 18\n"));
        let (reply, mut answer) = oneshot::channel();
        turn(&mut driver, Some(Command::Configure(config, reply)));
        assert_eq!(answer.try_recv().unwrap().removed.len(), 1);
        driver.work_through();
        assert!(!holds_the_vip());
    });
}

#[test]
fn a_refusal_in_the_middle_of_a_takeover_ends_in_fault_without_addresses() {
    in_a_namespace(|| {
        let (mut driver, mut news) = backup();
        let id = driver.registry.ids()[0];
        let key = driver.registry.get(id).unwrap().key.unwrap();
        assert_eq!(driver.registry.get(id).unwrap().machine.state(), State::Backup);

        // From now on the data path does not know the router, and refuses every command about it.
        driver.paths.remove(&key).unwrap();
        driver.feed(clock::now(), id, Event::Expired);
        driver.work_through();
        driver.publish_all();

        let instance = driver.registry.get(id).unwrap();
        assert_eq!(instance.machine.state(), State::Fault);
        assert!(instance.held.is_empty(), "a router in FAULT holds {:?}", instance.held);
        let mut told = Vec::new();
        while let Ok(update) = news.try_recv() {
            if let Update::Transition(transition) = update {
                told.push((transition.from, transition.to));
            }
        }
        let (init, backup, master, fault) = (State::Init, State::Backup, State::Master, State::Fault);
        assert_eq!(told, [(init, backup), (backup, master), (master, fault)], "told in the order of events");
    });
}
