//! `vipward check` and `keepalived --config-test` on the same file, from exec to exit.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::{Goal, Measured};
use crate::bench::stats::ms_between;
use crate::lab::clock::Moment;
use crate::lab::{Host, Lab, vipward};

const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];
/// VRIDs of one interface.
const PER_INTERFACE: usize = 255;
/// The goal for the largest size, in milliseconds.
const GOAL: f64 = 1_000.0;
/// Seconds after which one run is given up.
const LIMIT: &str = "120";
/// timeout(1): it took longer.
const TIMED_OUT: i32 = 124;

/// All sizes.
pub(super) fn measure(rounds: usize) -> Result<Vec<Measured>> {
    let lab = Lab::new()?;
    let host = lab.host("n1")?;
    // keepalived refuses interfaces that are not there.
    for number in 0..SIZES.iter().max().map_or(0, |most| most.div_ceil(PER_INTERFACE)) {
        host.ip(&format!("link add {0} type veth peer name peer{number}\n", interface(number)))?;
    }
    let mut all = Vec::new();
    for size in SIZES {
        eprintln!("  check {size} instances");
        let file = host.write("large.conf", &config(size))?;
        let goal = SIZES.iter().all(|other| *other <= size).then_some(Goal::Below(GOAL));
        let entry = |contender, goal| Measured {
            task: format!("check {size} instances"),
            contender,
            unit: "ms",
            values: Vec::new(),
            why: None,
            goal,
        };
        let (mut own, mut theirs) = (entry("vipward", goal), entry("keepalived", None));
        for _ in 0..rounds {
            own.values.extend(timed(&host, &mut vipward_check(&file)?)?);
            // Once is enough to know that it takes too long.
            if theirs.why.is_none() {
                match timed(&host, &mut keepalived_check(&file))? {
                    Some(took) => theirs.values.push(took),
                    None => theirs.why = Some(format!("not done after {LIMIT} s")),
                }
            }
        }
        all.extend([own, theirs]);
    }
    Ok(all)
}

fn interface(number: usize) -> String {
    format!("if{number}")
}

/// `size` instances of a common kind, with one script for all.
fn config(size: usize) -> String {
    let mut text = "global_defs {\n    router_id large\n    vrrp_version 3\n    script_user root\n    \
                    enable_script_security\n}\n\
                    vrrp_script alive {\n    script \"/bin/true\"\n    interval 1\n    weight -20\n}\n"
        .to_owned();
    for number in 0..size {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "vrrp_instance VI_{number} {{\n    state BACKUP\n    interface {}\n    virtual_router_id {}\n    \
             priority 100\n    advert_int 1\n    virtual_ipaddress {{\n        10.{}.{}.{}/8\n    }}\n    \
             track_script {{\n        alive\n    }}\n}}\n",
            interface(number / PER_INTERFACE),
            // The sample's own value draws a warning.
            number % PER_INTERFACE + 1,
            number >> 16,
            number >> 8 & 0xff,
            number & 0xff
        );
    }
    text
}

fn vipward_check(file: &Path) -> Result<Command> {
    let mut command = limited();
    command.arg(vipward::binary()?).args(["check", "-f"]).arg(file);
    Ok(command)
}

fn keepalived_check(file: &Path) -> Command {
    let mut command = limited();
    command.args(["keepalived", "--config-test", "--use-file"]).arg(file);
    command
}

fn limited() -> Command {
    let mut command = Command::new("timeout");
    command.arg(LIMIT);
    command
}

/// Milliseconds of one run; none if it took too long.
fn timed(host: &Host, command: &mut Command) -> Result<Option<f64>> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let (before, status, after) = host.namespace().enter(|| {
        let before = Moment::now();
        let status = command.status();
        (before, status, Moment::now())
    })?;
    let status = status.with_context(|| format!("cannot run {command:?}"))?;
    match status.code() {
        // Warnings, of VRID 51 for instance, and no errors.
        Some(0 | 1) => Ok(Some(ms_between(before, after))),
        Some(TIMED_OUT) => Ok(None),
        _ => bail!("{command:?}: {status}"),
    }
}
