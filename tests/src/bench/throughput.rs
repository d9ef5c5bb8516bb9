//! What nginx delivers through the VIP, beside what it delivers before and after anybody holds one.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::contender::Contender;
use super::outcome::{Metric, Outcome, Statistic};
use super::plan::{MASTER_PRIORITY, Plan, VIP_NETWORK};
use super::{Options, order, progress};
use crate::lab::nginx::Nginx;
use crate::lab::{Host, Lab, wait};

/// Length of one load, in seconds.
const SECONDS: u32 = 3;
const QUICK_SECONDS: u32 = 1;
/// Connections that are kept alive.
const CONNECTIONS: u32 = 16;
/// How long a load may take beyond its length.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long until the VIP answers.
const LIMIT: Duration = Duration::from_secs(30);
/// What may be lost, in percent.
const LOSS: f64 = 1.0;

/// A scenario of loads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Throughput {
    pub(super) plan: Plan,
    /// Measurements of each contender.
    pub(super) turns: u32,
}

impl Throughput {
    pub(super) fn run(&self, options: &Options) -> Outcome {
        let contenders = &options.contenders;
        let turns = options.rounds.unwrap_or(if options.quick { 2 } else { self.turns });
        let seconds = if options.quick { QUICK_SECONDS } else { SECONDS };
        let new = |name, unit| Metric::new(name, unit, contenders, turns);
        let mut lost = new("requests lost to the VIP's holder", "%");
        let mut rate = new("requests through the VIP", "per second");
        let mut notes = Vec::new();
        for turn in 0..turns {
            for contender in order(contenders, turn) {
                progress(format_args!("  {contender:<20} {} of {turns}", turn + 1));
                match self.measure(contender, seconds) {
                    Ok(Rates { without, with }) => {
                        lost.add(contender, (1.0 - with / without) * 100.0);
                        rate.add(contender, with);
                    }
                    Err(error) => notes.push(format!("{contender}: {error:#}")),
                }
            }
        }
        lost.at_most(Statistic::Median, LOSS, Contender::is_vipward);
        Outcome {
            title: format!(
                "{}, {CONNECTIONS} connections for {seconds} s to the VIP, and to the host's own address before and after",
                self.plan
            ),
            metrics: vec![lost, rate],
            notes,
            ..Outcome::default()
        }
    }

    fn measure(&self, contender: Contender, seconds: u32) -> Result<Rates> {
        let lab = Lab::new()?;
        let (n1, client) = (lab.host("n1")?, lab.host("client")?);
        client.ip(&format!("route add {VIP_NETWORK} dev eth0\n"))?;
        let nginx = Nginx::start(&n1)?;
        let own = n1.address();
        // What is loaded for the first time is slow.
        load(&client, own, 1)?;
        let before = load(&client, own, seconds)?;
        let router = contender.start(&n1, &self.plan, MASTER_PRIORITY)?;
        let (_, vip) = *self.plan.addresses().first().context("the plan has no VIP")?;
        wait::until("the VIP", LIMIT, || n1.holds(IpAddr::V4(vip))).with_context(|| router.last_words())?;
        let with = load(&client, vip, seconds)?;
        router.stop().context("the router does not end")?;
        let after = load(&client, own, seconds)?;
        nginx.stop()?;
        Ok(Rates { without: f64::midpoint(before, after), with })
    }
}

/// Requests per second.
struct Rates {
    without: f64,
    with: f64,
}

/// Loads a page as often as it goes, and returns how often that is in a second.
fn load(client: &Host, address: Ipv4Addr, seconds: u32) -> Result<f64> {
    let mut wrk = Command::new("wrk");
    wrk.args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{seconds}"), &format!("http://{address}/")]);
    let mut process = client.spawn(&format!("wrk-{address}-{seconds}"), &mut wrk)?;
    let status = process.ended(Duration::from_secs(seconds.into()) + PATIENCE)?;
    let said = process.log();
    ensure!(status.success(), "wrk: {status}: {said}");
    requests(&said).with_context(|| format!("wrk said\n{said}"))
}

/// The last rate in what wrk said, if all requests were answered.
fn requests(said: &str) -> Option<f64> {
    let last = said.lines().filter_map(|line| line.strip_prefix("Requests/sec:")).next_back()?;
    let failed = said.contains("Socket errors") || said.contains("Non-2xx");
    last.trim().parse().ok().filter(|_| !failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rate_counts_and_errors_do_not() {
        let good =
            "  100 requests in 1.0s\nRequests/sec:   10.50\nTransfer/sec: 1KB\nRequests/sec:   99.25\n";
        assert_eq!(requests(good), Some(99.25));
        assert_eq!(requests(&format!("  Socket errors: connect 1\n{good}")), None);
        assert_eq!(requests("Transfer/sec: 1KB\n"), None);
    }
}
