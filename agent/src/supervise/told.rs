//! Telling scripts and FIFOs what happened.

use std::time::Duration;

use tokio::sync::watch;
use tracing::{info, warn};

use super::{Agent, Signals, news};
use crate::check::notify::{Subject, Told};
use crate::check::plan::LifeSpec;
use crate::check::process::{self, Exit};
use crate::election::message::Transition;

impl Agent {
    /// Tells of a new state.
    pub(super) fn tell(&mut self, subject: &Subject, told: Told, priority: u8) {
        self.fifos.write(subject, &told.to_string(), priority);
        self.notifier.tell(subject, told, priority);
    }

    /// Tells of a transition, and of what it makes of the instance's group.
    pub(super) fn tell_transition(&mut self, transition: Transition) {
        let groups = self.groups.transition(&transition);
        if let Some(told) = news::told(&transition) {
            self.tell(&Subject::Instance(transition.instance), told, transition.priority);
        }
        for (group, told) in groups {
            info!("group {group} is {told}");
            // keepalived's priority of a group.
            self.tell(&Subject::Group(group), told, 0);
        }
    }

    /// Tells of the end of an instance that a reload took out.
    pub(super) fn tell_removal(&mut self, instance: String) {
        let told = self.notifier.end_of(&instance);
        let subject = Subject::Instance(instance);
        self.tell(&subject, told, 0);
        self.notifier.forget(subject.words().1);
    }

    /// Tells FIFOs of a changed priority.
    pub(super) fn tell_priority(&mut self, instance: String, master: bool, priority: u8) {
        let state = if master { "MASTER_PRIORITY" } else { "BACKUP_PRIORITY" };
        self.fifos.write(&Subject::Instance(instance), state, priority);
    }
}

/// Runs `startup_script`, without which nothing begins; returns false if a signal wants the agent to end instead.
pub(super) async fn startup(script: Option<&LifeSpec>, signals: &mut Signals) -> bool {
    let Some(script) = script else { return true };
    let (cancel, cancelled) = watch::channel(false);
    let mut running = std::pin::pin!(run("startup_script", script, cancelled));
    tokio::select! {
        () = &mut running => return true,
        _ = signals.terminate.recv() => {}
        _ = signals.interrupt.recv() => {}
    }
    cancel.send_replace(true);
    running.await;
    false
}

/// Runs `shutdown_script`, after which nothing comes.
pub(super) async fn shutdown(script: Option<&LifeSpec>) {
    let Some(script) = script else { return };
    let (_cancel, cancelled) = watch::channel(false);
    run("shutdown_script", script, cancelled).await;
}

/// A script that fails changes nothing, as in keepalived.
async fn run(what: &str, script: &LifeSpec, mut cancel: watch::Receiver<bool>) {
    let finished = process::run(&script.launch, &[], script.timeout, &mut cancel).await;
    let (exit, duration, output) = (finished.exit, finished.duration, finished.output);
    let took = Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
    match exit {
        Exit::Status(0) => info!("{what} has run for {took:?}"),
        exit => warn!("{what} failed after {took:?}: {exit}: {output}"),
    }
}
