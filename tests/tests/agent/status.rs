//! `vipward status` and the log: what they promise to whoever reads them.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use vipward_tests::lab::clock::Moment;
use vipward_tests::lab::vipward::binary;
use vipward_tests::peers::{Form, Kind, Pair, Side};

use crate::seen::{agent, logged, state};

/// The first instance of `status --json`, as it was printed.
fn printed(pair: &Pair) -> Result<Value> {
    let text = agent(&pair.b)?.ask(&["status", "--json"])?;
    let json: Value = serde_json::from_str(&text).with_context(|| format!("no JSON: {text}"))?;
    assert!(json["resources"].is_array() && json["router_id"] == "n2", "{text}");
    Ok(json["instances"][0].clone())
}

fn contract(kind: Kind, datapath: &str) -> Result<()> {
    let mut pair = Pair::settled(Form::V3, Kind::Keepalived, kind)?;
    pair.wait("BACKUP", || state(&pair.b).as_deref() == Some("BACKUP"))?;
    let seen = printed(&pair)?;
    let expected = json!({
        "name": "VI_1", "vrid": 51, "interface": "eth0", "family": "ipv4", "state": "BACKUP",
        "priority": 100, "effective_priority": 100, "vips": ["10.77.0.200/24"], "datapath": datapath,
    });
    for (field, value) in expected.as_object().context("object")? {
        pair.ensure(seen[field] == *value, || format!("{field} is {}, not {value}", seen[field]))?;
    }
    let master = &seen["master"];
    pair.ensure(master["address"] == "10.77.0.1" && master["priority"] == 150, || {
        format!("master: {master}")
    })?;

    let event = Moment::now();
    pair.a.kill();
    pair.succeeds_a_dead_master(Side::B, event)?;
    let after = printed(&pair)?;
    pair.ensure(after["state"] == "MASTER", || format!("{after}"))?;
    let count = |value: &Value| value["transitions"].as_u64().unwrap_or_default();
    pair.ensure(count(&after) == count(&seen) + 1, || format!("{seen} became {after}"))?;
    let when = after["last_transition"].as_str().unwrap_or_default();
    let date = Command::new("date").args(["-d", when, "+%s"]).output()?;
    pair.ensure(date.status.success() && when.contains('T'), || format!("last_transition is {when:?}"))?;
    pair.ensure(logged(&pair.b, "no lease on eth0") == (datapath == "socket"), || {
        "the log does not say whether there is a lease".to_owned()
    })?;
    transition_line(&pair)
}

/// One line per transition: from, to, priority, and how long nothing was heard.
fn transition_line(pair: &Pair) -> Result<()> {
    let log = agent(&pair.b)?.log();
    let first = log.lines().next().unwrap_or_default();
    pair.ensure(first.contains("starts as n2"), || format!("the first line: {first:?}"))?;
    let line = log.lines().find(|line| line.contains("VI_1") && line.contains("MASTER")).unwrap_or_default();
    let all = ["BACKUP", "priority 100", "nothing heard for "].iter().all(|part| line.contains(part));
    pair.ensure(all, || format!("the line of the transition: {line:?}"))?;
    let silent = line.split("nothing heard for ").nth(1).and_then(|rest| rest.split(' ').next());
    let silent: f64 = silent.unwrap_or_default().parse().with_context(|| line.to_owned())?;
    let (silent, due) = (Duration::from_secs_f64(silent / 1e3), pair.form.master_down(100));
    let right = silent + Duration::from_millis(1) >= due && silent < due + Duration::from_millis(250);
    pair.ensure(right, || format!("silent for {silent:?}, when {due:?} was due"))
}

#[test]
fn status_keeps_its_promises() -> Result<()> {
    Kind::by_every_datapath(|kind| match kind {
        Kind::Vipward(datapath) => contract(kind, datapath),
        Kind::Keepalived => Ok(()),
    })
}

#[test]
fn the_control_socket_is_the_owners_alone() -> Result<()> {
    let pair = Pair::settled(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    let socket = pair.a.host.folder().join("vipward/control.sock");
    let meta = fs::metadata(&socket).with_context(|| socket.display().to_string())?;
    assert!(meta.file_type().is_socket());
    let open = |mode: u32| mode & 0o077;
    let folder = fs::metadata(socket.parent().context("folder")?)?.permissions().mode();
    assert!(
        open(meta.permissions().mode()) == 0 || open(folder) == 0,
        "{:o} in {folder:o}",
        meta.permissions().mode()
    );
    let mut other = Command::new("setpriv");
    other.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(binary()?);
    let output = other.args(["status", "--run-dir"]).arg(socket.parent().context("folder")?).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("permission"), "{said}");
    Ok(())
}

#[test]
fn status_for_people_names_what_they_look_for() -> Result<()> {
    let mut pair = Pair::settled(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    let text = agent(&pair.a)?.ask(&["status"])?;
    for part in ["VI_1", "MASTER", "eth0", "150", "10.77.0.200"] {
        assert!(text.contains(part), "no {part} in:\n{text}");
    }
    let run_dir = pair.a.host.folder().join("vipward");
    pair.a.stop()?;
    let output = Command::new(binary()?).args(["status", "--run-dir"]).arg(&run_dir).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("no agent is running"), "{said}");
    Ok(())
}
