//! `garp_…` of an instance, and `vrrp_garp_…` of `global_defs`: how often the neighbours are told.

use std::time::Duration;

use crate::config::diagnostic::Findings;
use crate::config::lex::Word;
use crate::config::model::Garp;
use crate::config::tree::Node;

use super::{unsupported, values};

/// Longest delay or interval of GARP, in seconds: a day, as keepalived has it for the extra ones.
const MAX_GARP_SECS: u64 = 86_400;
/// Most GARPs per address and set. keepalived has no bound; more in one burst is a flood.
const MAX_GARP_REPEAT: u32 = 255;

/// The lines so far. What no line says about a master of lower priority follows from the others in the end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct GarpLines {
    garp: Garp,
    lower_prio_delay: Option<Duration>,
    lower_prio_repeat: Option<u32>,
}

impl GarpLines {
    /// Takes one line over, whose keyword is without `vrrp_`.
    pub(super) fn set(&mut self, keyword: &str, node: &Node, findings: &mut Findings) -> Option<()> {
        let word = node.args().first()?;
        let garp = &mut self.garp;
        match keyword {
            "garp_master_delay" => garp.delay = delay(word, findings)?,
            "garp_master_repeat" => garp.repeat = repeat(word, findings)?,
            "garp_master_refresh" => garp.refresh = delay(word, findings)?,
            "garp_master_refresh_repeat" => garp.refresh_repeat = repeat(word, findings)?,
            "garp_lower_prio_delay" => self.lower_prio_delay = Some(delay(word, findings)?),
            // Here, and only here, none at all is a number.
            "garp_lower_prio_repeat" if word.text == "0" => self.lower_prio_repeat = Some(0),
            "garp_lower_prio_repeat" => self.lower_prio_repeat = Some(repeat(word, findings)?),
            "garp_extra_if" => (garp.extra_all, garp.extra) = extra(node, findings)?,
            _ => unsupported(node, findings),
        }
        Some(())
    }

    /// `vrrp_min_garp`: one announcement and no more, where no line before says otherwise.
    pub(super) fn minimise(&mut self) {
        let defaults = Garp::default();
        if self.garp.repeat == defaults.repeat {
            self.garp.repeat = 1;
        }
        if self.garp.delay == defaults.delay {
            self.garp.delay = Duration::ZERO;
        }
    }

    /// Strict mode: nothing is announced because of a master of lower priority.
    pub(super) fn leave_rivals_alone(&mut self) {
        self.lower_prio_delay = Some(Duration::ZERO);
        self.lower_prio_repeat = Some(0);
    }

    /// What the lines of an instance mean, given those of `global_defs`: a master of lower priority is answered as
    /// `global_defs` have it, where no line is about that.
    pub(super) fn settle(self, globals: GarpLines) -> Garp {
        Garp {
            lower_prio_delay: self.lower_prio_delay.unwrap_or(globals.garp.delay),
            lower_prio_repeat: self.lower_prio_repeat.unwrap_or(globals.garp.repeat),
            ..self.garp
        }
    }
}

fn delay(word: &Word, findings: &mut Findings) -> Option<Duration> {
    values::whole_seconds(word, 0..=MAX_GARP_SECS, findings)
}

fn repeat(word: &Word, findings: &mut Findings) -> Option<u32> {
    let repeat = values::count(word, u32::MAX, findings)?;
    if repeat > MAX_GARP_REPEAT {
        findings
            .warning(&word.at, format!("{repeat} is taken for {MAX_GARP_REPEAT}"))
            .help("keepalived would send them all, for every address and at once");
    }
    Some(repeat.min(MAX_GARP_REPEAT))
}

/// `[all] SECONDS`
fn extra(node: &Node, findings: &mut Findings) -> Option<(bool, Duration)> {
    let (words, all): (Vec<&Word>, Vec<&Word>) = node.args().iter().partition(|word| word.text != "all");
    let Some(word) = words.first() else {
        findings.error(node.at(), "the number of seconds is missing");
        return None;
    };
    Some((!all.is_empty(), delay(word, findings)?))
}
