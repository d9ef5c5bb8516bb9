//! What the wire tells of one failover.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use super::plan::Plan;
use crate::lab::clock::Moment;
use crate::lab::wire::{Frame, Seen};

/// The router that is master until the blow.
pub(super) const MASTER: &str = "n1";
/// The router that takes over.
pub(super) const BACKUP: &str = "n2";

/// One VIP's way from one host to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passage {
    pub(super) vip: Ipv4Addr,
    /// When the backup has to suspect the master by the RFC: its last advert and Master_Down_Interval, or
    /// Skew_Time if that advert said that it resigns.
    pub(super) ceiling: Moment,
    /// When the new master first announced the VIP.
    pub(super) announced: Moment,
}

/// All VIPs' passages after a blow at `blow`, in the order of the plan; fewer than the plan has while some are on
/// their way. The frames end before the old master is brought back.
pub(super) fn passages(frames: &[Frame], plan: &Plan, blow: Moment) -> Vec<Passage> {
    let mut suspected: HashMap<u8, Moment> = HashMap::new();
    let mut announced: HashMap<IpAddr, Moment> = HashMap::new();
    for frame in frames {
        match (&*frame.from, frame.seen()) {
            (MASTER, Some(Seen::Advert(advert))) => {
                let patience = if advert.priority == 0 { plan.skew() } else { plan.master_down() };
                suspected.insert(advert.vrid, frame.at + patience);
            }
            (BACKUP, Some(Seen::Announcement { address, .. })) if frame.at >= blow => {
                announced.entry(address).or_insert(frame.at);
            }
            _ => {}
        }
    }
    let passage = |(vrid, vip): (u8, Ipv4Addr)| {
        let (ceiling, announced) = (*suspected.get(&vrid)?, *announced.get(&IpAddr::V4(vip))?);
        Some(Passage { vip, ceiling, announced })
    };
    plan.addresses().into_iter().filter_map(passage).collect()
}

/// Whether the master alone has spoken since `from`, about every instance.
pub(super) fn calm(frames: &[Frame], plan: &Plan, from: Moment) -> bool {
    alone(frames, plan, MASTER, from)
}

/// Whether `router` alone has spoken since `from`, about every instance.
pub(super) fn alone(frames: &[Frame], plan: &Plan, router: &str, from: Moment) -> bool {
    let mut heard = vec![false; usize::from(plan.instances)];
    for frame in frames.iter().filter(|frame| frame.at >= from && [MASTER, BACKUP].contains(&&*frame.from)) {
        match (&*frame.from == router, frame.seen()) {
            (false, Some(_)) => return false,
            (true, Some(Seen::Advert(advert))) => {
                let place = usize::from(advert.vrid).checked_sub(1);
                if let Some(heard) = place.and_then(|place| heard.get_mut(place)) {
                    *heard = true;
                }
            }
            _ => {}
        }
    }
    heard.into_iter().all(|heard| heard)
}

/// The last advert of the first instance that the master sent.
pub(super) fn last_advert(frames: &[Frame]) -> Option<Moment> {
    let advert = |frame: &&Frame| {
        &*frame.from == MASTER && matches!(frame.seen(), Some(Seen::Advert(advert)) if advert.vrid == 1)
    };
    frames.iter().rev().find(advert).map(|frame| frame.at)
}

/// Whether the backup has said anything since `from`.
pub(super) fn backup_spoke(frames: &[Frame], from: Moment) -> bool {
    frames.iter().any(|frame| frame.at >= from && &*frame.from == BACKUP && frame.seen().is_some())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PLAN: Plan = Plan { instances: 2, vips: 1, interval: Duration::from_millis(10) };

    fn frame(from: &str, at_ms: u64, bytes: Vec<u8>) -> Frame {
        Frame { at: Moment(at_ms * 1_000_000), from: from.into(), bytes }
    }

    fn advert(from: &str, at_ms: u64, vrid: u8, priority: u8) -> Frame {
        let mut bytes = vec![0; 14 + 20 + 8];
        bytes[12..14].copy_from_slice(&[0x08, 0x00]);
        bytes[14] = 0x45;
        bytes[23] = 112;
        bytes[34..37].copy_from_slice(&[0x31, vrid, priority]);
        frame(from, at_ms, bytes)
    }

    fn garp(from: &str, at_ms: u64, vip: Ipv4Addr) -> Frame {
        let mut bytes = vec![0; 14 + 28];
        bytes[12..14].copy_from_slice(&[0x08, 0x06]);
        bytes[28..32].copy_from_slice(&vip.octets());
        bytes[38..42].copy_from_slice(&vip.octets());
        frame(from, at_ms, bytes)
    }

    #[test]
    fn a_passage_is_counted_from_the_last_advert_to_the_first_announcement() {
        let (one, two) = (Ipv4Addr::new(10, 78, 1, 1), Ipv4Addr::new(10, 78, 2, 1));
        let mut frames = vec![
            garp("n2", 1, one),
            advert("n1", 10, 1, 150),
            advert("n1", 12, 2, 150),
            advert("n1", 20, 1, 150),
            advert("n1", 22, 2, 0),
            garp("n2", 60, one),
            garp("n2", 61, one),
        ];
        let blow = Moment(25_000_000);
        let first = Passage {
            vip: one,
            ceiling: Moment(20_000_000) + PLAN.master_down(),
            announced: Moment(60_000_000),
        };
        assert_eq!(passages(&frames, &PLAN, blow), [first], "the second is on its way");
        frames.push(garp("n2", 70, two));
        let second =
            Passage { vip: two, ceiling: Moment(22_000_000) + PLAN.skew(), announced: Moment(70_000_000) };
        assert_eq!(passages(&frames, &PLAN, blow), [first, second]);
    }

    #[test]
    fn calm_is_when_the_master_alone_speaks_of_everything() {
        let mut frames = vec![advert("n2", 1, 1, 100), advert("n1", 10, 1, 150)];
        let since = Moment(5_000_000);
        assert!(!calm(&frames, &PLAN, since), "nothing about the second instance");
        frames.push(advert("n1", 11, 2, 150));
        assert!(calm(&frames, &PLAN, since));
        assert_eq!(last_advert(&frames), Some(Moment(10_000_000)));
        assert!(!backup_spoke(&frames, since));
        frames.push(advert("n2", 12, 2, 100));
        assert!(!calm(&frames, &PLAN, since));
        assert!(backup_spoke(&frames, since));
    }
}
