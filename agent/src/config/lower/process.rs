//! `vrrp_track_process`.

use std::time::Duration;

use crate::config::diagnostic::{Findings, did_you_mean, quoted};
use crate::config::keywords::Place;
use crate::config::lex::Word;
use crate::config::model::{ParamMatch, TrackProcess};
use crate::config::tree::Node;

use super::{mentions, track, unsupported, values, walk};

/// Longest delay: keepalived's.
const MAX_DELAY: Duration = Duration::from_hours(1);
const MIN_DELAY: Duration = Duration::from_micros(1);
const MAX_QUORUM: u32 = 65_535;

/// A block as it is being read.
#[derive(Default)]
struct Draft {
    words: Vec<String>,
    matching: Option<ParamMatch>,
    full_command: bool,
    weight: i32,
    reverse: bool,
    quorum: Option<u32>,
    quorum_max: Option<u32>,
    fork_delay: Duration,
    terminate_delay: Duration,
}

/// One block; `None` if it names no process.
pub(super) fn lower(node: &Node, findings: &mut Findings) -> Option<TrackProcess> {
    let name = node.args().first()?.text.clone();
    let mut draft = Draft::default();
    walk(Place::Process, node.children(), findings, |keyword, node, findings| {
        draft.set(keyword, node, findings);
    });
    if draft.words.is_empty() && !mentions(node, "process", findings) {
        findings.error(node.at(), format!("the vrrp_track_process {} has no `process`", quoted(&name)));
    }
    let quorum_max = draft.quorum_max.unwrap_or(u32::MAX);
    // As in keepalived: none at all is what is wanted then.
    let quorum = draft.quorum.unwrap_or(u32::from(quorum_max > 0));
    if quorum > quorum_max {
        findings
            .error(node.at(), format!("a quorum of {quorum} is more than its quorum_max, {quorum_max}"))
            .help("keepalived would ignore one of them");
    }
    let mut words = draft.words.into_iter();
    let command = words.next()?;
    let parameters: Vec<String> = words.collect();
    let matching = draft.matching.or((!parameters.is_empty()).then_some(ParamMatch::Exact));
    Some(TrackProcess {
        name,
        at: node.at().clone(),
        command,
        parameters: matching.map(|matching| (parameters, matching)),
        full_command: draft.full_command || matching.is_some(),
        quorum,
        quorum_max,
        fork_delay: draft.fork_delay,
        terminate_delay: draft.terminate_delay,
        weight: draft.weight,
        reverse: draft.reverse,
    })
}

impl Draft {
    fn set(&mut self, keyword: &str, node: &Node, findings: &mut Findings) -> Option<()> {
        match keyword {
            "process" => self.words = node.args().iter().map(|word| word.text.clone()).collect(),
            "full_command" => self.full_command = true,
            "param_match" => self.matching = Some(matching(node.args().first(), findings)?),
            "weight" => (self.weight, self.reverse) = track::weight(node.args(), track::WIDE, findings)?,
            _ => {
                let word = node.args().first()?;
                match keyword {
                    "quorum" => self.quorum = Some(values::number(word, 1..=MAX_QUORUM, findings)?),
                    "quorum_max" => self.quorum_max = Some(values::number(word, 0..=MAX_QUORUM, findings)?),
                    "delay" => {
                        let delay = delay(word, findings)?;
                        (self.fork_delay, self.terminate_delay) = (delay, delay);
                    }
                    "fork_delay" => self.fork_delay = delay(word, findings)?,
                    "terminate_delay" => self.terminate_delay = delay(word, findings)?,
                    _ => unsupported(node, findings),
                }
            }
        }
        Some(())
    }
}

fn delay(word: &Word, findings: &mut Findings) -> Option<Duration> {
    values::seconds(word, MIN_DELAY..=MAX_DELAY, findings)
}

/// `param_match [initial|partial]`
fn matching(word: Option<&Word>, findings: &mut Findings) -> Option<ParamMatch> {
    let Some(word) = word else { return Some(ParamMatch::Exact) };
    match word.text.as_str() {
        "initial" => Some(ParamMatch::Initial),
        "partial" => Some(ParamMatch::Partial),
        other => {
            findings
                .error(&word.at, format!("{} is no way to match parameters", quoted(other)))
                .maybe_help(|| did_you_mean(other, ["initial", "partial"]));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Loaded, Options, load_str};

    fn load(block: &str, line: &str) -> Loaded {
        let text = format!(
            "vrrp_track_process web {{\n{block}\n}}\nvrrp_instance i {{\ninterface e\nvirtual_router_id 1\n\
             virtual_ipaddress {{ 10.0.0.1 }}\ntrack_process {{\n{line}\n}}\n}}\n"
        );
        load_str(Path::new("f"), &text, &Options::default())
    }

    fn process(block: &str) -> TrackProcess {
        let loaded = load(block, "web");
        assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
        loaded.config.unwrap().processes.remove(0)
    }

    #[test]
    fn defaults_are_keepalived_s() {
        let web = process("process nginx");
        assert_eq!((web.command.as_str(), web.parameters, web.full_command), ("nginx", None, false));
        assert_eq!((web.quorum, web.quorum_max, web.weight, web.reverse), (1, u32::MAX, 0, false));
        assert_eq!((web.fork_delay, web.terminate_delay), (Duration::ZERO, Duration::ZERO));
    }

    #[test]
    fn parameters_are_words_and_quotes_keep_them_together() {
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let web = process("process \"/tmp/a b\" param1 \"param 2\"");
        assert_eq!(web.command, "/tmp/a b");
        assert_eq!(web.parameters, Some((words(&["param1", "param 2"]), ParamMatch::Exact)));
        assert!(web.full_command);
        let web = process("process nginx -g\nparam_match partial");
        assert_eq!(web.parameters, Some((words(&["-g"]), ParamMatch::Partial)));
        let web = process("param_match\nprocess nginx");
        assert_eq!((web.parameters, web.full_command), (Some((Vec::new(), ParamMatch::Exact)), true));
        assert!(process("process nginx\nfull_command").full_command);
    }

    #[test]
    fn quorum_delays_and_weights() {
        let web =
            process("process n\nquorum 2\nquorum_max 4\ndelay 0.5\nterminate_delay 2\nweight -30 reverse");
        assert_eq!((web.quorum, web.quorum_max), (2, 4));
        assert_eq!(
            (web.fork_delay, web.terminate_delay),
            (Duration::from_millis(500), Duration::from_secs(2))
        );
        assert_eq!((web.weight, web.reverse), (-30, true));
        let none = process("process n\nquorum_max 0");
        assert_eq!((none.quorum, none.quorum_max), (0, 0));
        let loaded = load("process n\nweight 3", "web weight -254 reverse");
        let track = &loaded.config.unwrap().instances[0].track_processes[0];
        assert_eq!((track.weight, track.reverse), (-254, true));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (block, line, expected) in [
            ("", "web", "the vrrp_track_process `web` has no `process`"),
            ("process n\nquorum 5\nquorum_max 4", "web", "a quorum of 5 is more than its quorum_max, 4"),
            ("process n\nquorum 0", "web", "`0` is no whole number from 1 to 65535"),
            ("process n\ndelay 4000", "web", "`4000` is no number of seconds"),
            ("process n\nparam_match partail", "web", "did you mean `partial`?"),
            ("process n", "wbe", "there is no vrrp_track_process `wbe`; did you mean `web`?"),
        ] {
            let said: String =
                load(block, line).diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            assert!(said.contains(expected), "{block} {line}: {said}");
        }
    }
}
