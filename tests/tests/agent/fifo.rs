//! Notify FIFOs: the lines, in order; and that nobody waits for a reader.

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use nix::libc;
use vipward_tests::peers::{Forged, Form, Injector, Kind, Pair, Side, VRID};

use crate::seen::newcomer;

/// Reads what waits in a FIFO.
fn drain(path: &Path) -> String {
    let mut text = Vec::new();
    if let Ok(mut file) = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path) {
        // It ends with "would block", for the writer is still there.
        let _ = file.read_to_end(&mut text);
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// A reader of one FIFO that the agent starts, and one FIFO that nobody reads until the end.
fn told(kind: Kind) -> Result<()> {
    let mut pair = Pair::new(Form::V3, kind, Kind::Keepalived)?;
    let folder = pair.a.host.folder().to_owned();
    let [all, vrrp, record, weight] = ["all", "vrrp", "record", "weight"].map(|name| folder.join(name));
    let reader =
        pair.a.host.write("reader.sh", &format!("#!/bin/sh\nexec cat \"$1\" >{}\n", record.display()))?;
    let file = format!("vrrp_track_file w {{\n    file \"{}\"\n    weight 1\n}}", weight.display());
    let conf = pair.a.conf.clone().global("script_user root");
    let conf = conf.global(format!("notify_fifo {}", all.display()));
    let conf = conf.global(format!("notify_fifo_script {}", reader.display()));
    let conf = conf.global(format!("vrrp_notify_fifo {}", vrrp.display()));
    let conf = conf.global("vrrp_notify_priority_changes on").block(file);
    pair.a.conf = conf.with("track_file {\n        w\n    }");

    let mut expected = String::new();
    let mut next = |pair: &Pair, line: &str| {
        expected.push_str(line);
        expected.push('\n');
        let read = || fs::read_to_string(&record).unwrap_or_default();
        pair.wait(&format!("the reader to get {line}"), || read() == expected)
    };
    pair.a.start()?;
    next(&pair, "INSTANCE \"VI_1\" BACKUP 150")?;
    next(&pair, "INSTANCE \"VI_1\" MASTER 150")?;
    fs::write(&weight, "-20\n")?;
    next(&pair, "INSTANCE \"VI_1\" MASTER_PRIORITY 130")?;
    pair.a.host.unplug()?;
    next(&pair, "INSTANCE \"VI_1\" FAULT 130")?;
    fs::write(&weight, "-10\n")?;
    next(&pair, "INSTANCE \"VI_1\" BACKUP_PRIORITY 140")?;
    pair.a.host.plug()?;
    next(&pair, "INSTANCE \"VI_1\" BACKUP 140")?;
    next(&pair, "INSTANCE \"VI_1\" MASTER 140")?;
    let lines = drain(&vrrp);
    pair.ensure(lines == expected, || format!("the other FIFO has {lines}"))?;
    pair.a.stop()?;
    pair.wait("the FIFOs to be gone", || !all.exists() && !vrrp.exists())
}

#[test]
fn keepalived_writes_to_its_fifos_what_is_expected() -> Result<()> {
    told(Kind::Keepalived)
}

#[test]
fn fifos_are_told_what_keepalived_tells_them() -> Result<()> {
    told(Kind::Vipward("auto"))
}

/// A master that hears a lesser one says so, by script and FIFO.
fn lesser(kind: Kind) -> Result<()> {
    let mut pair = Pair::new(Form::V3, kind, Kind::Keepalived)?;
    let folder = pair.a.host.folder().to_owned();
    let [fifo, record] = ["fifo", "record"].map(|name| folder.join(name));
    let script =
        pair.a.host.write("lesser.sh", &format!("#!/bin/sh\necho heard \"$@\" >>{}\n", record.display()))?;
    let conf = pair.a.conf.clone().global("script_user root");
    let conf = conf.global(format!("vrrp_notify_fifo {}", fifo.display()));
    pair.a.conf = conf.with(format!("notify_master_rx_lower_pri {}", script.display()));
    pair.a.start()?;
    pair.serves(Side::A)?;
    let rival = newcomer(&pair)?;
    Injector::new(&rival)?.send(&Forged::new(VRID, 100, rival.address()).frame())?;
    let line = "INSTANCE \"VI_1\" MASTER_RX_LOWER_PRI 150\n";
    let mut text = String::new();
    pair.wait("the FIFO to be told", || {
        text.push_str(&drain(&fifo));
        text.contains(line)
    })?;
    pair.wait("the script to be told", || fs::read_to_string(&record).is_ok_and(|text| text == "heard\n"))
}

#[test]
fn keepalived_tells_of_a_lesser_master() -> Result<()> {
    lesser(Kind::Keepalived)
}

#[test]
fn a_lesser_master_is_told_of() -> Result<()> {
    lesser(Kind::Vipward("auto"))
}

/// `notify_deleted` gives its name to what a reload takes out, and the scripts at start and end run there.
fn deleted(kind: Kind) -> Result<()> {
    let mut pair = Pair::new(Form::V3, kind, Kind::Keepalived)?;
    let folder = pair.a.host.folder().to_owned();
    let [fifo, record] = ["fifo", "record"].map(|name| folder.join(name));
    let script = pair.a.host.write("life.sh", &format!("#!/bin/sh\necho \"$*\" >>{}\n", record.display()))?;
    let script = script.display();
    let conf = pair.a.conf.clone().global("script_user root");
    let conf = conf.global(format!("vrrp_notify_fifo {}", fifo.display()));
    let conf = conf.global(format!("startup_script \"{script} startup\""));
    let conf = conf.global(format!("shutdown_script \"{script} shutdown\""));
    let second = |lines: &str| {
        format!(
            "vrrp_instance VI_2 {{\n    interface eth0\n    virtual_router_id 52\n    version 3\n    advert_int 0.1\n    \
             {lines}\n    virtual_ipaddress {{\n        10.77.0.152/24\n    }}\n}}"
        )
    };
    pair.a.conf = conf.clone().block(second(&format!("notify_deleted \"{script} deleted\"")));
    let lines = || fs::read_to_string(&record).unwrap_or_default();
    pair.a.start()?;
    pair.serves(Side::A)?;
    pair.ensure(lines() == "startup\n", lines)?;
    let mut text = String::new();
    pair.wait("the second instance to serve", || {
        text.push_str(&drain(&fifo));
        text.contains("INSTANCE \"VI_2\" MASTER 100\n")
    })?;
    pair.a.rewrite(conf)?;
    pair.a.peer.as_ref().context("it has ended")?.reload()?;
    pair.wait("its end to be told", || {
        text.push_str(&drain(&fifo));
        text.contains("INSTANCE \"VI_2\" DELETED ")
    })?;
    pair.wait("its script to run", || lines() == "startup\ndeleted\n")?;
    pair.a.stop()?;
    pair.ensure(lines() == "startup\ndeleted\nshutdown\n", lines)
}

#[test]
fn keepalived_tells_of_what_a_reload_deleted() -> Result<()> {
    deleted(Kind::Keepalived)
}

#[test]
fn what_a_reload_deleted_is_told_of() -> Result<()> {
    deleted(Kind::Vipward("auto"))
}

/// Nothing changes, and all the same everything is told.
fn told_again(kind: Kind) -> Result<()> {
    let mut pair = Pair::new(Form::V3, kind, Kind::Keepalived)?;
    let fifo = pair.a.host.folder().join("fifo");
    let group = "vrrp_sync_group G {\n    group {\n        VI_1\n        VI_2\n    }\n}";
    let second = "vrrp_instance VI_2 {\n    interface eth0\n    virtual_router_id 52\n    version 3\n    advert_int 0.1\n    \
                  priority 150\n    virtual_ipaddress {\n        10.77.0.152/24\n    }\n}";
    let conf = pair.a.conf.clone().global(format!("vrrp_notify_fifo {}", fifo.display()));
    pair.a.conf = conf.global("fifo_write_vrrp_states_on_reload").block(group).block(second);
    pair.a.start()?;
    let lines =
        ["INSTANCE \"VI_1\" MASTER 150\n", "INSTANCE \"VI_2\" MASTER 150\n", "GROUP \"G\" MASTER 0\n"];
    let told = |pair: &Pair| {
        let mut text = String::new();
        pair.wait("all to be told", || {
            text.push_str(&drain(&fifo));
            lines.iter().all(|line| text.contains(line))
        })
    };
    told(&pair)?;
    pair.settles_on(Side::A)?;
    drain(&fifo);
    pair.a.peer.as_ref().context("it has ended")?.reload()?;
    told(&pair)?;
    pair.settles_on(Side::A)
}

#[test]
fn keepalived_tells_states_again_after_a_reload() -> Result<()> {
    told_again(Kind::Keepalived)
}

#[test]
fn states_are_told_again_after_a_reload() -> Result<()> {
    told_again(Kind::Vipward("auto"))
}
