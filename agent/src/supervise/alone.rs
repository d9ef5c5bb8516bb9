//! An agent without a keepalived.conf: it renders, answers on the control socket and holds no VIP.

use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Result;
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use super::manager::{self, Manager};
use super::orders::{Desk, Order};
use super::rendering::{self, Half, Prepared};
use super::{ORDERS, Signals};
use crate::cli;
use crate::control::protocol::ReloadReport;
use crate::control::rundir::RunDir;
use crate::control::server::Server;
use crate::control::status::{StatusSnapshot, rfc3339};
use crate::logging;
use crate::metrics::Listeners;
use crate::metrics::observation::Observation;

/// The answer to what is about VIPs.
const NO_INSTANCES: &str =
    "this agent only renders: it was started without a keepalived.conf, or with --render-only";

/// Renders until SIGTERM or SIGINT; returns the exit status.
pub(super) fn run(options: &cli::Run, prepared: Prepared, listeners: Listeners) -> Result<u8> {
    let version = env!("CARGO_PKG_VERSION");
    if options.render_only {
        info!("vipward {version} starts: it renders, and keeps no VIP");
    } else {
        info!("vipward {version} starts without {}: it renders, and keeps no VIP", options.file.display());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let signals = Signals::listen()?;
        let run_dir = Arc::new(RunDir::open(&options.run_dir.run_dir)?);
        let server = Server::bind(run_dir)?;
        let (orders, inbox) = mpsc::channel(ORDERS);
        let manager = Arc::new(Manager::of_environment());
        let life_signs = manager::watch(Arc::clone(&manager), orders.clone());
        let desk = Arc::new(Desk { orders });
        let _metrics = listeners.serve(&desk, options.metrics_compat)?;
        let control = tokio::spawn(server.serve(desk));
        let rendering = Half::start(Some(prepared))?;
        let mut agent = Alone { options: options.clone(), rendering, started: SystemTime::now() };
        manager.ready();
        agent.serve(signals, inbox).await;
        manager.stopping();
        life_signs.abort();
        agent.rendering.stop().await;
        control.abort();
        Ok(0)
    })
}

struct Alone {
    options: cli::Run,
    rendering: Half,
    started: SystemTime,
}

impl Alone {
    async fn serve(&self, mut signals: Signals, mut inbox: mpsc::Receiver<Order>) {
        loop {
            tokio::select! {
                Some(order) = inbox.recv() => self.order(order),
                _ = signals.hang_up.recv() => {
                    let (answer, _) = oneshot::channel();
                    self.order(Order::Reload(answer));
                }
                _ = signals.terminate.recv() => return,
                _ = signals.interrupt.recv() => return,
            }
        }
    }

    /// Nobody waits any more for an answer that cannot be sent.
    fn order(&self, order: Order) {
        match order {
            Order::Ping(answer) => _ = answer.send(()),
            Order::Status(answer) => _ = answer.send(Ok(self.status())),
            Order::Observe(answer) => {
                let _ = answer.send(Ok(Observation::of_rendering(self.started, self.status())));
            }
            Order::Reload(answer) => _ = answer.send(self.reload()),
            Order::Drain(_, answer) | Order::Hold(_, answer) => {
                let _ = answer.send(Err(NO_INSTANCES.to_owned()));
            }
        }
    }

    fn status(&self) -> StatusSnapshot {
        StatusSnapshot {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            log_level: logging::level().map(|level| level.to_string().to_lowercase()),
            router_id: super::host(),
            started: rfc3339(self.started),
            resources: self.rendering.reports(),
            ..StatusSnapshot::default()
        }
    }

    fn reload(&self) -> Result<ReloadReport, String> {
        if !self.options.render_only && self.options.file.exists() {
            warn!("{} is taken into account at the next start only", self.options.file.display());
        }
        let reloaded = rendering::checked(&self.options).and_then(|prepared| {
            let warnings = prepared.as_ref().map(|prepared| prepared.warnings.clone()).unwrap_or_default();
            self.rendering.replace(prepared)?;
            Ok(ReloadReport { warnings, ..ReloadReport::default() })
        });
        reloaded.inspect_err(|why| error!("reload refused, the old resources stay: {why}"))
    }
}
