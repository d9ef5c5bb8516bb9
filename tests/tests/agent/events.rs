//! The journal of a running agent: it survives a crash, and an agent whose journal cannot be written does its work.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use vipward_tests::lab::vipward::Vipward;
use vipward_tests::lab::{Lab, wait};
use vipward_tests::peers::{Conf, Form, VRID};

const LIMIT: Duration = Duration::from_mins(1);

#[test]
fn what_happened_is_told_across_a_crash_and_what_is_in_the_way_stops_nothing() -> Result<()> {
    let lab = Lab::new()?;
    let (host, other) = (lab.host("n1")?, lab.host("n2")?);
    let conf = Conf::new(Form::V3, &host, &other, 150);
    let agent = Vipward::start(&host, &conf.to_string(), &[])?;
    agent.reaches(VRID, "MASTER", LIMIT)?;
    let told = |agent: &Vipward, words: &str| agent.ask(&["events"]).is_ok_and(|text| text.contains(words));
    wait::until("the election in the journal", LIMIT, || told(&agent, "VI_1  BACKUP → MASTER"))?;
    agent.kill();

    // A folder stands where the present file should be.
    let file = host.folder().join("vipward/events");
    fs::rename(&file, host.folder().join("vipward/events.old"))?;
    fs::create_dir(&file)?;
    let agent = Vipward::start(&host, &conf.to_string(), &[])?;
    agent.reaches(VRID, "MASTER", LIMIT).context("with a journal that cannot be written")?;
    wait::until("the log to say so", LIMIT, || agent.log().contains("events cannot be written to"))?;
    fs::remove_dir(&file)?;
    agent.ask(&["reload"])?;
    wait::until("the journal to go on", LIMIT, || told(&agent, "events are missing here"))
        .with_context(|| agent.log())?;
    let json = agent.ask(&["events", "--json", "--since", "1h"])?;
    let starts = json.lines().filter(|line| line.contains("\"kind\":\"agent\"") && line.contains("starts"));
    ensure!(starts.count() == 1 && json.contains("\"to\":\"MASTER\""), "of the first agent: {json}");
    let explained = agent.ask(&["explain", "VI_1"])?;
    ensure!(explained.starts_with("VI_1: MASTER because "), "{explained}");
    Ok(())
}
