//! Which processes match what is tracked, how many there are, and what that means: pure bookkeeping.
//!
//! A child counts like its parent until it executes something else, as in keepalived. A delay is there for programs that
//! fork or restart, so only a fork and an end are believed later: a program that is executed is there at once.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A process to track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessSpec {
    /// Unique name.
    pub name: String,
    /// Name of the process, or the first word of its command line.
    pub command: String,
    /// Where the name is looked for.
    pub subject: Subject,
    /// Fewest processes that are enough.
    pub quorum: u32,
    /// Most processes that are not too many.
    pub quorum_max: u32,
    /// How long after a fork a quorum is believed.
    pub fork_delay: Duration,
    /// How long after the end of a process its loss is believed.
    pub terminate_delay: Duration,
}

/// What of a process is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The name that the kernel shows for it, of 15 bytes at most.
    Name,
    /// The first word of its command line.
    Command,
    /// That and the words after it.
    Parameters {
        /// What they are.
        words: Vec<String>,
        /// How they are compared.
        how: Match,
    },
}

/// How parameters are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// They are these and no others.
    Exact,
    /// They begin with these words.
    Partial,
    /// They begin with these words, and the last of them may be longer.
    Initial,
}

impl ProcessSpec {
    /// Whether its command line must be read to compare it.
    pub fn needs_command_line(&self) -> bool {
        self.subject != Subject::Name
    }

    /// Whether a process is meant.
    fn matches(&self, process: &Process) -> bool {
        match &self.subject {
            Subject::Name => process.name.as_deref() == Some(shortened(&self.command)),
            Subject::Command => process.words().next() == Some(self.command.as_bytes()),
            Subject::Parameters { words, how } => {
                let mut given = process.words();
                given.next() == Some(self.command.as_bytes()) && compare(given, words, *how)
            }
        }
    }
}

fn compare<'p>(mut given: impl Iterator<Item = &'p [u8]>, words: &[String], how: Match) -> bool {
    for (place, word) in words.iter().enumerate() {
        let Some(found) = given.next() else { return false };
        let last = place + 1 == words.len();
        let same = if how == Match::Initial && last {
            found.starts_with(word.as_bytes())
        } else {
            found == word.as_bytes()
        };
        if !same {
            return false;
        }
    }
    how != Match::Exact || given.next().is_none()
}

/// The kernel keeps 15 bytes of a name.
const NAME_BYTES: usize = 15;

fn shortened(name: &str) -> &[u8] {
    let bytes = name.as_bytes();
    bytes.get(..NAME_BYTES).unwrap_or(bytes)
}

/// What is known of a process. What was not asked for is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Process {
    /// Its name.
    pub(super) name: Option<Vec<u8>>,
    /// Its command line, each word ended by a zero byte.
    pub(super) command_line: Option<Vec<u8>>,
}

impl Process {
    fn words(&self) -> impl Iterator<Item = &[u8]> {
        let line = self.command_line.as_deref().unwrap_or_default();
        let line = line.strip_suffix(&[0]).unwrap_or(line);
        line.split(|byte| *byte == 0).take_while(move |_| !line.is_empty())
    }
}

/// Why a count changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Forked,
    Ended,
    /// It executed another program, changed its name, or was counted anew.
    Seen,
}

#[derive(Debug)]
struct Tracked {
    spec: ProcessSpec,
    count: u32,
    /// What was told last.
    told: Option<bool>,
    /// What is to be told then, unless it changes back.
    pending: Option<Instant>,
}

impl Tracked {
    fn is_up(&self) -> bool {
        (self.spec.quorum..=self.spec.quorum_max).contains(&self.count)
    }

    fn recount(&mut self, now: Instant, why: Why) {
        if self.told == Some(self.is_up()) {
            self.pending = None;
            return;
        }
        let delay = match why {
            Why::Forked => self.spec.fork_delay,
            Why::Ended => self.spec.terminate_delay,
            Why::Seen => Duration::ZERO,
        };
        // The first count of all is told at once: there is nothing to wait for.
        let due = if self.told.is_none() { now } else { now + delay };
        self.pending = Some(self.pending.map_or(due, |before| before.min(due)));
    }
}

/// What became of something that is tracked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct News {
    pub(super) name: String,
    pub(super) up: bool,
    pub(super) count: u32,
}

/// The processes that count.
#[derive(Debug, Default)]
pub(super) struct Table {
    tracked: Vec<Tracked>,
    /// For each process that counts, what it counts for.
    pids: HashMap<i32, Vec<usize>>,
}

impl Table {
    /// Tracks these from now on. What is tracked as before is not told again unless it changes. A scan must follow.
    pub(super) fn configure(&mut self, specs: Vec<ProcessSpec>) {
        let before = std::mem::take(&mut self.tracked);
        let told = |spec: &ProcessSpec| {
            let same = |old: &&Tracked| {
                old.spec.name == spec.name
                    && old.spec.command == spec.command
                    && old.spec.subject == spec.subject
            };
            before.iter().find(same).and_then(|old| old.told)
        };
        let tracked =
            specs.into_iter().map(|spec| Tracked { told: told(&spec), count: 0, pending: None, spec });
        self.tracked = tracked.collect();
        self.pids.clear();
    }

    /// Whether nothing is tracked.
    pub(super) fn is_empty(&self) -> bool {
        self.tracked.is_empty()
    }

    /// Whether names must be known.
    pub(super) fn needs_names(&self) -> bool {
        self.tracked.iter().any(|tracked| !tracked.spec.needs_command_line())
    }

    /// Whether command lines must be known.
    pub(super) fn needs_command_lines(&self) -> bool {
        self.tracked.iter().any(|tracked| tracked.spec.needs_command_line())
    }

    /// Counts anew: these are all processes that there are.
    pub(super) fn scan(&mut self, now: Instant, processes: impl IntoIterator<Item = (i32, Process)>) {
        let before: Vec<u32> = self.tracked.iter().map(|tracked| tracked.count).collect();
        self.pids.clear();
        self.tracked.iter_mut().for_each(|tracked| tracked.count = 0);
        for (pid, process) in processes {
            let matched = self.matched(&process);
            self.put(pid, matched);
        }
        for (tracked, before) in self.tracked.iter_mut().zip(before) {
            tracked.recount(now, if tracked.count < before { Why::Ended } else { Why::Seen });
        }
    }

    /// A process has a child.
    pub(super) fn forked(&mut self, now: Instant, parent: i32, child: i32) {
        let Some(matched) = self.pids.get(&parent).cloned() else { return };
        self.replace(now, child, matched, Why::Forked);
    }

    /// A process executed another program.
    pub(super) fn executed(&mut self, now: Instant, pid: i32, process: &Process) {
        let matched = self.matched(process);
        self.replace(now, pid, matched, Why::Seen);
    }

    /// A process took another name.
    pub(super) fn renamed(&mut self, now: Instant, pid: i32, name: &[u8]) {
        let process = Process { name: Some(name.to_vec()), command_line: None };
        let by_line =
            |place: &usize| self.tracked.get(*place).is_some_and(|tracked| tracked.spec.needs_command_line());
        let kept = self.pids.get(&pid).into_iter().flatten().copied().filter(by_line);
        let matched = kept.chain(self.matched(&process)).collect();
        self.replace(now, pid, matched, Why::Seen);
    }

    /// A process has ended.
    pub(super) fn ended(&mut self, now: Instant, pid: i32) {
        self.replace(now, pid, Vec::new(), Why::Ended);
    }

    /// When [`Table::take_news`] will have news, if nothing happens before.
    pub(super) fn next(&self) -> Option<Instant> {
        self.tracked.iter().filter_map(|tracked| tracked.pending).min()
    }

    /// What is to be told by now.
    pub(super) fn take_news(&mut self, now: Instant) -> Vec<News> {
        let mut news = Vec::new();
        for tracked in &mut self.tracked {
            if tracked.pending.take_if(|due| *due <= now).is_some() {
                let up = tracked.is_up();
                tracked.told = Some(up);
                news.push(News { name: tracked.spec.name.clone(), up, count: tracked.count });
            }
        }
        news
    }

    fn matched(&self, process: &Process) -> Vec<usize> {
        let tracked = self.tracked.iter().enumerate();
        tracked.filter(|(_, tracked)| tracked.spec.matches(process)).map(|(place, _)| place).collect()
    }

    fn replace(&mut self, now: Instant, pid: i32, matched: Vec<usize>, why: Why) {
        let before = self.pids.remove(&pid).unwrap_or_default();
        for place in &before {
            if let Some(tracked) = self.tracked.get_mut(*place) {
                tracked.count = tracked.count.saturating_sub(1);
            }
        }
        let changed: Vec<usize> = before.iter().chain(&matched).copied().collect();
        self.put(pid, matched);
        for place in changed {
            if let Some(tracked) = self.tracked.get_mut(place) {
                tracked.recount(now, why);
            }
        }
    }

    fn put(&mut self, pid: i32, matched: Vec<usize>) {
        if matched.is_empty() {
            return;
        }
        for place in &matched {
            if let Some(tracked) = self.tracked.get_mut(*place) {
                tracked.count = tracked.count.saturating_add(1);
            }
        }
        self.pids.insert(pid, matched);
    }
}
