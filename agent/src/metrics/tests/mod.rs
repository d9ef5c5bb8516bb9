//! Metrics against their documentation, and the server against whoever connects.

mod exposed;
mod requests;

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::exposition::{self, Scrape};
use super::observation::{Happened, Observation};
use super::{Compat, traffic};
use crate::check::tally::Tally;
use crate::config;
use crate::control::status::{self, State};
use crate::election::figures::Figures;
use crate::render::engine::{ReloadReport, ResourceReport, State as FileState};

/// Every metric has a sample of this: two instances, a script, two files.
pub(crate) fn sample() -> Observation {
    let mut status = status::tests::sample();
    let time = Some("2023-11-14T22:13:20.123Z".to_owned());
    let www = ResourceReport {
        name: "www.toml".into(),
        dest: "/etc/nginx/conf.d/www.conf".into(),
        state: FileState::Ok,
        renders: 7,
        changes: 3,
        last_render: time.clone(),
        last_success: time.clone(),
        last_change: time.clone(),
        last_diff: Some("@@ -1 +1 @@\n-server 10.0.0.1;\n+server 10.0.0.2;\n".into()),
        reload: Some(ReloadReport { runs: 3, done: 2, rolled_back: 1, ..ReloadReport::default() }),
        ..ResourceReport::default()
    };
    let db = ResourceReport {
        name: "db.toml".into(),
        state: FileState::Failed,
        last_error: Some("connection refused".into()),
        failing_since: time,
        ..ResourceReport::default()
    };
    status.resources = vec![www, db];
    let mut tally = Tally::default();
    tally.durations.record(Duration::from_millis(3));
    Observation {
        status,
        started: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        timeline: vec![Happened {
            at: "2023-11-14T22:13:20.123Z".into(),
            instance: "VI_1".into(),
            from: State::Backup,
            to: State::Master,
            why: "the master fell silent".into(),
        }],
        figures: Figures::new(),
        scripts: vec![("chk_db".into(), tally)],
        notified: tally,
        config: Some(Arc::new(configuration())),
    }
}

/// What the sample's instances could be configured as.
fn configuration() -> config::model::Config {
    let text = "vrrp_script chk_db {\n script \"/bin/true\"\n}\n\
                vrrp_instance VI_1 {\n interface eth0\n virtual_router_id 51\n priority 150\n\
                virtual_ipaddress {\n 192.0.2.10/24\n 192.0.2.11\n }\n\
                virtual_ipaddress_excluded {\n 192.0.2.12/24 dev eth1\n }\n}\n\
                vrrp_instance database {\n interface bond0.100\n virtual_router_id 7\n priority 100\n version 3\n\
                virtual_ipaddress {\n fe80::10/64\n 2001:db8::10/64\n }\n track_script {\n chk_db\n }\n}\n";
    let loaded = config::load_str("keepalived.conf".as_ref(), text, &config::Options::default());
    loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
}

fn text(observation: Observation, compat: Option<Compat>) -> String {
    let traffic = Arc::new(traffic::Traffic::default());
    traffic.answered(200);
    exposition::text(Scrape { observation: Arc::new(observation), traffic, subscribers: 1, compat })
}
