//! `--metrics`: what a Prometheus and a browser see of a failover, and what a stranger can do there: nothing.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use vipward_tests::lab::Host;
use vipward_tests::lab::clock::Moment;
use vipward_tests::lab::http::{ask_local, connect_local};
use vipward_tests::lab::vipward::{Vipward, binary};
use vipward_tests::lab::{Lab, wait};
use vipward_tests::peers::{Conf, Form, Kind, Pair, Side, VRID};

use crate::seen::{instance, state};

const PORT: u16 = 9650;
const ADDRESS: &str = "127.0.0.1:9650";
const LIMIT: Duration = Duration::from_mins(1);

/// The answer to a GET from the host itself.
fn get(host: &Host, path: &str) -> Result<String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {ADDRESS}\r\n\r\n");
    ask_local(host, PORT, request.as_bytes(), LIMIT)
}

fn code(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("none")
}

/// The metrics of an agent.
struct Scrape(String);

impl Scrape {
    fn of(host: &Host) -> Result<Scrape> {
        let text = get(host, "/metrics")?;
        ensure!(code(&text) == "200" && text.ends_with("# EOF\n"), "{text}");
        Ok(Scrape(text))
    }

    /// The value of the sample with this name and these labels.
    fn value(&self, sample: &str) -> Result<f64> {
        let line = self.0.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        let line = line.with_context(|| format!("no {sample} in\n{}", self.0))?;
        Ok(line.parse()?)
    }

    fn expect(&self, samples: &[(&str, f64)]) -> Result<()> {
        for (sample, expected) in samples {
            let value = self.value(sample)?;
            ensure!((value - expected).abs() < 1e-9, "{sample} is {value}, not {expected}, in\n{}", self.0);
        }
        Ok(())
    }
}

/// Two agents of which the first is master, with metrics on both.
fn settled(datapath: &'static str) -> Result<Pair> {
    let mut pair = Pair::new(Form::V3, Kind::Vipward(datapath), Kind::Vipward(datapath))?;
    let options = ["--metrics", ADDRESS, "--metrics-compat", "keepalived"].map(str::to_owned).to_vec();
    pair.a.options.clone_from(&options);
    pair.b.options = options;
    pair.settle()?;
    Ok(pair)
}

#[test]
fn a_failover_is_seen_by_whoever_scrapes_and_whoever_looks() -> Result<()> {
    let mut pair = settled("xdp")?;
    let (a, b) = (Scrape::of(&pair.a.host)?, Scrape::of(&pair.b.host)?);
    a.expect(&[("vipward_instance_state{name=\"VI_1\"}", 2.0), ("vipward_lease_state{name=\"VI_1\"}", 1.0)])?;
    b.expect(&[
        ("vipward_instance_info{name=\"VI_1\",interface=\"eth0\",family=\"ipv4\",vrid=\"51\"}", 1.0),
        ("vipward_datapath_info{name=\"VI_1\",datapath=\"xdp\",reason=\"\"}", 1.0),
        ("vipward_instance_state{name=\"VI_1\"}", 1.0),
        ("vipward_instance_priority{name=\"VI_1\"}", 100.0),
        ("vipward_instance_transitions_total{name=\"VI_1\",to=\"BACKUP\",cause=\"started\"}", 1.0),
        ("vipward_advert_interval_seconds{name=\"VI_1\"}", 0.1),
        ("vipward_lease_available{name=\"VI_1\",reason=\"\"}", 1.0),
        ("vipward_lease_state{name=\"VI_1\"}", 0.0),
        ("vipward_failover_seconds_count", 0.0),
        (
            "keepalived_vrrp_state{iname=\"VI_1\",intf=\"eth0\",vrid=\"51\",ip_address=\"10.77.0.200/24\"}",
            1.0,
        ),
        ("keepalived_become_master_total{iname=\"VI_1\",intf=\"eth0\",vrid=\"51\"}", 0.0),
    ])?;
    let received = b.value("vipward_adverts_received_total{name=\"VI_1\"}")?;
    ensure!(received > 0.0 && a.value("vipward_adverts_sent_total{name=\"VI_1\"}")? > 0.0, "{}", b.0);
    b.value("vipward_last_advert_age_seconds{name=\"VI_1\"}")?;
    let ready = get(&pair.b.host, "/readyz")?;
    ensure!(code(&ready) == "200" && ready.ends_with("ready\n"), "{ready}");

    let event = Moment::now();
    pair.a.kill();
    pair.succeeds_a_dead_master(Side::B, event)?;
    let after = Scrape::of(&pair.b.host)?;
    let phase = |phase: &str| format!("vipward_failover_phase_seconds_count{{phase=\"{phase}\"}}");
    after.expect(&[
        ("vipward_instance_state{name=\"VI_1\"}", 2.0),
        ("vipward_instance_transitions_total{name=\"VI_1\",to=\"MASTER\",cause=\"master_silent\"}", 1.0),
        ("vipward_watch_timeouts_total{name=\"VI_1\"}", 1.0),
        ("vipward_timer_lateness_seconds_count", 1.0),
        (&phase("decision"), 1.0),
        (&phase("address"), 1.0),
        (&phase("announcement"), 1.0),
        ("vipward_failover_seconds_count", 1.0),
        ("vipward_lease_state{name=\"VI_1\"}", 1.0),
        (
            "keepalived_vrrp_state{iname=\"VI_1\",intf=\"eth0\",vrid=\"51\",ip_address=\"10.77.0.200/24\"}",
            2.0,
        ),
        ("keepalived_become_master_total{iname=\"VI_1\",intf=\"eth0\",vrid=\"51\"}", 1.0),
    ])?;
    let parts = ["decision", "address", "announcement"]
        .map(|part| after.value(&format!("vipward_failover_phase_seconds_sum{{phase=\"{part}\"}}")));
    let whole = after.value("vipward_failover_seconds_sum")?;
    let parts: f64 = parts.into_iter().collect::<Result<Vec<f64>>>()?.iter().sum();
    ensure!(parts > 0.0 && parts <= whole + 1e-9, "phases of {parts} s in a takeover of {whole} s");

    let page = get(&pair.b.host, "/")?;
    for words in ["n2 – vipward", "1 MASTER", "10.77.0.200/24", "BACKUP → MASTER", "fell silent", "base 100"]
    {
        ensure!(page.contains(words), "no {words} in {page}");
    }
    Ok(())
}

#[test]
fn a_raw_socket_says_that_there_is_no_lease() -> Result<()> {
    let pair = settled("socket")?;
    let scrape = Scrape::of(&pair.a.host)?;
    let line = scrape.0.lines().find(|line| line.starts_with("vipward_lease_available{"));
    let line = line.with_context(|| scrape.0.clone())?;
    ensure!(line.contains("raw socket") && line.ends_with("} 0"), "{line}");
    ensure!(scrape.0.contains("datapath=\"socket\""), "{}", scrape.0);
    Ok(())
}

/// Sends all kinds of nonsense; returns the connections that are to hang.
fn molest(host: &Host) -> Result<Vec<TcpStream>> {
    let own = format!("Host: {ADDRESS}\r\n");
    for request in [
        format!("GET / HTTP/1.1\r\n{own}X: {}\r\n\r\n", "y".repeat(200_000)),
        format!("GET /{} HTTP/1.1\r\n{own}\r\n", "z".repeat(100_000)),
        "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_owned(),
        format!("POST /metrics HTTP/1.1\r\n{own}Content-Length: 4\r\n\r\nboom"),
        "\u{16}\u{3}\u{1}\u{2}".repeat(500),
    ] {
        let answer = ask_local(host, PORT, request.as_bytes(), LIMIT)?;
        let shown: String = request.chars().take(40).collect();
        ensure!(code(&answer).starts_with('4') && !answer.contains("VI_1"), "{shown:?}: {answer}");
    }
    let mut hanging = Vec::new();
    for number in 0..100 {
        let mut stream = connect_local(host, PORT, LIMIT)?;
        // Some never end their request, some never read what they are told.
        let request = if number % 2 == 0 {
            "GET /metr".to_owned()
        } else {
            format!("GET /events HTTP/1.1\r\n{own}\r\n")
        };
        let _ = stream.write_all(request.as_bytes());
        hanging.push(stream);
    }
    Ok(hanging)
}

#[test]
fn hostile_requests_disturb_no_election() -> Result<()> {
    let pair = settled("xdp")?;
    let transitions = |side: Side| Ok::<_, anyhow::Error>(instance(pair.node(side))?.transitions);
    let before = (transitions(Side::A)?, transitions(Side::B)?);
    let mut hanging = Vec::new();
    for host in [&pair.a.host, &pair.b.host] {
        hanging.extend(molest(host)?);
    }
    // A place becomes free when those who never end their request have had their time.
    pair.wait("metrics to be served again", || Scrape::of(&pair.b.host).is_ok())?;
    let refused = Scrape::of(&pair.b.host)?.value("vipward_http_connections_refused_total")?;
    pair.ensure(refused > 0.0, || "a hundred connections were all let in".to_owned())?;
    drop(hanging);
    pair.settles_on(Side::A)?;
    let after = (transitions(Side::A)?, transitions(Side::B)?);
    pair.ensure(before == after, || format!("transitions were {before:?} and are {after:?}"))
}

#[test]
fn a_port_that_is_taken_is_told_before_anything_is_done() -> Result<()> {
    let lab = Lab::new()?;
    let (host, other) = (lab.host("n1")?, lab.host("n2")?);
    let taken = host.namespace().enter(|| TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)))??;
    let conf = host.write("vipward.conf", &Conf::new(Form::V3, &host, &other, 150).to_string())?;
    let mut command = Command::new("timeout");
    command.arg("30").arg(binary()?).args(["run", "--metrics", ADDRESS, "-f"]).arg(conf);
    command.arg("--run-dir").arg(host.folder().join("vipward"));
    let output = host.namespace().enter(|| command.output())??;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(1), "{:?}: {said}", output.status);
    ensure!(said.contains(ADDRESS) && said.contains("name another port"), "{said}");
    ensure!(!host.folder().join("vipward").exists(), "it began all the same: {said}");
    drop(taken);
    Ok(())
}

#[test]
fn what_is_not_ready_is_named_and_a_reload_keeps_the_port() -> Result<()> {
    let lab = Lab::new()?;
    let (host, other) = (lab.host("n1")?, lab.host("n2")?);
    host.write("chk", "#!/bin/sh\ntest ! -e \"$(dirname \"$0\")/broken\"\n")?;
    let script = format!(
        "vrrp_script chk {{\n    script \"{}\"\n    interval 1\n    fall 1\n    rise 1\n    user root\n}}",
        host.folder().join("chk").display()
    );
    let conf = Conf::new(Form::V3, &host, &other, 150).block(script).with("track_script {\n chk\n }");
    let agent = Vipward::start(&host, &conf.to_string(), &["--metrics", ADDRESS])?;
    agent.reaches(VRID, "MASTER", LIMIT)?;
    ensure!(code(&get(&host, "/readyz")?) == "200", "{}", get(&host, "/readyz")?);
    ensure!(get(&host, "/healthz")?.ends_with("ok\n"), "{}", get(&host, "/healthz")?);
    host.write("broken", "")?;
    wait::until("readyz to tell", LIMIT, || {
        get(&host, "/readyz").is_ok_and(|answer| {
            code(&answer) == "503" && answer.ends_with("VI_1: FAULT: script chk is down\n")
        })
    })?;
    ensure!(code(&get(&host, "/healthz")?) == "200", "a node that may not serve is alive");
    let scrape = Scrape::of(&host)?;
    scrape.expect(&[
        ("vipward_instance_state{name=\"VI_1\"}", 3.0),
        ("vipward_script_up{script=\"chk\"}", 0.0),
        ("vipward_instance_transitions_total{name=\"VI_1\",to=\"FAULT\",cause=\"fault\"}", 1.0),
    ])?;
    let failures = scrape.value("vipward_script_failures_total{script=\"chk\"}")?;
    let runs = scrape.value("vipward_script_runs_total{script=\"chk\"}")?;
    ensure!(failures >= 1.0 && runs > failures, "{failures} of {runs} runs failed");
    let page = get(&host, "/")?;
    ensure!(page.contains("VI_1: FAULT: script chk is down") && page.contains(">down<"), "{page}");

    host.write("vipward.conf", &conf.clone().set("priority 140").to_string())?;
    agent.ask(&["reload"])?;
    // What was seen a moment ago may be shown once more.
    let is_taken = |scrape: Scrape| scrape.expect(&[("vipward_instance_priority{name=\"VI_1\"}", 140.0)]);
    wait::until("the new priority", LIMIT, || Scrape::of(&host).and_then(is_taken).is_ok())?;
    ensure!(!Scrape::of(&host)?.0.contains("keepalived_"), "nobody asked for those names");
    Ok(())
}

#[test]
fn an_open_page_is_told_of_a_failover() -> Result<()> {
    let mut pair = settled("xdp")?;
    let mut page = connect_local(&pair.b.host, PORT, LIMIT)?;
    page.write_all(format!("GET /events HTTP/1.1\r\nHost: {ADDRESS}\r\n\r\n").as_bytes())?;
    let mut heard = String::new();
    hears(&mut page, &mut heard, "1 BACKUP")?;
    pair.a.kill();
    hears(&mut page, &mut heard, "1 MASTER")?;
    pair.ensure(state(&pair.b).as_deref() == Some("MASTER"), || heard.clone())?;
    Ok(())
}

/// Reads events until they hold `words`.
fn hears(page: &mut TcpStream, heard: &mut String, words: &str) -> Result<()> {
    while !heard.contains(words) {
        let mut some = [0; 4096];
        let read = page.read(&mut some).with_context(|| format!("no {words} in {heard}"))?;
        ensure!(read > 0, "it ended: {heard}");
        heard.push_str(&String::from_utf8_lossy(some.get(..read).unwrap_or_default()));
    }
    Ok(())
}
