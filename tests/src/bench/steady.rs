//! Nothing happens, ten thousand times a second: what that costs a backup and a master.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::contender::{Contender, Router};
use super::outcome::{Metric, Outcome, Statistic};
use super::plan::{BACKUP_PRIORITY, MASTER_PRIORITY, Plan};
use super::usage::Usage;
use super::{Options, order, progress};
use crate::lab::wait;
use crate::lab::{Host, Lab};

/// How long each measurement lasts.
const LENGTH: Duration = Duration::from_secs(10);
const QUICK_LENGTH: Duration = Duration::from_secs(3);
/// Measurements of each contender.
const TURNS: u32 = 3;
/// How long routers may take to agree, and second announcements (5 s after the takeover) to pass.
const SETTLE: Duration = Duration::from_secs(7);
const LIMIT: Duration = Duration::from_secs(30);
/// Share of its adverts that a master must send in the time that is measured.
const PUNCTUALITY: f64 = 0.99;

/// Whose cost is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The contender listens to a keepalived, the same for all.
    Backup,
    /// The contender sends, and nobody listens.
    Master,
}

/// A scenario without events.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steady {
    pub(super) plan: Plan,
    pub(super) role: Role,
}

impl Steady {
    pub(super) fn run(&self, options: &Options) -> Outcome {
        let contenders = &options.contenders;
        let length = if options.quick { QUICK_LENGTH } else { LENGTH };
        let turns = if options.quick { 1 } else { TURNS };
        let new = |name, unit| Metric::new(name, unit, contenders, turns);
        let mut share = new("CPU", "% of one CPU");
        let mut each = new("CPU per advert", "µs");
        let mut wakes = new("voluntary context switches", "per second");
        let mut rate = new("adverts", "per second");
        let mut notes = Vec::new();
        for turn in 0..turns {
            for contender in order(contenders, turn) {
                progress(format_args!("  {contender:<20} {} of {turns}", turn + 1));
                let used = match self.measure(contender, length) {
                    Ok(used) => used,
                    Err(error) => {
                        notes.push(format!("{contender}: {error:#}"));
                        continue;
                    }
                };
                let seconds = length.as_secs_f64();
                let adverts = float(used.sent.max(used.received));
                share.add(contender, float(used.cpu_ns) / 1e9 / seconds * 100.0);
                each.add(contender, float(used.cpu_ns) / 1e3 / adverts.max(1.0));
                wakes.add(contender, float(used.voluntary) / seconds);
                rate.add(contender, adverts / seconds);
            }
        }
        let how = match self.role {
            Role::Backup => {
                share.at_most_share(0.05, Contender::watches_in_kernel);
                wakes.at_most(Statistic::Median, 5.0, Contender::watches_in_kernel);
                "a backup listens"
            }
            Role::Master => {
                each.at_most_share(0.5, Contender::is_vipward);
                // Who sends less also pays less.
                rate.at_least(self.plan.adverts_per_second() * PUNCTUALITY, Contender::is_vipward);
                "a master sends"
            }
        };
        Outcome {
            title: format!("{}, {how} for {length:?}", self.plan),
            metrics: vec![share, each, wakes, rate],
            notes,
            ..Outcome::default()
        }
    }

    /// No capture, no client and, for a master, no other host at all: on one machine the kernel does the work of
    /// everybody who receives on the sender's account.
    fn measure(&self, contender: Contender, length: Duration) -> Result<Usage> {
        let lab = Lab::new()?;
        let n1 = lab.host("n1")?;
        match self.role {
            Role::Backup => self.listen(contender, length, &n1, &lab.host("n2")?),
            Role::Master => self.send(contender, length, &n1),
        }
    }

    fn listen(&self, contender: Contender, length: Duration, n1: &Host, n2: &Host) -> Result<Usage> {
        // The only packets that a host sends by itself for so long: whatever a backup sends is a takeover.
        n2.namespace().sysctl("net/ipv6/conf/eth0/router_solicitations", "0")?;
        // The backup is known to run when it serves; then the master takes all from it.
        let backup = contender.start(n2, &self.plan, BACKUP_PRIORITY)?;
        self.serves(n2, &backup)?;
        let master = Contender::KeepalivedRt.start(n1, &self.plan, MASTER_PRIORITY)?;
        self.serves(n1, &master)?;
        thread::sleep(SETTLE);
        let before = (Usage::of(n2)?, Usage::of(n1)?);
        thread::sleep(length);
        let after = (Usage::of(n2)?, Usage::of(n1)?);
        let used = after.0 - before.0;
        ensure!(used.sent == 0, "the backup took over from a living master");
        backup.stop().and_then(|()| master.stop()).context("a router does not end")?;
        // XDP programs and the kernel count received packets differently; what was sent was received.
        Ok(Usage { received: (after.1 - before.1).sent, ..used })
    }

    fn send(&self, contender: Contender, length: Duration, n1: &Host) -> Result<Usage> {
        let master = contender.start(n1, &self.plan, MASTER_PRIORITY)?;
        self.serves(n1, &master)?;
        thread::sleep(SETTLE);
        let before = Usage::of(n1)?;
        thread::sleep(length);
        let used = Usage::of(n1)? - before;
        master.stop().context("the router does not end")?;
        Ok(used)
    }

    /// Waits until `host` holds all VIPs.
    fn serves(&self, host: &Host, router: &Router) -> Result<()> {
        let all = self.plan.addresses();
        let serves = || {
            let held = host.addresses().unwrap_or_default();
            all.iter().all(|(_, vip)| held.contains(&(*vip).into()))
        };
        wait::until("all VIPs", LIMIT, serves).with_context(|| router.last_words())
    }
}

/// Counters of a few seconds are far below 2⁵³.
#[expect(clippy::cast_precision_loss, reason = "exact below 2⁵³")]
fn float(count: u64) -> f64 {
    count as f64
}
