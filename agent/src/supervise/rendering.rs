//! The rendering half, as the supervisor starts it, replaces its work and ends it. It has a thread of its own: nothing here
//! waits for it but its end.

use std::path::Path;

use anyhow::Result;
use tracing::{error, info, warn};

use crate::cli::{self, RenderOptions};
use crate::config::diagnostic::Severity;
use crate::render::engine::ResourceReport;
use crate::render::service::{Rendering, Work};
use crate::render::{check, connect, settings};

/// Why what was checked is not taken.
const BUSY: &str = "the rendering half is still busy with an earlier reload; try again";

/// What was asked of rendering on the command line, and what runs of it.
pub(super) struct Half {
    running: Option<Rendering>,
}

/// What can be rendered, after a look at all of it.
pub(super) struct Prepared {
    work: Work,
    /// What a person should know, one line each.
    pub(super) warnings: Vec<String>,
    /// What is wrong with single resources, likewise. The others can be rendered all the same.
    errors: Vec<String>,
}

/// Reads and checks everything that rendering needs; nothing if rendering is not asked for. The error is for a person.
pub(super) fn prepare(options: &RenderOptions, run_dir: &Path) -> Result<Option<Prepared>, String> {
    let variable = |name: &str| std::env::var(name).ok();
    let asked = settings::for_run(options, run_dir, variable).map_err(|error| error.to_string())?;
    let Some((settings, mut warnings)) = asked else { return Ok(None) };
    let folder = settings.confdir.join("conf.d");
    if let Err(error) = std::fs::read_dir(&folder) {
        return Err(format!(
            "vipward: {} cannot be read: {error}; make it, or name another folder with --confdir",
            folder.display()
        ));
    }
    let (loaded, findings) = check::look(&settings);
    let (errors, others): (Vec<_>, Vec<_>) =
        findings.iter().partition(|finding| finding.severity == Severity::Error);
    warnings.extend(others.iter().map(ToString::to_string));
    let errors = errors.iter().map(ToString::to_string).collect();
    let sources = connect::sources(&settings).map_err(|error| format!("vipward: {error}"))?;
    Ok(Some(Prepared { work: Work { settings, loaded, sources }, warnings, errors }))
}

/// The same for a reload, which takes everything or nothing.
pub(super) fn checked(options: &cli::Run) -> Result<Option<Prepared>, String> {
    let prepared = prepare(&options.render, &options.run_dir.run_dir)?;
    match prepared.as_ref().map(|prepared| &prepared.errors) {
        Some(errors) if !errors.is_empty() => Err(errors.join("\n")),
        _ => Ok(prepared),
    }
}

impl Half {
    /// Starts what was prepared.
    pub(super) fn start(prepared: Option<Prepared>) -> Result<Half> {
        let running = prepared.map(|prepared| Rendering::start(prepared.told().work)).transpose()?;
        Ok(Half { running })
    }

    /// How the resources stand.
    pub(super) fn reports(&self) -> Vec<ResourceReport> {
        self.running.as_ref().map(|running| running.reports.borrow().clone()).unwrap_or_default()
    }

    /// Goes on with what was prepared.
    pub(super) fn replace(&self, prepared: Option<Prepared>) -> Result<(), String> {
        let (Some(running), Some(prepared)) = (&self.running, prepared) else { return Ok(()) };
        let prepared = prepared.told();
        let confdir = prepared.work.settings.confdir.clone();
        running.replace(prepared.work).map_err(|_| BUSY.to_owned())?;
        info!("reloaded {}", confdir.display());
        Ok(())
    }

    /// Ends it and waits for that, which takes as long as it takes to end a command.
    pub(super) async fn stop(&mut self) {
        let Some(running) = self.running.take() else { return };
        if tokio::task::spawn_blocking(|| running.stop()).await.is_err() {
            error!("the rendering half did not end well");
        }
    }
}

impl Prepared {
    /// Logs what there is to know before anything is done. What is wrong is logged by the rendering half itself.
    fn told(self) -> Prepared {
        for warning in &self.warnings {
            warn!("{warning}");
        }
        self
    }
}
