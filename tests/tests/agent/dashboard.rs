//! The dashboard and the alerts before a real Prometheus that scrapes two running agents through a failover: every query is
//! taken, and finds what it asks for.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use vipward_tests::lab::Host;
use vipward_tests::lab::clock::Moment;
use vipward_tests::lab::http::ask_local;
use vipward_tests::lab::wait;
use vipward_tests::peers::{Form, Kind, Pair, Side};

const PORT: u16 = 9090;
const LIMIT: Duration = Duration::from_mins(1);
/// Queries that find nothing as long as nothing is wrong, by how they end.
const OF_TROUBLE: &str = "> 0";

fn packaging(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging").join(name)
}

/// A resource that renders a file from a file.
fn confdir(host: &Host) -> Result<Vec<String>> {
    let path = |name: &str| host.folder().join(name);
    for name in ["confd/conf.d", "confd/templates"] {
        fs::create_dir_all(path(name))?;
    }
    fs::write(path("confd/templates/a.tmpl"), "{{getv \"/a\"}}\n")?;
    let resource =
        format!("[template]\nsrc='a.tmpl'\ndest='{}'\nkeys=['/a']\nreload_cmd='true'\n", path("a").display());
    fs::write(path("confd/conf.d/a.toml"), resource)?;
    fs::write(path("keys.yaml"), "a: one\n")?;
    let options = [("--confdir", "confd"), ("--store-file", "keys.yaml")];
    let options = options.map(|(option, file)| [option.to_owned(), path(file).display().to_string()]);
    Ok([options.concat(), vec!["--backend".to_owned(), "file".to_owned()]].concat())
}

/// Two agents that scrapes find, each with a script and a file.
fn scene() -> Result<Pair> {
    let mut pair = Pair::new(Form::V3, Kind::Vipward("xdp"), Kind::Vipward("xdp"))?;
    for node in [&mut pair.a, &mut pair.b] {
        let address = format!("{}:9650", node.host.address());
        node.options = [confdir(&node.host)?, vec!["--metrics".to_owned(), address]].concat();
        let script = "vrrp_script chk {\n    script \"/bin/true\"\n    interval 1\n    user root\n}";
        node.conf = node.conf.clone().block(script).with("track_script {\n chk\n }");
    }
    pair.settle()?;
    Ok(pair)
}

/// What Prometheus answers at this path of its API.
fn ask(host: &Host, path: &str) -> Result<Value> {
    let request = format!("GET /api/v1/{path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    let answer = ask_local(host, PORT, request.as_bytes(), LIMIT)?;
    let (_, body) =
        answer.split_once("\r\n\r\n").with_context(|| format!("no answer to {path}: {answer:?}"))?;
    serde_json::from_str(body).with_context(|| format!("no JSON for {path}: {body}"))
}

/// The samples that a query finds; an error with Prometheus's words if it is not taken.
fn query(host: &Host, query: &str) -> Result<Vec<Value>> {
    let mut escaped = String::new();
    for byte in query.bytes() {
        // Writing to a string does not fail.
        let _ = write!(escaped, "%{byte:02X}");
    }
    let answer = ask(host, &format!("query?query={escaped}"))?;
    ensure!(answer["status"] == "success", "{query}: {answer}");
    Ok(answer["data"]["result"].as_array().cloned().unwrap_or_default())
}

/// Every query of the dashboard, its variables replaced as Grafana does.
fn dashboard() -> Result<Vec<String>> {
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(packaging("grafana/vipward.json"))?)?;
    let panels = dashboard["panels"].as_array().context("panels")?;
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let queries = targets.filter_map(|target| target["expr"].as_str());
    let variables = dashboard["templating"]["list"].as_array().context("variables")?;
    let labels = variables.iter().filter_map(|variable| {
        // `label_values(SELECTOR, LABEL)` is Grafana's own; what it looks at is a query.
        variable["definition"].as_str()?.strip_prefix("label_values(")?.rsplit_once(", ").map(|(of, _)| of)
    });
    let replaced = |query: &str| {
        let query = query.replace("$__rate_interval", "1m");
        ["$job", "$instance", "$name"].iter().fold(query, |query, variable| query.replace(variable, ".*"))
    };
    Ok(queries.chain(labels).map(replaced).collect())
}

/// How Prometheus finds each rule.
fn health_of(rules: &Value) -> Vec<&str> {
    let groups = rules["data"]["groups"].as_array().map(Vec::as_slice).unwrap_or_default();
    let rules = groups.iter().filter_map(|group| group["rules"].as_array()).flatten();
    rules.filter_map(|rule| rule["health"].as_str()).collect()
}

#[test]
fn every_query_of_the_dashboard_finds_what_it_asks_a_real_prometheus_for() -> Result<()> {
    let mut pair = scene()?;
    let host = &pair.b.host;
    let targets = [pair.a.host.address(), host.address()].map(|address| format!("'{address}:9650'"));
    let config = format!(
        "global: {{scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}}\n\
         rule_files: ['{}']\n\
         scrape_configs: [{{job_name: vipward, static_configs: [{{targets: [{}]}}]}}]\n",
        packaging("prometheus/alerts.yml").canonicalize()?.display(),
        targets.join(", ")
    );
    let config = host.write("prometheus.yml", &config)?;
    let mut command = Command::new("prometheus");
    command.arg(format!("--config.file={}", config.display()));
    command.arg(format!("--storage.tsdb.path={}", host.folder().join("prometheus").display()));
    command.arg(format!("--web.listen-address=127.0.0.1:{PORT}"));
    let prometheus = host.spawn("prometheus", &mut command)?;
    let finds = |what: &str| query(host, what).map_or(0, |found| found.len());
    wait::until("both agents to be scraped", LIMIT, || finds("up == 1") == 2)
        .with_context(|| prometheus.log())?;
    let queries = dashboard()?;
    ensure!(queries.len() > 30, "{} queries", queries.len());
    // What there is only as long as both live.
    let before: Vec<bool> =
        queries.iter().map(|asked| Ok(!query(host, asked)?.is_empty())).collect::<Result<_>>()?;
    let event = Moment::now();
    pair.a.kill();
    pair.succeeds_a_dead_master(Side::B, event)?;
    let host = &pair.b.host;
    wait::until("the failover to be scraped", LIMIT, || {
        query(host, "vipward_failover_seconds_count == 1 and on (instance) vipward_instance_state == 2")
            .is_ok_and(|found| found.len() == 1)
    })
    .with_context(|| prometheus.log())?;

    for (asked, found) in queries.iter().zip(before) {
        let found = found || !query(host, asked)?.is_empty();
        ensure!(found || asked.ends_with(OF_TROUBLE), "{asked} finds nothing");
    }
    // Until then each of them is unknown.
    let mut rules = Value::Null;
    wait::until("all alerts to be evaluated", LIMIT, || {
        rules = ask(host, "rules").unwrap_or_default();
        let healths = health_of(&rules);
        healths.len() > 5 && !healths.contains(&"unknown")
    })?;
    ensure!(health_of(&rules).iter().all(|health| *health == "ok"), "{rules}");
    Ok(())
}
