//! The lines of `track_script` and `track_interface`.

use std::collections::HashSet;

use crate::config::diagnostic::{Findings, did_you_mean, quoted};
use crate::config::lex::Word;
use crate::config::model::{TrackInterface, TrackScript};
use crate::config::tree::Node;

use super::address::plain_line;
use super::values;

/// A line of `track_script`, before it is known what the script's own `reverse` is.
#[derive(Clone)]
pub(super) struct ScriptLine {
    pub(super) name: Word,
    pub(super) weight: Option<i32>,
    pub(super) reverse: Option<bool>,
}

impl ScriptLine {
    /// The line as it counts, given the names of the scripts that have `reverse` themselves.
    pub(super) fn settle(self, reversed: &HashSet<String>) -> TrackScript {
        TrackScript {
            reverse: self.reverse.unwrap_or_else(|| reversed.contains(&self.name.text)),
            name: self.name.text,
            weight: self.weight,
            at: self.name.at,
        }
    }
}

/// `NAME [weight N [reverse|noreverse]]`
pub(super) fn script(node: &Node, findings: &mut Findings) -> Option<ScriptLine> {
    plain_line(node, findings)?;
    let name = node.keyword().clone();
    let words = after_weight(node, findings)?;
    if words.is_empty() {
        return Some(ScriptLine { name, weight: None, reverse: None });
    }
    let (weight, reverse) = weight(words, findings)?;
    // Without either word the script's own `reverse` stays in force.
    let reverse = words.get(1).map(|_| reverse);
    Some(ScriptLine { name, weight: Some(weight), reverse })
}

/// `INTERFACE [weight N [reverse]]`
pub(super) fn interface(node: &Node, findings: &mut Findings) -> Option<TrackInterface> {
    plain_line(node, findings)?;
    let name = values::interface(node.keyword(), findings)?;
    let words = after_weight(node, findings)?;
    let (weight, reverse) = if words.is_empty() { (0, false) } else { weight(words, findings)? };
    Some(TrackInterface { name, weight, reverse, at: node.at().clone() })
}

/// The words after `weight`; none for a line that is only a name.
fn after_weight<'n>(node: &'n Node, findings: &mut Findings) -> Option<&'n [Word]> {
    let Some((option, words)) = node.args().split_first() else { return Some(&[]) };
    if option.text != "weight" {
        findings
            .error(&option.at, format!("{} is no option of a tracked item", quoted(&option.text)))
            .maybe_help(|| did_you_mean(&option.text, ["weight"]));
        return None;
    }
    if words.is_empty() {
        findings.error(&option.at, "`weight` needs a value");
        return None;
    }
    Some(words)
}

/// `N [reverse|noreverse]`
pub(super) fn weight(words: &[Word], findings: &mut Findings) -> Option<(i32, bool)> {
    let weight: i32 = values::number(words.first()?, -254..=254, findings)?;
    let clamped = weight.clamp(-253, 253);
    if let Some(word) = words.first().filter(|_| clamped != weight) {
        findings.warning(&word.at, format!("{weight} is taken for {clamped}, as in keepalived"));
    }
    let reverse = match words.get(1).map(|word| (word, word.text.as_str())) {
        None | Some((_, "noreverse")) => false,
        Some((_, "reverse")) => true,
        Some((word, other)) => {
            findings
                .error(&word.at, format!("{} after a weight means nothing", quoted(other)))
                .maybe_help(|| did_you_mean(other, ["reverse", "noreverse"]));
            return None;
        }
    };
    if let Some(extra) = words.get(2) {
        findings.strict(&extra.at, format!("{} after the weight means nothing", quoted(&extra.text)));
    }
    Some((clamped, reverse))
}
