//! `vipward doctor` in a network that has what it looks for, and after its remedies.

use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use vipward_tests::lab::Host;
use vipward_tests::lab::vipward::binary;
use vipward_tests::peers::{Form, Kind, Pair, Side};

use crate::seen::make_lan;

/// Runs a command on a host, with the host's own /sys.
fn on(host: &Host, words: &[&str]) -> Result<Output> {
    let output = Command::new("ip").args(["netns", "exec", host.namespace().name()]).args(words).output()?;
    Ok(output)
}

/// A visit to a host: exit status and findings.
fn visit(pair: &Pair, side: Side) -> Result<(Option<i32>, Vec<Value>)> {
    let host = &pair.node(side).host;
    let config = host.write("doctor.conf", &pair.node(side).conf.to_string())?;
    let run_dir = host.folder().join("vipward");
    let binary = binary()?;
    let words = [
        &binary.to_string_lossy(),
        "doctor",
        "--json",
        "--listen",
        "1s",
        "-f",
        &config.to_string_lossy(),
        "--run-dir",
        &run_dir.to_string_lossy(),
    ]
    .map(str::to_owned);
    let output = on(host, &words.each_ref().map(String::as_str))?;
    let text = String::from_utf8(output.stdout)?;
    let report: Value = serde_json::from_str(&text)
        .with_context(|| format!("{text:?} {}", String::from_utf8_lossy(&output.stderr)))?;
    let findings = report["findings"].as_array().context("findings")?.clone();
    Ok((output.status.code(), findings))
}

fn has(findings: &[Value], severity: &str, check: &str, words: &str) -> bool {
    findings.iter().any(|finding| {
        finding["severity"] == severity
            && finding["check"] == check
            && finding["message"].as_str().is_some_and(|message| message.contains(words))
            && (severity == "ok" || severity == "note" || finding["remedy"].is_string())
    })
}

#[test]
fn real_faults_are_found_and_their_remedies_help() -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Keepalived, Kind::Vipward("auto"))?;
    pair.a.start()?;
    pair.serves(Side::A)?;
    make_lan(&pair.b.host)?;
    pair.b.host.ip("route add default via 10.78.0.2 dev lan0\n")?;
    pair.b.host.namespace().sysctl("net/ipv4/conf/eth0/rp_filter", "1")?;
    let rules = "table inet guard { chain input { type filter hook input priority 0; meta l4proto 112 counter drop; }; }";
    let made = on(&pair.b.host, &["nft", rules])?;
    ensure!(made.status.success(), "{made:?}");

    let (status, found) = visit(&pair, Side::B)?;
    let report = || format!("{found:#?}");
    assert!(has(&found, "error", "firewall", "chain input in table inet guard"), "{}", report());
    assert!(has(&found, "warning", "settings", "default route goes through lan0"), "{}", report());
    assert!(has(&found, "ok", "segment", "10.77.0.1 advertises VRID 51"), "{}", report());
    assert!(has(&found, "ok", "rivals", "no other VRRP daemon"), "{}", report());
    assert_eq!(status, Some(2), "{}", report());
    // On the neighbour runs what must not run beside vipward.
    let (_, neighbour) = visit(&pair, Side::A)?;
    assert!(has(&neighbour, "warning", "rivals", "keepalived (process"), "{neighbour:#?}");

    let removed = on(&pair.b.host, &["nft", "delete", "table", "inet", "guard"])?;
    ensure!(removed.status.success(), "{removed:?}");
    pair.b.host.namespace().sysctl("net/ipv4/conf/eth0/rp_filter", "2")?;
    let (status, found) = visit(&pair, Side::B)?;
    let bad: Vec<&Value> = found
        .iter()
        .filter(|finding| ["firewall", "settings"].iter().any(|check| finding["check"] == *check))
        .filter(|finding| finding["severity"] == "error" || finding["severity"] == "warning")
        .collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert!(status.is_some_and(|status| status < 2), "{found:#?}");
    Ok(())
}

/// Beside a running agent it knows the data path in use and whose adverts arrive, and disturbs nothing.
#[test]
fn a_running_agent_is_asked_and_not_disturbed() -> Result<()> {
    let pair = Pair::settled(Form::V3, Kind::Keepalived, Kind::Vipward("xdp-generic"))?;
    let (_, found) = visit(&pair, Side::B)?;
    let path = found.iter().find(|finding| finding["check"] == "datapath").context("datapath")?;
    pair.ensure(
        path["message"].as_str().is_some_and(|words| words.starts_with("xdp-generic: asked for")),
        || format!("{found:#?}"),
    )?;
    pair.ensure(has(&found, "ok", "segment", "adverts of 10.77.0.1 reach this host"), || {
        format!("{found:#?}")
    })?;
    pair.ensure(has(&found, "ok", "agent", "runs as process"), || format!("{found:#?}"))?;
    pair.settles_on(Side::A)
}
