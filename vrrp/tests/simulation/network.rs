//! What happens to a packet on its way.

use std::time::Duration;

/// A small generator (SplitMix64): the same seed gives the same run.
#[derive(Clone, Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }

    pub(crate) fn up_to(&mut self, longest: Duration) -> Duration {
        Duration::from_nanos(self.below(u64::try_from(longest.as_nanos()).unwrap() + 1))
    }
}

/// The segment that all nodes share.
#[derive(Debug)]
pub(crate) struct Network {
    /// Each packet takes any time up to this, so packets overtake each other.
    pub(crate) latency: Duration,
    /// Packets lost, in percent.
    pub(crate) loss: u64,
    /// Packets that arrive twice, in percent.
    pub(crate) duplication: u64,
    /// Packets to lose before any other, whatever the odds.
    pub(crate) lose_next: u32,
    /// Bit i: on which side of a partition node i is.
    pub(crate) sides: u8,
    /// Bit i: nobody hears node i, though it hears them.
    pub(crate) mute: u8,
    pub(crate) dice: Dice,
}

impl Network {
    /// A network that delivers everything.
    pub(crate) fn new(latency: Duration, seed: u64) -> Network {
        let dice = Dice(seed);
        Network { latency, loss: 0, duplication: 0, lose_next: 0, sides: 0, mute: 0, dice }
    }

    /// How long a packet takes, and its copy if there is one; nothing when it never arrives.
    pub(crate) fn route(&mut self, from: usize, to: usize) -> [Option<Duration>; 2] {
        let delay = self.dice.up_to(self.latency);
        let lost = self.dice.below(100) < self.loss;
        let apart = (self.sides >> from) & 1 != (self.sides >> to) & 1 || (self.mute >> from) & 1 != 0;
        if self.lose_next > 0 {
            self.lose_next -= 1;
            return [None; 2];
        }
        if lost || apart {
            return [None; 2];
        }
        let twice = self.duplication > 0 && self.dice.below(100) < self.duplication;
        [Some(delay), twice.then(|| self.dice.up_to(self.latency))]
    }
}
