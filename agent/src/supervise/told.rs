//! Telling scripts, FIFOs and people what happened.

use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tracing::{error, info, warn};
use vipward_vrrp::types::State;

use super::signals::Signals;
use super::{Agent, news};
use crate::check::notify::{Subject, Told};
use crate::check::plan::LifeSpec;
use crate::check::process::{self, Exit};
use crate::election::message::{Command, Survey, Transition};

impl Agent {
    /// Tells of a new state, and of the transition that led to it if there was one.
    pub(super) fn tell(
        &mut self,
        subject: &Subject,
        told: Told,
        priority: u8,
        transition: Option<&Transition>,
    ) {
        self.alerts.tell(subject, told, priority, transition);
        self.fifos.write(subject, &told.to_string(), priority);
        self.notifier.tell(subject, told, priority);
    }

    /// Tells of a transition, and of what it makes of the instance's group.
    pub(super) fn tell_transition(&mut self, transition: &Transition) {
        let groups = self.groups.transition(transition);
        if let Some(told) = news::told(transition) {
            let subject = Subject::Instance(transition.instance.clone());
            self.tell(&subject, told, transition.priority, Some(transition));
        }
        for (group, told) in groups {
            info!("group {group} is {told}");
            // keepalived's priority of a group.
            self.tell(&Subject::Group(group), told, 0, None);
        }
    }

    /// Tells of the end of an instance that a reload took out.
    pub(super) fn tell_removal(&mut self, instance: String) {
        let told = self.notifier.end_of(&instance);
        let subject = Subject::Instance(instance);
        self.tell(&subject, told, 0, None);
        self.notifier.forget(subject.words().1);
    }

    /// Has FIFOs told how everything stands, whatever a reload changed.
    pub(super) fn ask_standing(&mut self) {
        let (reply, survey) = oneshot::channel();
        match self.election.send(Command::Survey(reply)) {
            Ok(()) => self.standing = Some(survey),
            Err(error) => error!("FIFOs are not told how everything stands: {error}"),
        }
    }

    /// Tells FIFOs how everything stands. What has not begun yet is told when it does.
    pub(super) fn tell_standing(&mut self, survey: &Survey) {
        for (group, told) in self.groups.standing() {
            self.fifos.write(&Subject::Group(group), &told.to_string(), 0);
        }
        for instance in &survey.instances {
            let told = match instance.state {
                State::Master => Told::Master,
                State::Backup => Told::Backup,
                State::Fault => Told::Fault,
                State::Init => continue,
            };
            let subject = Subject::Instance(instance.name.clone());
            self.fifos.write(&subject, &told.to_string(), instance.effective_priority);
        }
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
