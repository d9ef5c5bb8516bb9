//! The short verbs: ask the agent for something and say what came of it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::client::{self, Connection};
use super::outlook;
use super::protocol::{Level, Request, Response};
use super::render::printable;
use super::rundir::RunDir;
use super::status::{InstanceStatus, State};
use crate::kernel;
use crate::net;

/// How often the end of a hand-over is looked for.
const LOOK: Duration = Duration::from_millis(50);
/// Longer than any hand-over with intervals of up to a few seconds.
const HAND_OVER: Duration = Duration::from_mins(3);

/// Says why an instance, or each, is in its state, and what happens next.
pub fn explain(run_dir: &Path, instance: Option<&str>) -> Result<()> {
    let status = match client::request(run_dir, &Request::Status {})? {
        Response::Status(status) => status,
        other => return Err(unexpected(&other)),
    };
    print!("{}", explained(&status.instances, instance)?);
    Ok(())
}

fn explained(instances: &[InstanceStatus], wanted: Option<&str>) -> Result<String> {
    let chosen = instances.iter().filter(|instance| wanted.is_none_or(|wanted| wanted == instance.name));
    let lines: String = chosen.map(|instance| printable(&outlook::explanation(instance)) + "\n").collect();
    if lines.is_empty() {
        let names: Vec<String> = instances.iter().map(|instance| printable(&instance.name)).collect();
        match wanted {
            Some(wanted) => bail!("there is no instance {wanted}: {}", names.join(", ")),
            None => bail!("the agent has no instance"),
        }
    }
    Ok(lines)
}

/// Makes the agent read its configuration again.
pub fn reload(run_dir: &Path) -> Result<()> {
    match client::request(run_dir, &Request::Reload {})? {
        Response::Reloaded(report) => println!("{report}"),
        other => return Err(unexpected(&other)),
    }
    Ok(())
}

/// Announces a restart. Refused if this version could not go on with what the running one has pinned: after an upgrade
/// that changed its layout it is better to hand over.
pub fn hold(run_dir: &Path, keep: Duration) -> Result<()> {
    kernel::can_take_over(run_dir).context("the VIPs are not kept for the next agent")?;
    let keep_ms = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
    println!("{}", done(client::request(run_dir, &Request::Hold { keep_ms })?)?);
    Ok(())
}

/// Changes what the agent logs.
pub fn log_level(run_dir: &Path, level: Level) -> Result<()> {
    println!("{}", done(client::request(run_dir, &Request::LogLevel { level })?)?);
    Ok(())
}

/// Ends a drain.
pub fn undrain(run_dir: &Path) -> Result<()> {
    println!("{}", done(client::request(run_dir, &Request::Undrain {})?)?);
    Ok(())
}

/// Drains the agent and waits until others serve. Exit status 1 if nobody took an instance over.
pub fn drain(run_dir: &Path) -> Result<u8> {
    let mut agent = Connection::open(run_dir)?;
    println!("{}", done(agent.request(&Request::Drain {})?)?);
    let end = Instant::now() + HAND_OVER;
    let instances = loop {
        let Response::Status(status) = agent.request(&Request::Status {})? else {
            bail!("the agent gave an answer to another question");
        };
        if !status.instances.iter().any(|instance| instance.leaving) {
            break status.instances;
        }
        if Instant::now() > end {
            bail!("still handing over after {HAND_OVER:?}; see `vipward status`");
        }
        std::thread::sleep(LOOK);
    };
    let stayed: Vec<InstanceStatus> =
        instances.into_iter().filter(|instance| instance.state == State::Master).collect();
    for instance in &stayed {
        eprintln!("{}: nobody took over; it is served here, at the lowest priority", instance.name);
    }
    Ok(u8::from(!stayed.is_empty()))
}

/// Removes what an agent that will not come back left.
pub fn unfence(run_dir: &Path) -> Result<()> {
    // Held while we work, so that no agent starts in the middle of it.
    let _lock = RunDir::open(run_dir)?;
    let left = kernel::unfence(run_dir).context("cannot remove what is pinned")?;
    let removed = net::expel(&left.vips).context("cannot remove the VIPs that were left")?;
    for pin in &left.pins {
        println!("removed {pin}");
    }
    for vip in removed {
        println!("removed VIP {vip}");
    }
    if left.pins.is_empty() {
        println!("nothing was left behind");
    }
    Ok(())
}

fn done(response: Response) -> Result<String> {
    match response {
        Response::Done(what) => Ok(what),
        other => Err(unexpected(&other)),
    }
}

fn unexpected(response: &Response) -> anyhow::Error {
    match response {
        Response::Error(why) => anyhow::anyhow!("{why}"),
        _ => anyhow::anyhow!("the agent gave an answer to another question"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::status::tests::sample;
    use super::*;

    #[test]
    fn one_or_all_are_explained_and_others_are_named() {
        let mut instances = sample().instances;
        instances[1].name = "data\x1b[2Jbase".into();
        let all = explained(&instances, None).expect("two");
        assert!(all.starts_with("VI_1: MASTER because ") && !all.contains('\x1b'), "{all}");
        assert_eq!(all.lines().count(), 2);
        let one = explained(&instances, Some("VI_1")).expect("one");
        assert!(all.starts_with(&one) && one.lines().count() == 1, "{one}");
        let none = explained(&instances, Some("VI_2")).expect_err("none").to_string();
        assert!(none.starts_with("there is no instance VI_2: VI_1, data"), "{none}");
        explained(&[], None).expect_err("nothing to explain");
    }
}
