//! The lines of `track_script` and `track_interface`.

use std::collections::{HashMap, HashSet};

use crate::config::diagnostic::{Findings, did_you_mean, quoted};
use crate::config::lex::Word;
use crate::config::model::{TrackInterface, TrackItem, TrackScript};
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

/// A line of `track_file` or `track_process`, before it is known what its block says.
#[derive(Clone)]
pub(super) struct ItemLine {
    pub(super) name: Word,
    weight: Option<i32>,
    reverse: Option<bool>,
}

/// Weights that blocks have, by their names.
pub(super) type Weights = HashMap<String, (i32, bool)>;

impl ItemLine {
    /// The line as it counts, given the weights of all blocks of its kind, which have this keyword.
    pub(super) fn settle(
        self,
        keyword: &str,
        weights: &Weights,
        findings: &mut Findings,
    ) -> Option<TrackItem> {
        let Some((weight, reverse)) = weights.get(&self.name.text) else {
            findings
                .error(&self.name.at, format!("there is no {keyword} {}", quoted(&self.name.text)))
                .maybe_help(|| did_you_mean(&self.name.text, weights.keys().map(String::as_str)));
            return None;
        };
        Some(TrackItem {
            name: self.name.text,
            weight: self.weight.unwrap_or(*weight),
            reverse: self.reverse.unwrap_or(*reverse),
            at: self.name.at,
        })
    }
}

/// `NAME [weight N [reverse|noreverse]]` of a file or a process.
pub(super) fn item(node: &Node, findings: &mut Findings) -> Option<ItemLine> {
    plain_line(node, findings)?;
    let name = node.keyword().clone();
    let words = after_weight(node, findings)?;
    if words.is_empty() {
        return Some(ItemLine { name, weight: None, reverse: None });
    }
    let (weight, reverse) = weight(words, WIDE, findings)?;
    // Without either word the block's own `reverse` stays in force.
    let reverse = words.get(1).map(|_| reverse);
    Some(ItemLine { name, weight: Some(weight), reverse })
}

/// `NAME [weight N [reverse|noreverse]]`
pub(super) fn script(node: &Node, findings: &mut Findings) -> Option<ScriptLine> {
    plain_line(node, findings)?;
    let name = node.keyword().clone();
    let words = after_weight(node, findings)?;
    if words.is_empty() {
        return Some(ScriptLine { name, weight: None, reverse: None });
    }
    let (weight, reverse) = weight(words, NARROW, findings)?;
    // Without either word the script's own `reverse` stays in force.
    let reverse = words.get(1).map(|_| reverse);
    Some(ScriptLine { name, weight: Some(weight), reverse })
}

/// `INTERFACE [weight N [reverse]]`
pub(super) fn interface(node: &Node, findings: &mut Findings) -> Option<TrackInterface> {
    plain_line(node, findings)?;
    let name = values::interface(node.keyword(), findings)?;
    let words = after_weight(node, findings)?;
    let (weight, reverse) = if words.is_empty() { (0, false) } else { weight(words, NARROW, findings)? };
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

/// Greatest weight of scripts and interfaces, and of files and processes.
pub(super) const NARROW: i32 = 253;
pub(super) const WIDE: i32 = 254;

/// `N [reverse|noreverse]`, N being `most` or `-most` at most.
pub(super) fn weight(words: &[Word], most: i32, findings: &mut Findings) -> Option<(i32, bool)> {
    let weight: i32 = values::number(words.first()?, -254..=254, findings)?;
    let clamped = weight.clamp(-most, most);
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
