//! Turns of the election with a data path that fails, in a network namespace of their own.

use std::process::Command as Process;
use std::sync::Arc;

use nix::sched::{CloneFlags, unshare};
use tokio::sync::{mpsc, oneshot};
use vipward_vrrp::router::Event;
use vipward_vrrp::types::State;

use super::driver::Driver;
use super::message::{Command, Update};
use super::{Options, clock};
use crate::config;
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

/// A driver with one BACKUP on the loopback interface, and its news.
fn backup() -> (Driver, mpsc::Receiver<Update>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keepalived.conf");
    let instance = "interface lo\n virtual_router_id 17\n virtual_ipaddress {\n 127.9.9.9/32\n }\n";
    std::fs::write(&file, format!("vrrp_instance web {{\n {instance}}}\n")).unwrap();
    let loaded = config::load_and_look(&file, &config::Options { lenient: false });
    let (updates, news) = mpsc::channel(64);
    let mut driver = Driver::new(Options { datapath: Choice::Socket }, updates).unwrap();
    let (reply, _) = oneshot::channel();
    let configure = Command::Configure(Arc::new(loaded.config.unwrap()), reply);
    driver.turn(clock::now(), true, [configure].into_iter());
    (driver, news)
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
