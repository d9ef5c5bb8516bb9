//! Both halves in one agent: files are rendered beside a VIP, and neither is in the other's way.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use vipward_tests::lab::vipward::{Vipward, binary};
use vipward_tests::lab::{Lab, wait};
use vipward_tests::peers::{Conf, Form, VRID};

const LIMIT: Duration = Duration::from_mins(1);

/// A confd directory for the file store `keys.yaml` beside it.
fn confdir(folder: &std::path::Path) -> Result<()> {
    for name in ["confd/conf.d", "confd/templates"] {
        fs::create_dir_all(folder.join(name))?;
    }
    fs::write(folder.join("confd/templates/a.tmpl"), "{{getv \"/a\"}}\n")?;
    let dest = folder.join("rendered");
    let text = format!("[template]\nsrc='a.tmpl'\ndest='{}'\nkeys=['/a']\nmode='0640'\n", dest.display());
    fs::write(folder.join("confd/conf.d/a.toml"), text)?;
    Ok(fs::write(folder.join("keys.yaml"), "a: one\n")?)
}

#[test]
fn files_are_rendered_beside_a_vip() -> Result<()> {
    let lab = Lab::new()?;
    let (host, other) = (lab.host("n1")?, lab.host("n2")?);
    let folder = host.folder().to_owned();
    confdir(&folder)?;
    let path = |name: &str| folder.join(name).display().to_string();
    let (confd, keys) = (path("confd"), path("keys.yaml"));
    let arguments = ["--confdir", confd.as_str(), "--backend", "file", "--store-file", keys.as_str()];
    let conf = Conf::new(Form::V3, &host, &other, 150);
    let mut agent = Vipward::start(&host, &conf.to_string(), &arguments)?;
    agent.reaches(VRID, "MASTER", LIMIT)?;
    let rendered = || fs::read_to_string(folder.join("rendered")).unwrap_or_default();
    wait::until("the file", LIMIT, || rendered() == "one\n").with_context(|| agent.log())?;
    fs::write(folder.join("keys.yaml"), "a: two\n")?;
    wait::until("the change", LIMIT, || rendered() == "two\n").with_context(|| agent.log())?;
    let status: Value = serde_json::from_str(&agent.ask(&["status", "--json"])?)?;
    ensure!(status["resources"][0]["name"] == "a.toml" && status["instances"][0]["vrid"] == VRID, "{status}");
    let text = agent.ask(&["status"])?;
    ensure!(text.contains("MASTER") && text.contains("a.toml") && text.contains("OK"), "{text}");

    // What is wrong in one half keeps the other one as it was, too.
    fs::write(folder.join("confd/templates/a.tmpl"), "{{if}}")?;
    fs::write(folder.join("vipward.conf"), conf.clone().with("priority 140").to_string())?;
    let refused = agent.ask(&["reload"]).err().context("a broken template was taken")?.to_string();
    ensure!(refused.contains("a.tmpl:1:1: error: "), "{refused}");
    let priority = agent.instance().context("no status")?.priority;
    ensure!(priority == 150, "the reload was refused, and the priority is {priority}");
    fs::write(folder.join("confd/templates/a.tmpl"), "now {{getv \"/a\"}}\n")?;
    agent.ask(&["reload"])?;
    wait::until("the new template", LIMIT, || rendered() == "now two\n").with_context(|| agent.log())?;
    agent.reaches(VRID, "MASTER", LIMIT)?;
    ensure!(agent.process().stop(LIMIT)?.success(), "{}", agent.log());
    Ok(())
}

#[test]
fn check_looks_at_both() -> Result<()> {
    let lab = Lab::new()?;
    let (host, other) = (lab.host("n1")?, lab.host("n2")?);
    confdir(host.folder())?;
    fs::write(host.folder().join("confd/templates/a.tmpl"), "fine\n{{getv}}\n{{if}}")?;
    let file = host.write("fine.conf", &Conf::new(Form::V3, &host, &other, 150).to_string())?;
    let mut command = Command::new(binary()?);
    command.arg("check").arg("-f").arg(&file).arg("--confdir").arg(host.folder().join("confd"));
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.code() == Some(2) && said.contains("1 instance"), "{said}");
    let place = format!("{}:3:1: error: ", host.folder().join("confd/templates/a.tmpl").display());
    ensure!(said.contains(&place), "{said}");
    Ok(())
}

#[test]
fn with_nothing_to_do_it_says_what_to_give() -> Result<()> {
    let lab = Lab::new()?;
    let host = lab.host("n1")?;
    let mut command = Command::new("timeout");
    command.arg("10").arg(binary()?).args(["run", "--confdir"]).arg(host.folder().join("none"));
    command.arg("--run-dir").arg(host.folder().join("vipward"));
    let output = host.namespace().enter(|| command.output())??;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.code() == Some(2) && said.contains("none/conf.d") && said.contains("--confdir"),
        "{said}"
    );
    Ok(())
}

/// As a service of its own, beside another one that keeps the VIP.
#[test]
fn who_only_renders_looks_at_no_keepalived_conf() -> Result<()> {
    let lab = Lab::new()?;
    let host = lab.host("n1")?;
    let folder = host.folder().to_owned();
    confdir(&folder)?;
    let path = |name: &str| folder.join(name).display().to_string();
    let (confd, keys) = (path("confd"), path("keys.yaml"));
    let options =
        ["--render-only", "--confdir", confd.as_str(), "--backend", "file", "--store-file", keys.as_str()];
    let mut agent = Vipward::start(&host, "this is no configuration\n", &options)?;
    let rendered = || fs::read_to_string(folder.join("rendered")).unwrap_or_default();
    wait::until("the file", LIMIT, || rendered() == "one\n").with_context(|| agent.log())?;
    ensure!(agent.ask(&["reload"]).is_ok() && agent.status()?.instances.is_empty(), "{}", agent.log());
    ensure!(!agent.log().contains("WARN"), "{}", agent.log());
    ensure!(agent.process().stop(LIMIT)?.success(), "{}", agent.log());

    let check = |more: &[&str]| {
        let mut check = Command::new(binary().unwrap_or_default());
        check.args(["check", "-f", &path("vipward.conf"), "--confdir", &confd]).args(more).status()
    };
    ensure!(check(&[])?.code() == Some(2) && check(&["--render-only"])?.code() == Some(0));
    Ok(())
}
