//! The rendering half beside the election: started with the agent, shown in its status, ended with it.

use std::path::Path;

use anyhow::{Context, Result};
use tracing::{error, warn};

use crate::cli;
use crate::render::connect;
use crate::render::service::Rendering;
use crate::render::settings;

/// Starts what the options ask for, if they ask for anything.
pub(super) fn start(options: &cli::Run, run_dir: &Path) -> Result<Option<Rendering>> {
    let variable = |name: &str| std::env::var(name).ok();
    let Some((settings, warnings)) = settings::for_run(&options.render, run_dir, variable)? else {
        return Ok(None);
    };
    for warning in warnings {
        warn!("{warning}");
    }
    let sources = connect::sources(&settings).context("the store")?;
    Rendering::start(&settings, sources).map(Some)
}

/// What `status` shows of it.
pub(super) fn resources(rendering: Option<&Rendering>) -> Vec<serde_json::Value> {
    let reports = rendering.map(|rendering| rendering.reports.borrow().clone()).unwrap_or_default();
    // A report is strings, numbers and times, so this cannot fail.
    reports.iter().filter_map(|report| serde_json::to_value(report).ok()).collect()
}

/// Ends it, and waits for the command that it may be running to end.
pub(super) async fn stop(rendering: Option<Rendering>) {
    let Some(rendering) = rendering else { return };
    if tokio::task::spawn_blocking(move || rendering.stop()).await.is_err() {
        error!("the rendering half could not be ended");
    }
}
