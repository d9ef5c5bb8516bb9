//! What must not be taken for a dead master: lost adverts, a wall clock that jumps, a log that nobody reads, a reload of
//! thousands of lines.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use nix::libc::O_NONBLOCK;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use vipward_tests::lab::clock::Moment;
use vipward_tests::lab::vipward::{Vipward, binary};
use vipward_tests::peers::{Form, Kind, Pair, Peer, Side};

use crate::seen::{agent, instance, logged};

/// Adverts that a test lets pass.
const ADVERTS: usize = 30;

/// Loses adverts of n1 on their way into the bridge: those whose number modulo `of` is below `lost`.
fn lose(pair: &Pair, lost: u32, of: u32) -> Result<()> {
    let rules = format!(
        "add table netdev loss\n\
         add chain netdev loss in {{ type filter hook ingress device n1 priority 0; }}\n\
         add rule netdev loss in ip protocol 112 numgen inc mod {of} < {lost} drop\n"
    );
    let nft = || -> Result<()> {
        let mut nft = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn()?;
        nft.stdin.take().context("no stdin")?.write_all(rules.as_bytes())?;
        ensure!(nft.wait()?.success(), "nft failed");
        Ok(())
    };
    pair.lab.bridge().enter(nft)?
}

fn survives_loss(kind: Kind) -> Result<()> {
    let pair = Pair::settled(Form::V3, Kind::Keepalived, kind)?;
    let before = instance(&pair.b)?;
    lose(&pair, 1, 2)?;
    let from = Moment::now();
    pair.wait("adverts", || pair.adverts("n1", from) >= ADVERTS)?;
    let now = instance(&pair.b)?;
    pair.ensure(now.transitions == before.transitions && pair.adverts("n2", from) == 0, || {
        format!("{now:?}")
    })?;
    let heard = now.adverts_received - before.adverts_received;
    pair.ensure(heard > 0 && heard < ADVERTS as u64 * 3 / 4, || format!("{heard} of {ADVERTS} were heard"))
}

#[test]
fn every_second_advert_may_be_lost() -> Result<()> {
    Kind::by_every_datapath(survives_loss)
}

/// As many in a row as `down_timer_adverts` allows, and one more: the keyword decides.
fn counts_adverts(kind: Kind) -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Keepalived, kind)?;
    pair.b.conf = pair.b.conf.clone().with("down_timer_adverts 6");
    pair.a.start()?;
    pair.serves(Side::A)?;
    pair.b.start()?;
    pair.wait("the second to take part", || pair.b.ready())?;
    pair.settles_on(Side::A)?;
    // Four in a row: 500 ms without one, where three intervals and Skew_Time are 361 and six are 661.
    lose(&pair, 4, 5)?;
    let from = Moment::now();
    pair.wait("adverts", || pair.adverts("n1", from) >= ADVERTS)?;
    pair.ensure(pair.adverts("n2", from) == 0, || "it did not wait for six".to_owned())?;
    let conf = pair.b.conf.clone();
    pair.b.rewrite(conf.set("down_timer_adverts 3"))?;
    agent(&pair.b)?.ask(&["reload"])?;
    pair.wait("it to lose patience with three", || pair.adverts("n2", from) > 0)
}

#[test]
fn down_timer_adverts_is_respected() -> Result<()> {
    Kind::by_every_datapath(counts_adverts)
}

/// A library that makes the wall clock jump by hours, back and forth, five times a second.
const CLOCK: &str = r"
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static long shift(void) {
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    return (now.tv_sec * 5 + now.tv_nsec / 200000000) % 2 ? 7 * 3600 : -5 * 3600;
}
int clock_gettime(clockid_t clock, struct timespec *time) {
    long failed = syscall(SYS_clock_gettime, clock, time);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI))
        time->tv_sec += shift();
    return failed;
}
int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}
";

/// A script that runs the agent after `preparation`.
fn wrapper(folder: &Path, preparation: &str, redirection: &str) -> Result<PathBuf> {
    let path = folder.join("vipward.sh");
    let text = format!("#!/bin/sh\n{preparation}\nexec {} \"$@\" {redirection}\n", binary()?.display());
    fs::write(&path, text)?;
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    Ok(path)
}

/// Starts a node's agent by a wrapper.
fn start_wrapped(pair: &mut Pair, side: Side, kind: &str, wrapper: &Path) -> Result<()> {
    let node = match side {
        Side::A => &mut pair.a,
        Side::B => &mut pair.b,
    };
    let config = node.conf.to_string();
    let agent = Vipward::start_binary(wrapper, &node.host, &config, &["--datapath", kind])?;
    node.peer = Some(Peer::Vipward(agent));
    Ok(())
}

fn jumping_clock(kind: Kind) -> Result<()> {
    let Kind::Vipward(datapath) = kind else { return Ok(()) };
    let mut pair = Pair::new(Form::V3, kind, kind)?;
    let (source, library) = (pair.lab.dir().join("clock.c"), pair.lab.dir().join("clock.so"));
    fs::write(&source, CLOCK)?;
    let compiled =
        Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).status()?;
    ensure!(compiled.success(), "cc does not compile the library");
    let script = wrapper(pair.lab.dir(), &format!("export LD_PRELOAD={}", library.display()), "")?;
    start_wrapped(&mut pair, Side::A, datapath, &script)?;
    pair.serves(Side::A)?;
    start_wrapped(&mut pair, Side::B, datapath, &script)?;
    pair.wait("the second to take part", || pair.b.ready())?;
    pair.settles_on(Side::A)?;
    let (start, before) = (Moment::now(), [instance(&pair.a)?, instance(&pair.b)?]);
    pair.wait("adverts", || pair.adverts("n1", start) >= ADVERTS)?;
    for (side, before) in [Side::A, Side::B].into_iter().zip(&before) {
        let now = instance(pair.node(side))?;
        pair.ensure(now.transitions == before.transitions, || format!("{now:?}"))?;
        // Half a day apart: what it logs proves that it sees the jumps.
        let hours = |line: &str| line.get(11..13).and_then(|hour| hour.parse::<i32>().ok());
        pair.wait("it to have seen the clock jump", || {
            let Ok(agent) = agent(pair.node(side)) else { return false };
            let asked = agent.ask(&["reload"]).is_ok();
            let log = agent.log();
            let mut seen = log.lines().filter_map(hours);
            let Some(first) = seen.next() else { return false };
            asked && seen.any(|hour| (hour - first).rem_euclid(24).abs_diff(12) <= 1)
        })?;
    }
    let silence = pair.longest_silence("n1", start);
    pair.ensure(silence < pair.form.interval() * 3, || format!("no advert for {silence:?}"))?;
    let event = Moment::now();
    pair.a.kill();
    pair.succeeds_a_dead_master(Side::B, event)
}

#[test]
fn a_jumping_wall_clock_is_not_noticed() -> Result<()> {
    Kind::by_every_datapath(jumping_clock)
}

/// The log goes to a pipe that is full and that nobody reads, as with a log daemon that waits for its disk. The master
/// goes on, and the backup takes over when it dies.
fn stuck_log(kind: Kind) -> Result<()> {
    let Kind::Vipward(datapath) = kind else { return Ok(()) };
    let mut pair = Pair::new(Form::V3, kind, kind)?;
    let mut pipes = Vec::new();
    for side in [Side::A, Side::B] {
        let folder = pair.node(side).host.folder().to_owned();
        let path = folder.join("stderr");
        mkfifo(&path, Mode::S_IRWXU)?;
        // Both ends open, so that nobody waits for the other, and nobody ever reads.
        let pipe = File::options().read(true).write(true).custom_flags(O_NONBLOCK).open(&path)?;
        // Only what runs is redirected: a question's complaints are for us.
        let redirect = format!("2<>{}", path.display());
        let ask = format!("[ \"$1\" = run ] || exec {} \"$@\"", binary()?.display());
        let script = wrapper(&folder, &ask, &redirect)?;
        start_wrapped(&mut pair, side, datapath, &script)?;
        pipes.push(pipe);
    }
    pair.wait("both to take part", || pair.a.ready() && pair.b.ready())?;
    pair.settles_on(Side::A)?;
    for pipe in &mut pipes {
        while pipe.write(&[b'x'; 4096]).is_ok() {}
        while pipe.write(b"x").is_ok() {}
    }
    // Each has a line to log now, and cannot.
    let start = Moment::now();
    for side in [Side::A, Side::B] {
        agent(pair.node(side))?.reload()?;
    }
    pair.wait("adverts", || pair.adverts("n1", start) >= ADVERTS)?;
    pair.ensure(pair.adverts("n2", start) == 0, || "the backup took over from a living master".to_owned())?;
    for side in [Side::A, Side::B] {
        // And it still answers whoever asks.
        instance(pair.node(side)).with_context(|| format!("{side:?}"))?;
    }
    let event = Moment::now();
    pair.a.kill();
    pair.succeeds_a_dead_master(Side::B, event)?;
    pair.b.stop()
}

#[test]
fn a_log_that_nobody_reads_stops_nothing() -> Result<()> {
    Kind::by_every_datapath(stuck_log)
}

/// Thousands of lines of further instances, each with priority `priority`.
fn thousands_of_lines(priority: u8) -> String {
    let mut text = String::new();
    for vrid in 60..=250 {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "vrrp_instance MORE_{vrid} {{\n    interface eth0\n    virtual_router_id {vrid}\n    version 3\n    \
             priority {priority}\n    advert_int 1\n    virtual_ipaddress {{\n"
        );
        for number in 1..=20 {
            let _ = writeln!(text, "        10.80.{vrid}.{number}/32");
        }
        text.push_str("    }\n}\n");
    }
    text
}

/// A change in every one of nearly two hundred instances, again and again, beside one that advertises: at most one of
/// its adverts is late enough to be missed.
#[test]
fn a_reload_of_thousands_of_lines_misses_no_two_adverts() -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Vipward("auto"), Kind::Vipward("auto"))?;
    let plain = pair.a.conf.clone();
    pair.a.conf = plain.clone().block(thousands_of_lines(100));
    ensure!(pair.a.conf.to_string().lines().count() > 5_000, "too few lines");
    pair.a.start()?;
    pair.serves(Side::A)?;
    pair.b.start()?;
    pair.wait("the second to take part", || pair.b.ready())?;
    pair.settles_on(Side::A)?;
    let start = Moment::now();
    for (number, priority) in [90, 80, 70].into_iter().enumerate() {
        pair.a.rewrite(plain.clone().block(thousands_of_lines(priority)))?;
        agent(&pair.a)?.reload()?;
        let reloads = |log: &str| {
            log.lines().filter(|line| line.contains(": reloaded ") || line.contains(" reloaded ")).count()
        };
        pair.wait("the reload", || agent(&pair.a).is_ok_and(|agent| reloads(&agent.log()) > number))?;
    }
    let silence = pair.longest_silence("n1", start);
    pair.ensure(silence < pair.form.interval() * 3, || format!("no advert for {silence:?}"))?;
    pair.ensure(pair.adverts("n2", start) == 0, || "the backup took over".to_owned())?;
    pair.ensure(logged(&pair.a, "reloaded"), || "it was not reloaded".to_owned())
}
