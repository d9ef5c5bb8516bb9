//! `vrrp_script`.

use std::time::Duration;

use crate::config::diagnostic::{Findings, quoted};
use crate::config::keywords::Place;
use crate::config::lex::Word;
use crate::config::model::{Command, Location, Script, User};
use crate::config::tree::Node;

use super::{command, mentions, track, unsupported, values, walk};

/// Longest interval and timeout in seconds: keepalived's, whose timers count microseconds in 32 bits.
const MAX_SECS: u64 = 4294;
/// Most successes or failures in a row.
const MAX_COUNT: u32 = i32::MAX.cast_unsigned();

/// A block as it is being read.
struct Draft {
    command: Option<Command>,
    interval: Duration,
    timeout: Option<Duration>,
    weight: i32,
    reverse: bool,
    rise: u32,
    fall: u32,
    user: Option<User>,
    init_fail: bool,
}

impl Default for Draft {
    fn default() -> Draft {
        let interval = Duration::from_secs(1);
        Draft {
            command: None,
            interval,
            timeout: None,
            weight: 0,
            reverse: false,
            rise: 1,
            fall: 1,
            user: None,
            init_fail: false,
        }
    }
}

/// One block; `None` if it names no script to run.
pub(super) fn lower(node: &Node, findings: &mut Findings) -> Option<Script> {
    let name = node.args().first()?.text.clone();
    let at: Location = node.at().clone();
    let mut draft = Draft::default();
    walk(Place::Script, node.children(), findings, |keyword, node, findings| {
        draft.set(keyword, node, findings);
    });
    if draft.command.is_none() && !mentions(node, "script", findings) {
        findings.error(&at, format!("the vrrp_script {} has no `script` to run", quoted(&name)));
    }
    let Draft { command, interval, timeout, weight, reverse, rise, fall, user, init_fail } = draft;
    let timeout = timeout.unwrap_or(interval);
    Some(Script {
        name,
        at,
        command: command?,
        interval,
        timeout,
        weight,
        reverse,
        rise,
        fall,
        user,
        init_fail,
    })
}

impl Draft {
    fn set(&mut self, keyword: &str, node: &Node, findings: &mut Findings) -> Option<()> {
        match keyword {
            "script" => self.command = Some(command::script(node, findings)?),
            "user" => self.user = values::user(node.args()),
            "init_fail" => self.init_fail = true,
            "weight" => (self.weight, self.reverse) = track::weight(node.args(), track::NARROW, findings)?,
            _ => {
                let word = node.args().first()?;
                match keyword {
                    "interval" => self.interval = secs_from_one(word, findings)?,
                    "timeout" => self.timeout = Some(secs_from_one(word, findings)?),
                    "rise" => self.rise = values::number(word, 1..=MAX_COUNT, findings)?,
                    "fall" => self.fall = values::number(word, 1..=MAX_COUNT, findings)?,
                    _ => unsupported(node, findings),
                }
            }
        }
        Some(())
    }
}

/// Whole seconds, where keepalived takes 0 for 1.
fn secs_from_one(word: &Word, findings: &mut Findings) -> Option<Duration> {
    let secs = values::whole_seconds(word, 0..=MAX_SECS, findings)?;
    if secs.is_zero() {
        findings.warning(&word.at, "0 is taken for 1, as in keepalived");
    }
    Some(secs.max(Duration::from_secs(1)))
}
