//! What it does not start with, and how it says so.

use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result};
use vipward_tests::lab::vipward::binary;
use vipward_tests::lab::{Host, Lab};
use vipward_tests::peers::{Conf, Form, Kind, Pair};

use crate::seen::{agent, logged};

/// The exit status for a configuration that cannot be used.
const UNUSABLE: Option<i32> = Some(2);

/// Runs the agent where it must end by itself.
fn refused(host: &Host, config: &str) -> Result<Output> {
    let mut command = Command::new("timeout");
    command
        .arg("10")
        .arg(binary()?)
        .args(["run", "-f", config, "--run-dir"])
        .arg(host.folder().join("vipward"));
    let output = host.namespace().enter(|| command.stdin(Stdio::null()).output())??;
    Ok(output)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn without_a_configuration_it_says_what_to_do() -> Result<()> {
    let lab = Lab::new()?;
    let output = refused(&lab.host("n1")?, "/nonexistent/keepalived.conf")?;
    let said = said(&output);
    assert_eq!(output.status.code(), UNUSABLE, "{said}");
    assert!(said.contains("/nonexistent/keepalived.conf") && said.contains("with -f"), "{said}");
    Ok(())
}

#[test]
fn two_instances_with_one_vrid_on_an_interface_are_refused() -> Result<()> {
    let lab = Lab::new()?;
    let (host, other) = (lab.host("n1")?, lab.host("n2")?);
    let second = "vrrp_instance TWIN {\n    interface eth0\n    virtual_router_id 51\n    version 3\n    \
                  virtual_ipaddress {\n        10.77.0.201/24\n    }\n}";
    let text = Conf::new(Form::V3, &host, &other, 150).block(second).to_string();
    let file = host.write("twins.conf", &text)?;
    let output = refused(&host, &file.to_string_lossy())?;
    let said = said(&output);
    assert_eq!(output.status.code(), UNUSABLE, "{said}");
    for name in ["TWIN", "VI_1"] {
        let line = text.lines().position(|line| line.contains(name)).context("no such line")? + 1;
        assert!(said.contains(&format!("twins.conf:{line}:1")), "{name} is not pointed at: {said}");
    }
    assert!(said.contains("virtual_router_id"), "{said}");
    Ok(())
}

#[test]
fn one_vrid_may_serve_both_families() -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    let six = "vrrp_instance SIX {\n    interface eth0\n    virtual_router_id 51\n    version 3\n    \
               advert_int 0.1\n    virtual_ipaddress {\n        fe80::200/64\n        fd77::200/64\n    }\n}";
    pair.a.conf = pair.a.conf.clone().block(six);
    pair.a.start()?;
    pair.wait("both to be master", || {
        let status = agent(&pair.a).and_then(vipward_tests::lab::vipward::Vipward::status);
        status.is_ok_and(|status| {
            status.instances.len() == 2 && status.instances.iter().all(|instance| instance.state == "MASTER")
        })
    })?;
    pair.wait("both VIPs", || {
        let six = "fd77::200".parse().expect("an address");
        pair.a.host.holds(pair.form.vip()) && pair.a.host.holds(six)
    })
}

#[test]
fn a_second_agent_on_the_same_run_dir_is_refused() -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    pair.a.start()?;
    pair.settles_on(vipward_tests::peers::Side::A)?;
    let file = pair.a.host.folder().join("vipward.conf");
    let output = refused(&pair.a.host, &file.to_string_lossy())?;
    let said = said(&output);
    assert!(output.status.code().context("killed")? != 0, "{said}");
    assert!(said.contains("another agent"), "{said}");
    pair.settles_on(vipward_tests::peers::Side::A)
}

/// What keeps the agent from starting, `vipward check` finds before, and in the same words.
#[test]
fn missing_users_are_found_by_check_and_at_the_start() -> Result<()> {
    let lab = Lab::new()?;
    let (host, other) = (lab.host("n1")?, lab.host("n2")?);
    let conf = Conf::new(Form::V3, &host, &other, 150);
    let text = conf.with("notify_master true ghost").with("notify_backup true nobody phantoms").to_string();
    let file = host.write("users.conf", &text)?;
    let check = Command::new(binary()?).args(["check", "-f"]).arg(&file).output()?;
    let found = String::from_utf8_lossy(&check.stdout).into_owned();
    assert_eq!(check.status.code(), UNUSABLE, "{found}");
    let output = refused(&host, &file.to_string_lossy())?;
    let said = said(&output);
    assert_eq!(output.status.code(), UNUSABLE, "{said}");
    for (line, what) in [("ghost", "there is no user `ghost`"), ("phantoms", "there is no group `phantoms`")]
    {
        let number = text.lines().position(|text| text.contains(line)).context("no such line")? + 1;
        let begin = format!("users.conf:{number}:");
        let line = found.lines().find(|found| found.contains(&begin)).unwrap_or_default();
        assert!(line.contains(what), "{found}");
        assert!(said.contains(line), "check said {line:?}, and the agent {said}");
    }
    Ok(())
}

/// The control socket is there before the data path is loaded, which takes the most of a start.
#[test]
fn signals_during_the_start_are_obeyed_when_it_is_done() -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    let socket = pair.a.host.folder().join("vipward/control.sock");
    pair.a.start()?;
    pair.wait("the start to be under way", || socket.exists())?;
    agent(&pair.a)?.reload()?;
    pair.wait("SIGHUP to be obeyed", || logged(&pair.a, "reloaded"))?;
    pair.serves(vipward_tests::peers::Side::A)?;
    pair.a.stop()?;

    pair.a.start()?;
    pair.wait("the start to be under way", || socket.exists())?;
    pair.a.stop()
}

/// Where SIGHUP asked for the reload, nobody waits for its answer: the log is the only place.
#[test]
fn what_a_reload_warns_of_is_logged() -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    pair.a.start()?;
    pair.serves(vipward_tests::peers::Side::A)?;
    let conf = pair.a.conf.clone();
    pair.a.rewrite(conf.with("debug 3"))?;
    agent(&pair.a)?.reload()?;
    pair.wait("the warning", || logged(&pair.a, "`debug` is not acted on"))
}
