//! Yes or no, for whoever asks every second: `/healthz` and `/readyz`.

use super::observation::Observation;
use crate::control::status::{InstanceStatus, State};
use crate::render::engine::{ResourceReport, State as FileState};

/// Why this node does not do all that it should, one line each; empty if it is ready.
pub fn unready(observation: &Observation) -> Vec<String> {
    let status = &observation.status;
    let instances = status.instances.iter().filter_map(|instance| {
        let why = unfit(instance)?;
        Some(format!("{}: {why}", instance.name))
    });
    let store = status.resources.iter().find_map(|resource| {
        let since = resource.stale_since.as_deref()?;
        let why = resource.store_error.as_deref().unwrap_or("no reason given");
        Some(format!("the store is out of reach since {since}: {why}"))
    });
    let resources = status.resources.iter().filter_map(|resource| {
        let why = unrendered(resource)?;
        Some(format!("{}: {why}", resource.name))
    });
    instances.chain(store).chain(resources).map(|line| one_line(&line)).collect()
}

fn unfit(instance: &InstanceStatus) -> Option<String> {
    match instance.state {
        State::Master | State::Backup if instance.drained => Some("drained".to_owned()),
        State::Master | State::Backup => None,
        State::Fault => Some(format!("FAULT: {}", instance.fault.as_deref().unwrap_or("no reason given"))),
        State::Init => Some(format!("INIT: {}", instance.waiting.as_deref().unwrap_or("not started yet"))),
    }
}

fn unrendered(resource: &ResourceReport) -> Option<String> {
    if let Some(why) = resource.public_reload_error() {
        return Some(format!("its reload fails: {why}"));
    }
    let why = resource.public_error();
    match resource.state {
        FileState::Ok => None,
        FileState::Waiting => Some(why.unwrap_or("not rendered yet").to_owned()),
        FileState::Failed | FileState::Rejected => Some(why.unwrap_or("failed").to_owned()),
    }
}

fn one_line(text: &str) -> String {
    text.replace(|c: char| c.is_control(), " ")
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::control::status::StatusSnapshot;
    use crate::control::status::tests::sample;
    use crate::render::engine::ReloadReport;

    fn of(status: StatusSnapshot) -> Vec<String> {
        unready(&Observation::of_rendering(SystemTime::now(), status))
    }

    #[test]
    fn every_reason_is_named() {
        assert_eq!(of(sample()), ["database: FAULT: script chk_db is down"]);
        let mut status = sample();
        status.instances.truncate(1);
        assert!(of(status.clone()).is_empty());
        status.instances[0].drained = true;
        assert_eq!(of(status.clone()), ["VI_1: drained"]);
        status.instances.clear();
        let reload = ReloadReport { last_error: Some("exit\nstatus 1".into()), ..ReloadReport::default() };
        status.resources = vec![
            ResourceReport { name: "a.toml".into(), ..ResourceReport::default() },
            ResourceReport {
                name: "b.toml".into(),
                state: FileState::Ok,
                stale_since: Some("2023-11-14T22:13:20.123Z".into()),
                store_error: Some("connection refused".into()),
                reload: Some(reload),
                ..ResourceReport::default()
            },
        ];
        let expected = [
            "the store is out of reach since 2023-11-14T22:13:20.123Z: connection refused",
            "a.toml: not rendered yet",
            "b.toml: its reload fails: exit status 1",
        ];
        assert_eq!(of(status.clone()), expected);
        for resource in &mut status.resources {
            resource.private = true;
            resource.last_error = Some("unknown directive \"s3cret\"".into());
        }
        let told = of(status).join("\n");
        assert!(
            told.contains("a.toml: not shown here") && told.contains("b.toml: its reload fails: not shown"),
            "{told}"
        );
        assert!(!told.contains("s3cret") && !told.contains("exit status"), "{told}");
    }
}
