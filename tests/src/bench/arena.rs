//! Where it is measured: two routers and a client on a bridge, a capture of all that passes, a client that probes.

use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};

use super::contender::{Contender, Router};
use super::observe::{self, BACKUP, MASTER, Passage};
use super::plan::{BACKUP_PRIORITY, MASTER_PRIORITY, Plan, VIP_NETWORK};
use crate::lab::clock::Moment;
use crate::lab::probe::Echo;
use crate::lab::wire::Wire;
use crate::lab::{Host, Lab};

/// VIPs that are probed: as many as can be without loading the machine that both routers share with the client.
const PROBED: usize = 8;
/// Period of the probes, of each VIP.
pub(super) const PROBE: Duration = Duration::from_millis(1);
/// Period of a single VIP's probes.
const PROBE_ALONE: Duration = Duration::from_micros(500);
/// Between two looks at the capture. Looking costs CPU time that the routers might want.
const LOOK: Duration = Duration::from_millis(20);
/// How long a pair of routers may take to agree.
const SETTLE_LIMIT: Duration = Duration::from_mins(1);

/// A topology that all contenders of one scenario take turns on.
pub(super) struct Arena {
    pub(super) plan: Plan,
    /// VIPs that the client probes, in the order of their numbers in `echo`.
    pub(super) probed: Vec<(u8, IpAddr)>,
    // Dropped in this order: who uses the hosts goes first.
    pub(super) echo: Echo,
    pub(super) wire: Wire,
    pub(super) n1: Host,
    pub(super) n2: Host,
    client: Host,
    _lab: Lab,
}

impl Arena {
    pub(super) fn new(plan: Plan) -> Result<Arena> {
        let lab = Lab::new()?;
        let (n1, n2, client) = (lab.host(MASTER)?, lab.host(BACKUP)?, lab.host("client")?);
        client.ip(&format!("route add {VIP_NETWORK} dev eth0\n"))?;
        let probed = spread(&plan, PROBED);
        let targets: Vec<IpAddr> = probed.iter().map(|(_, vip)| *vip).collect();
        let period = if targets.len() == 1 { PROBE_ALONE } else { PROBE };
        let echo = Echo::start(&client, &targets, period)?;
        let wire = Wire::start(&lab)?;
        Ok(Arena { plan, probed, echo, wire, n1, n2, client, _lab: lab })
    }

    /// Starts the backup first, so that it is known to run: it becomes master and then yields.
    pub(super) fn start(&self, contender: Contender) -> Result<Pair> {
        self.start_both(contender, contender)
    }

    /// The same with another one as the backup.
    pub(super) fn start_both(&self, contender: Contender, peer: Contender) -> Result<Pair> {
        self.level()?;
        let mut backup = peer.start(&self.n2, &self.plan, BACKUP_PRIORITY)?;
        let begun = Moment::now();
        let spoke = || self.wire.look(|frames| observe::backup_spoke(frames, begun));
        let waited = poll(SETTLE_LIMIT, || spoke() || !backup.running());
        if waited.is_err() || !backup.running() {
            bail!("it does not become master alone; it said:\n{}", backup.last_words());
        }
        let master = contender.start(&self.n1, &self.plan, MASTER_PRIORITY)?;
        let pair = Pair { master: Some(master), backup };
        self.settle(&pair)?;
        Ok(pair)
    }

    /// Waits until the master serves everything and the backup is silent.
    pub(super) fn settle(&self, pair: &Pair) -> Result<()> {
        let window = (self.plan.interval * 11 / 5).max(Duration::from_millis(300));
        let begun = Moment::now();
        self.wire.forget(begun);
        self.echo.forget(begun - window);
        let settled = || {
            let now = Moment::now();
            let from = now - window;
            self.wire.forget(from - window);
            // What the client knows of the neighbours is right only if somebody announced it last.
            now.since(begun) >= window && self.wire.look(|frames| observe::calm(frames, &self.plan, from))
        };
        let served = || {
            let recently = Moment::now() - LOOK;
            (0..self.probed.len()).all(|target| self.echo.first_after(target, recently).is_some())
        };
        let agreed = poll(SETTLE_LIMIT, settled).and_then(|()| {
            // A master that never heard its rival announces nothing, and the client would stay misled.
            self.client.ip("neigh flush dev eth0\n")?;
            poll(Duration::from_secs(5), served)
        });
        if let Err(error) = agreed {
            bail!("the routers do not agree: {error}; {}", pair.last_words());
        }
        Ok(())
    }

    /// Sleeps until `phase` (0 to 1) of an interval has passed since an advert of the first instance.
    pub(super) fn sleep_until_phase(&self, phase: f64) {
        let now = Moment::now();
        let last = self.wire.look(observe::last_advert).unwrap_or(now);
        let mut moment = last + self.plan.interval.mul_f64(phase);
        while moment < now {
            moment = moment + self.plan.interval;
        }
        moment.sleep_until();
    }

    /// Waits until all VIPs have passed to the backup after a blow, and returns how; fewer at the limit.
    pub(super) fn passages(&self, blow: Moment, limit: Duration) -> Vec<Passage> {
        let look = || self.wire.look(|frames| observe::passages(frames, &self.plan, blow));
        let all = self.plan.addresses().len();
        (blow + self.plan.master_down() + LOOK).sleep_until();
        // What is missing at the limit is counted by the caller.
        let _ = poll(limit, || look().len() == all);
        look()
    }

    /// Waits until the client has heard from all probed VIPs after `moment`.
    pub(super) fn all_answer_after(&self, moment: Moment, limit: Duration) -> Result<()> {
        poll(limit, || (0..self.probed.len()).all(|target| self.echo.first_after(target, moment).is_some()))
    }

    /// Removes whatever the last pair left, however it ended.
    fn level(&self) -> Result<()> {
        self.n1.plug()?;
        bury(&self.n1)?;
        bury(&self.n2)?;
        self.wire.forget(Moment::now());
        Ok(())
    }
}

/// Removes the VIPs that a killed router left on its host.
pub(super) fn bury(host: &Host) -> Result<()> {
    host.ip(&format!("addr flush dev eth0 to {VIP_NETWORK}\n"))
}

/// Both routers of a contender.
pub(super) struct Pair {
    /// On n1; none between being killed and being started again.
    pub(super) master: Option<Router>,
    /// On n2.
    pub(super) backup: Router,
}

impl Pair {
    /// Ends both routers.
    pub(super) fn stop(self) -> Result<()> {
        if let Some(master) = self.master {
            master.stop()?;
        }
        self.backup.stop()
    }

    pub(super) fn last_words(&self) -> String {
        let master = self.master.as_ref().map(Router::last_words).unwrap_or_default();
        format!("the master said:\n{master}\nthe backup said:\n{}", self.backup.last_words())
    }
}

/// Up to `count` of the plan's VIPs, the first and the last among them.
fn spread(plan: &Plan, count: usize) -> Vec<(u8, IpAddr)> {
    let all = plan.addresses();
    let last = all.len().saturating_sub(1);
    let mut places: Vec<usize> = (0..count).map(|number| last * number / (count - 1).max(1)).collect();
    places.dedup();
    let chosen = places.into_iter().filter_map(|place| all.get(place));
    chosen.map(|(vrid, vip)| (*vrid, IpAddr::V4(*vip))).collect()
}

/// Waits like [`crate::lab::wait`], but looks less often.
pub(super) fn poll(limit: Duration, mut condition: impl FnMut() -> bool) -> Result<()> {
    let begun = Moment::now();
    while !condition() {
        if Moment::now().since(begun) > limit {
            bail!("not within {limit:?}");
        }
        thread::sleep(LOOK);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probed_are_spread_over_all() {
        let plan = |instances, vips| Plan { instances, vips, interval: Duration::from_secs(1) };
        let vrids = |plan: &Plan| spread(plan, 8).into_iter().map(|(vrid, _)| vrid).collect::<Vec<_>>();
        assert_eq!(vrids(&plan(1, 1)), [1]);
        assert_eq!(vrids(&plan(100, 1)), [1, 15, 29, 43, 57, 71, 85, 100]);
        let last = spread(&plan(1, 200), 8).pop().unwrap().1;
        assert_eq!(last.to_string(), "10.78.1.200");
    }
}
