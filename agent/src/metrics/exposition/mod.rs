//! An observation as metrics, in the OpenMetrics text format. `docs/metrics.md` lists them; a test compares.
//!
//! Everything is written anew for each scrape, straight from the observation: no registry has to follow instances that
//! come and go, and a thousand of them cost no more than their text.

mod agent;
mod compat;
mod family;
mod instances;
mod process;
mod rendering;
mod scripts;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;

use super::Compat;
use super::observation::Observation;
use super::traffic::Traffic;
use family::Families;

/// The type of [`text()`].
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Bytes of text per instance, at a guess: growing a megabyte step by step would copy it several times.
const PER_INSTANCE: usize = 4096;

/// What is written.
#[derive(Debug)]
pub(super) struct Scrape {
    pub(super) observation: Arc<Observation>,
    pub(super) traffic: Arc<Traffic>,
    /// Pages that are kept up to date.
    pub(super) subscribers: usize,
    pub(super) compat: Option<Compat>,
}

/// All metrics of an observation.
pub(super) fn text(scrape: Scrape) -> String {
    let instances = scrape.observation.status.instances.len();
    let mut out = String::with_capacity((instances + 4) * PER_INSTANCE);
    let mut registry = Registry::default();
    registry.register_collector(Box::new(scrape));
    // Writing to a string does not fail.
    let _ = text::encode(&mut out, &registry);
    out
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut families = Families(encoder);
        let status = &self.observation.status;
        let now = SystemTime::now();
        agent::write(&mut families, self)?;
        instances::write(&mut families, &status.instances)?;
        scripts::write(&mut families, &self.observation)?;
        rendering::write(&mut families, &status.resources, now)?;
        process::write(&mut families, self.observation.started)?;
        match self.compat {
            Some(Compat::Keepalived) => compat::write(&mut families, &self.observation),
            None => Ok(()),
        }
    }
}
