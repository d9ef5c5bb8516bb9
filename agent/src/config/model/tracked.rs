//! Files and processes that instances track.

use std::path::PathBuf;
use std::time::Duration;

use super::Location;

/// A line of `track_file` or `track_process`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackItem {
    /// Name of a [`TrackFile`] or [`TrackProcess`] that exists.
    pub name: String,
    /// Weight here, −254 to 254: its own unless the line has one. 0 means FAULT.
    pub weight: i32,
    /// The priority changes the other way round.
    pub reverse: bool,
    /// Where it was written.
    pub at: Location,
}

/// A `track_file`: a file that holds a number, by which the priority changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackFile {
    /// Its name, unique in the configuration.
    pub name: String,
    /// Where the block begins.
    pub at: Location,
    /// The file, which need not exist.
    pub path: PathBuf,
    /// Default weight for those who track it.
    pub weight: i32,
    /// The weight has `reverse` after it.
    pub reverse: bool,
    /// `init_file`: what is written to it when the agent starts.
    pub init: Option<FileInit>,
}

/// `init_file`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileInit {
    /// The number.
    pub value: i32,
    /// Even if the file is there.
    pub overwrite: bool,
}

/// A `vrrp_track_process`: a program that is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackProcess {
    /// Its name, unique in the configuration.
    pub name: String,
    /// Where the block begins.
    pub at: Location,
    /// Name of the process, or the first word of its command line.
    pub command: String,
    /// The words after it, and how they are compared; anything may follow when `None`.
    pub parameters: Option<(Vec<String>, ParamMatch)>,
    /// The command line is compared and not the name.
    pub full_command: bool,
    /// Fewest processes that are enough.
    pub quorum: u32,
    /// Most processes that are not too many.
    pub quorum_max: u32,
    /// How long after a fork a quorum is believed.
    pub fork_delay: Duration,
    /// How long after the end of a process its loss is believed.
    pub terminate_delay: Duration,
    /// Default weight for those who track it, −254 to 254; 0 means FAULT without a quorum.
    pub weight: i32,
    /// The weight has `reverse` after it.
    pub reverse: bool,
}

/// `param_match`: how the parameters of a process are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamMatch {
    /// They are these and no others.
    Exact,
    /// They begin with these words.
    Partial,
    /// They begin with these words, and the last of them may be longer.
    Initial,
}
