//! From the configuration to what runs: which scripts, as whom, and what each instance tracks.

use std::collections::HashSet;
use std::time::Duration;

use super::fifo::FifoSpec;
use super::file::{FileSpec, Init};
use super::launch::{Identity, IdentityError, Launch, Program};
use super::notify::{Hooks, Subject};
use super::processes::{self, Match, ProcessSpec};
use super::runner::ScriptSpec;
use super::tracking::{Health, Kind, Tracked, Weight};
use crate::config::model::{
    Command, Config, Fifo, Globals, How, Instance, LifeScript, Location, Notify, NotifyScript, ParamMatch,
    Script, TrackItem, TrackProcess, User,
};

/// Everything that runs scripts, for [`super::runner::Runner::apply`] and [`super::notify::Notifier::apply`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The health scripts that somebody tracks.
    pub scripts: Vec<ScriptSpec>,
    /// The files that somebody tracks.
    pub files: Vec<FileSpec>,
    /// The processes that somebody tracks.
    pub processes: Vec<ProcessSpec>,
    /// The FIFOs that are told of everything.
    pub fifos: Vec<FifoSpec>,
    /// What runs before anything else.
    pub startup: Option<LifeSpec>,
    /// What runs after everything else.
    pub shutdown: Option<LifeSpec>,
    /// The notify scripts of each instance and sync group.
    pub hooks: Vec<(Subject, Hooks)>,
}

/// A script that runs once in an agent's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifeSpec {
    /// What to run.
    pub launch: Launch,
    /// How long it may run.
    pub timeout: Duration,
}

/// A script whose user is not to be had.
#[derive(Debug, thiserror::Error)]
#[error("{at}: error: {cause}")]
pub struct PlanError {
    /// Where the user is written, or the script if none is.
    pub at: Location,
    /// What is wrong.
    pub cause: IdentityError,
}

impl Plan {
    /// Looks up the users that `config` names. A user that does not exist fails the whole plan, so that a reload
    /// keeps what runs.
    pub fn new(config: &Config) -> Result<Plan, PlanError> {
        let mut users = Users::new(&config.globals);
        let (files, processes) = (tracked_files(config), tracked_processes(config));
        let mut plan = Plan { files, processes, ..Plan::default() };
        for script in tracked_scripts(config) {
            plan.scripts.push(ScriptSpec {
                name: script.name.clone(),
                launch: users.launch(&script.command, script.user.as_ref())?,
                interval: script.interval,
                timeout: script.timeout,
                rise: script.rise,
                fall: script.fall,
                init_fail: script.init_fail,
            });
        }
        for fifo in &config.globals.fifos {
            plan.fifos.push(users.fifo(fifo)?);
        }
        plan.startup = users.life(config.globals.startup.as_ref())?;
        plan.shutdown = users.life(config.globals.shutdown.as_ref())?;
        for instance in &config.instances {
            plan.hooks.push((Subject::Instance(instance.name.clone()), users.hooks(&instance.notify)?));
        }
        for group in &config.groups {
            plan.hooks.push((Subject::Group(group.name.clone()), users.hooks(&group.notify)?));
        }
        Ok(plan)
    }
}

/// The health scripts that somebody tracks: no others run.
pub(crate) fn tracked_scripts(config: &Config) -> impl Iterator<Item = &Script> {
    let tracked: HashSet<&str> =
        config.instances.iter().flat_map(|i| &i.track_scripts).map(|track| track.name.as_str()).collect();
    config.scripts.iter().filter(move |script| tracked.contains(script.name.as_str()))
}

/// Whom scripts run as.
pub(crate) struct Users<'a> {
    globals: &'a Globals,
    /// Whom scripts without a user of their own run as; looked up when the first one needs it.
    default: Option<Identity>,
}

impl<'a> Users<'a> {
    /// By these `global_defs`.
    pub(crate) fn new(globals: &'a Globals) -> Users<'a> {
        Users { globals, default: None }
    }

    fn hooks(&mut self, notify: &Notify) -> Result<Hooks, PlanError> {
        Ok(Hooks {
            any: self.hook(notify.any.as_ref())?,
            master: self.hook(notify.master.as_ref())?,
            backup: self.hook(notify.backup.as_ref())?,
            fault: self.hook(notify.fault.as_ref())?,
            stop: self.hook(notify.stop.as_ref())?,
            tells_deleted: notify.tells_deleted,
            deleted: self.hook(notify.deleted.as_ref())?,
            lower_priority: self.hook(notify.lower_priority.as_ref())?,
        })
    }

    fn hook(&mut self, script: Option<&NotifyScript>) -> Result<Option<Launch>, PlanError> {
        script.map(|script| self.launch(&script.command, script.user.as_ref())).transpose()
    }

    fn fifo(&mut self, fifo: &Fifo) -> Result<FifoSpec, PlanError> {
        let owner = self.identity(fifo.owner.as_ref(), &fifo.at)?;
        let reader = self.hook(fifo.script.as_ref())?;
        Ok(FifoSpec { path: fifo.path.clone(), owner: (owner.uid, owner.gid), reader })
    }

    fn life(&mut self, life: Option<&LifeScript>) -> Result<Option<LifeSpec>, PlanError> {
        let Some(LifeScript { script, timeout }) = life else { return Ok(None) };
        let launch = self.launch(&script.command, script.user.as_ref())?;
        Ok(Some(LifeSpec { launch, timeout: *timeout }))
    }

    /// What to run for `command`, and as whom: `user`, or the default one.
    pub(crate) fn launch(&mut self, command: &Command, user: Option<&User>) -> Result<Launch, PlanError> {
        let program = match &command.how {
            How::Exec(words) => Program::Exec(words.clone()),
            How::Shell { shell, line } => Program::Shell { shell: (*shell).to_owned(), line: line.clone() },
        };
        let identity = self.identity(user, &command.at)?;
        Ok(Launch { program, identity, secure: self.globals.script_security })
    }

    /// `user`, or the default one, for what stands `at` this place.
    fn identity(&mut self, user: Option<&User>, at: &Location) -> Result<Identity, PlanError> {
        let identity = match user {
            Some(user) => Identity::resolve(&user.name, user.group.as_deref()),
            None => self.default_identity(),
        };
        let asked_for = user.or(self.globals.script_user.as_ref()).map_or(at, |user| &user.at);
        identity.map_err(|cause| PlanError { at: asked_for.clone(), cause })
    }

    fn default_identity(&mut self) -> Result<Identity, IdentityError> {
        if let Some(known) = &self.default {
            return Ok(known.clone());
        }
        let user = self.globals.script_user.as_ref();
        let user = user.map(|user| (user.name.as_str(), user.group.as_deref()));
        let found = Identity::default_for_scripts(user, self.globals.script_security)?;
        Ok(self.default.insert(found).clone())
    }
}

/// The files that somebody tracks: no others are watched.
fn tracked_files(config: &Config) -> Vec<FileSpec> {
    let tracked: HashSet<&str> =
        config.instances.iter().flat_map(|i| &i.track_files).map(|track| track.name.as_str()).collect();
    let files = config.files.iter().filter(|file| tracked.contains(file.name.as_str()));
    files
        .map(|file| FileSpec {
            name: file.name.clone(),
            path: file.path.clone(),
            init: file.init.map(|init| Init { value: init.value, overwrite: init.overwrite }),
        })
        .collect()
}

/// The processes that somebody tracks: no others are watched.
fn tracked_processes(config: &Config) -> Vec<ProcessSpec> {
    let tracked: HashSet<&str> =
        config.instances.iter().flat_map(|i| &i.track_processes).map(|track| track.name.as_str()).collect();
    let processes = config.processes.iter().filter(|process| tracked.contains(process.name.as_str()));
    processes.map(process).collect()
}

fn process(process: &TrackProcess) -> ProcessSpec {
    let subject = match &process.parameters {
        Some((words, how)) => processes::Subject::Parameters {
            words: words.clone(),
            how: match how {
                ParamMatch::Exact => Match::Exact,
                ParamMatch::Partial => Match::Partial,
                ParamMatch::Initial => Match::Initial,
            },
        },
        None if process.full_command => processes::Subject::Command,
        None => processes::Subject::Name,
    };
    ProcessSpec {
        name: process.name.clone(),
        command: process.command.clone(),
        subject,
        quorum: process.quorum,
        quorum_max: process.quorum_max,
        fork_delay: process.fork_delay,
        terminate_delay: process.terminate_delay,
    }
}

/// What `instance` tracks, for [`super::tracking::effective`]: its scripts, interfaces, files and processes, each in the
/// order of the configuration. Its own interface is not among them unless `track_interface` names it.
pub fn tracked<'a>(
    instance: &'a Instance,
    scripts: &[Script],
    health: impl Fn(Kind, &str) -> Health,
) -> Vec<Tracked<'a>> {
    let of_script = instance.track_scripts.iter().filter_map(|track| {
        let script = scripts.iter().find(|script| script.name == track.name)?;
        let own = Weight { value: script.weight, reverse: script.reverse };
        let weight = Weight::of_script(own, track.weight, track.reverse);
        Some((Kind::Script, &track.name, weight))
    });
    let interfaces = instance.track_interfaces.iter();
    let of_interface = interfaces.map(|track| {
        let weight = Weight { value: track.weight, reverse: track.reverse };
        (Kind::Interface, &track.name, weight)
    });
    let item = |kind| {
        move |track: &'a TrackItem| {
            (kind, &track.name, Weight { value: track.weight, reverse: track.reverse })
        }
    };
    let files = instance.track_files.iter().map(item(Kind::File));
    let processes = instance.track_processes.iter().map(item(Kind::Process));
    let all = of_script.chain(of_interface).chain(files).chain(processes);
    all.map(|(kind, name, weight)| Tracked { kind, name, weight, health: health(kind, name) }).collect()
}
