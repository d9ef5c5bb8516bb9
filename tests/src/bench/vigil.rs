//! A pair that has nothing to decide, under a burden: whatever changes is false.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::burden::{self, Burden, HOGGED_CPU, Limit, Sender};
use super::contender::{Contender, Router};
use super::observe::{BACKUP, MASTER};
use super::outcome::{Failure, Metric, Outcome, Statistic};
use super::plan::{BACKUP_PRIORITY, MASTER_PRIORITY, Plan};
use super::scrape::{self, Scraper};
use super::stats::percentile;
use super::usage::Usage;
use super::{Options, progress};
use crate::lab::clock::Moment;
use crate::lab::wire::{Frame, Seen, Wire};
use crate::lab::{Host, Lab, wait};

/// How long routers may take to agree.
const LIMIT: Duration = Duration::from_mins(1);
/// Second announcements come 5 s after a takeover.
const SETTLE: Duration = Duration::from_secs(6);
/// Between two reloads.
const RELOAD: Duration = Duration::from_secs(1);
/// VIPs that are asked for.
const ASKED: usize = 8;

/// A scenario in which nothing is to happen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vigil {
    pub(super) plan: Plan,
    pub(super) burden: Burden,
    /// How long it lasts.
    pub(super) seconds: u64,
}

/// What was seen of one pair.
#[derive(Debug, Default)]
struct Watched {
    /// VRIDs that passed to the backup, each time counted.
    takeovers: usize,
    /// Between two adverts of the master, in intervals.
    gaps: Vec<f64>,
    /// Answers of the old master for a VIP after its successor's first advert.
    answers: usize,
    /// How long each scrape took, in milliseconds.
    scrapes: Vec<f64>,
}

impl Vigil {
    pub(super) fn run(&self, options: &Options) -> Outcome {
        let mut contenders = options.contenders.clone();
        if self.burden == Burden::Scrape {
            contenders.retain(|contender| contender.is_vipward());
        }
        let contenders = &contenders;
        let seconds = if options.quick { (self.seconds / 4).max(5) } else { self.seconds };
        let turns = options.rounds.unwrap_or(1);
        let new = |name, unit| Metric::new(name, unit, contenders, turns);
        let mut takeovers = new("takeovers by the backup", "count");
        let mut off = new("adverts off their cadence, 99th percentile", "% of the interval");
        let mut widest = new("longest time between two adverts", "intervals");
        let mut cpu = new("CPU of the busier router", "% of one CPU");
        let mut answers = new("answers of the old master after its successor spoke", "count");
        let mut rate = new("hostile adverts", "per second");
        let mut scrape = new("a scrape, median", "ms");
        let mut slowest = new("a scrape, 99th percentile", "ms");
        let (mut failures, mut notes) = (Vec::new(), Vec::new());
        for turn in 0..turns {
            for contender in super::order(contenders, turn) {
                progress(format_args!("  {contender:<20} {} of {turns}", turn + 1));
                match self.measure(contender, Duration::from_secs(seconds), &mut notes) {
                    Ok((watched, used, hostile)) => {
                        takeovers.add(contender, float(watched.takeovers));
                        off.add(contender, off_cadence(&watched.gaps));
                        widest.add(contender, watched.gaps.iter().copied().fold(0.0, f64::max));
                        cpu.add(contender, used / float(usize::try_from(seconds).unwrap_or(1)));
                        answers.add(contender, float(watched.answers));
                        rate.add(contender, hostile);
                        scrape.add(contender, percentile(&watched.scrapes, 50));
                        slowest.add(contender, percentile(&watched.scrapes, 99));
                    }
                    Err(error) => failures.push(Failure { contender, why: format!("{error:#}") }),
                }
            }
        }
        let metrics = match self.burden {
            Burden::FifoOnMaster => {
                answers.at_most(Statistic::Median, 0.0, Contender::watches_in_kernel);
                vec![answers, takeovers]
            }
            Burden::Flood => {
                takeovers.at_most(Statistic::Median, 0.0, Contender::is_vipward);
                off.at_most(Statistic::Median, 10.0, Contender::is_vipward);
                cpu.at_most(Statistic::Median, 5.0, Contender::is_vipward);
                vec![takeovers, off, widest, cpu, rate]
            }
            Burden::Reload => {
                takeovers.at_most(Statistic::Median, 0.0, Contender::is_vipward);
                off.at_most(Statistic::Median, 10.0, Contender::is_vipward);
                vec![takeovers, off, widest]
            }
            Burden::Scrape => {
                slowest.at_most(Statistic::Median, 5.0, Contender::is_vipward);
                takeovers.at_most(Statistic::Median, 0.0, Contender::is_vipward);
                off.at_most(Statistic::Median, 10.0, Contender::is_vipward);
                widest.at_most(Statistic::Median, 1.1, Contender::is_vipward);
                vec![scrape, slowest, takeovers, off, widest]
            }
            Burden::Busy | Burden::FifoOnBackup | Burden::Memory => {
                takeovers.at_most(Statistic::Median, 0.0, Contender::is_vipward);
                vec![takeovers, off, widest]
            }
        };
        Outcome {
            title: format!("{}, {}, {seconds} s", self.plan, self.burden.title()),
            metrics,
            failures,
            notes,
            ..Outcome::default()
        }
    }

    /// What was seen, the CPU time of the busier router in hundredths of a second, and hostile adverts per second.
    fn measure(
        &self,
        contender: Contender,
        length: Duration,
        notes: &mut Vec<String>,
    ) -> Result<(Watched, f64, f64)> {
        let lab = Lab::new()?;
        let (n1, n2, n3) = (lab.host(MASTER)?, lab.host(BACKUP)?, lab.host("n3")?);
        let wire = Wire::of_two(&lab, [MASTER, BACKUP])?;
        let backup = contender.start(&n2, &self.plan, BACKUP_PRIORITY)?;
        self.serves(&n2, &backup)?;
        let metrics: &[&str] =
            if self.burden == Burden::Scrape { &["--metrics", scrape::ADDRESS] } else { &[] };
        let master = contender.start_with(&n1, &self.plan, MASTER_PRIORITY, metrics)?;
        self.serves(&n1, &master)?;
        wait::until("the backup to give up all VIPs", LIMIT, || !self.holds_any(&n2))
            .with_context(|| backup.last_words())?;
        thread::sleep(SETTLE);

        match self.burden {
            Burden::FifoOnBackup => burden::pin(&n2, HOGGED_CPU).and_then(|()| burden::pin(&n1, 0))?,
            Burden::FifoOnMaster => burden::pin(&n1, HOGGED_CPU).and_then(|()| burden::pin(&n2, 0))?,
            _ => {}
        }
        let before = [Usage::of(&n1)?, Usage::of(&n2)?];
        let mut sender = None;
        let mut hogs = Vec::new();
        let mut limit = None;
        let mut scraper = None;
        match self.burden {
            Burden::Flood => sender = Some(Sender::flood(&n3, &self.plan, [&n1, &n2])?),
            Burden::Busy => hogs = burden::busy(&n3)?,
            Burden::FifoOnBackup => hogs = burden::fifo(&n3)?,
            Burden::FifoOnMaster => {
                let vips: Vec<Ipv4Addr> =
                    self.plan.addresses().iter().take(ASKED).map(|(_, vip)| *vip).collect();
                sender = Some(Sender::ask(&n3, &vips)?);
                hogs = burden::fifo(&n3)?;
            }
            Burden::Memory => limit = Some(Limit::new([&n1, &n2], &n3)?),
            Burden::Scrape => scraper = Some(Scraper::start(&n1, self.plan.instances)?),
            Burden::Reload => {}
        }
        let begun = Moment::now();
        let already = sender.as_ref().map_or(0, Sender::sent);
        if self.burden == Burden::Reload {
            self.reload(contender, &master, &n1, begun + length)?;
        }
        (begun + length).sleep_until();
        let end = Moment::now();
        let sent = sender.as_ref().map_or(0, Sender::sent) - already;
        let after = [Usage::of(&n1)?, Usage::of(&n2)?];
        drop((hogs, sender));
        if let Some(limit) = limit.take() {
            let refusals = limit.refusals();
            ensure!(refusals > 0, "the memory limit was never reached: nothing was measured");
            notes.push(format!("{contender}: memory was refused {refusals} times"));
        }
        let mut watched = wire.look(|frames| watch(frames, &self.plan, begun, end));
        watched.scrapes = scraper.map_or_else(|| Ok(Vec::new()), Scraper::stop)?;
        let used =
            after.into_iter().zip(before).map(|(after, before)| (after - before).cpu_ns).max().unwrap_or(0);
        backup.stop().and_then(|()| master.stop()).context("a router does not end")?;
        Ok((watched, Duration::from_nanos(used).as_secs_f64() * 100.0, per_second(sent, end.since(begun))))
    }

    /// Changes every instance once a second, in something that no advert says: a changed priority is announced at once,
    /// as it should be.
    fn reload(&self, contender: Contender, master: &Router, host: &Host, end: Moment) -> Result<()> {
        let mut next = Moment::now();
        for repeat in [4, 5].into_iter().cycle() {
            next = next + RELOAD;
            if next >= end {
                break;
            }
            let globals = format!("{}    vrrp_garp_master_repeat {repeat}\n", contender.globals());
            master.reload(host, &self.plan.config(MASTER_PRIORITY, &globals))?;
            next.sleep_until();
        }
        Ok(())
    }

    fn serves(&self, host: &Host, router: &Router) -> Result<()> {
        let serves = || {
            let held = host.addresses().unwrap_or_default();
            self.plan.addresses().iter().all(|(_, vip)| held.contains(&IpAddr::V4(*vip)))
        };
        wait::until("all VIPs", LIMIT, serves).with_context(|| router.last_words())
    }

    fn holds_any(&self, host: &Host) -> bool {
        let held = host.addresses().unwrap_or_default();
        self.plan.addresses().iter().any(|(_, vip)| held.contains(&IpAddr::V4(*vip)))
    }
}

/// How far the 99th percentile of all gaps is off one interval.
fn off_cadence(gaps: &[f64]) -> f64 {
    let off: Vec<f64> = gaps.iter().map(|gap| (gap - 1.0).abs() * 100.0).collect();
    percentile(&off, 99)
}

/// What happened between two moments.
fn watch(frames: &[Frame], plan: &Plan, from: Moment, to: Moment) -> Watched {
    let mut watched = Watched::default();
    let mut speaker: HashMap<u8, bool> = HashMap::new();
    let mut last: HashMap<u8, Moment> = HashMap::new();
    let owners: HashMap<Ipv4Addr, u8> = plan.addresses().into_iter().map(|(vrid, vip)| (vip, vrid)).collect();
    for frame in frames.iter().filter(|frame| frame.at >= from && frame.at <= to) {
        let backup = &*frame.from == BACKUP;
        if let Some(vip) = answer(&frame.bytes) {
            let succeeded = owners.get(&vip).and_then(|vrid| speaker.get(vrid)) == Some(&true);
            watched.answers += usize::from(!backup && succeeded);
            continue;
        }
        let Some(Seen::Advert(advert)) = frame.seen() else { continue };
        if advert.priority == 0 {
            continue;
        }
        let before = speaker.insert(advert.vrid, backup);
        watched.takeovers += usize::from(backup && before != Some(true));
        if !backup && let Some(before) = last.insert(advert.vrid, frame.at) {
            watched.gaps.push(frame.at.since(before).as_secs_f64() / plan.interval.as_secs_f64());
        }
    }
    watched
}

/// The address that an ARP reply is about.
fn answer(frame: &[u8]) -> Option<Ipv4Addr> {
    if frame.get(12..14)? != [0x08, 0x06] || frame.get(20..22)? != [0, 2] {
        return None;
    }
    let sender: [u8; 4] = frame.get(28..32)?.try_into().ok()?;
    (frame.get(38..42)? != sender).then_some(Ipv4Addr::from(sender))
}

fn per_second(count: u64, length: Duration) -> f64 {
    float(usize::try_from(count).unwrap_or(usize::MAX)) / length.as_secs_f64().max(f64::MIN_POSITIVE)
}

/// Counters of a minute are far below 2⁵³.
#[expect(clippy::cast_precision_loss, reason = "exact below 2⁵³")]
fn float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan { instances: 1, vips: 1, interval: Duration::from_millis(10) };

    fn frame(from: &str, at_ms: u64, bytes: Vec<u8>) -> Frame {
        Frame { at: Moment(at_ms * 1_000_000), from: from.into(), bytes }
    }

    fn advert(from: &str, at_ms: u64) -> Frame {
        let mut bytes = vec![0; 14 + 20 + 8];
        bytes[12..14].copy_from_slice(&[0x08, 0x00]);
        bytes[14] = 0x45;
        bytes[23] = 112;
        bytes[34..37].copy_from_slice(&[0x31, 1, 150]);
        frame(from, at_ms, bytes)
    }

    fn reply(from: &str, at_ms: u64) -> Frame {
        let mut bytes = vec![0; 14 + 28];
        bytes[12..14].copy_from_slice(&[0x08, 0x06]);
        bytes[21] = 2;
        bytes[28..32].copy_from_slice(&[10, 78, 1, 1]);
        bytes[38..42].copy_from_slice(&[10, 77, 0, 3]);
        frame(from, at_ms, bytes)
    }

    #[test]
    fn takeovers_gaps_and_late_answers_are_counted() {
        let frames = [
            advert("n1", 10),
            reply("n1", 11),
            advert("n1", 20),
            advert("n2", 50),
            advert("n2", 60),
            reply("n2", 61),
            reply("n1", 62),
            advert("n1", 70),
            reply("n1", 71),
            advert("n2", 100),
        ];
        let watched = watch(&frames, &PLAN, Moment(0), Moment(u64::MAX));
        assert_eq!((watched.takeovers, watched.answers), (2, 1));
        assert_eq!(watched.gaps.iter().map(ToString::to_string).collect::<Vec<_>>(), ["1", "5"]);
        assert_eq!(watch(&frames, &PLAN, Moment(0), Moment(30_000_000)).takeovers, 0);
    }

    #[test]
    fn a_late_hundredth_is_not_counted_and_two_are() {
        let mut gaps = vec![1.0; 99];
        gaps.push(3.0);
        assert!(off_cadence(&gaps) < 1e-9);
        gaps.push(3.0);
        assert!((off_cadence(&gaps) - 200.0).abs() < 1e-9);
        assert!(off_cadence(&[]).is_nan());
    }
}
