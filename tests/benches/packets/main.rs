//! What `cargo xtask bench packets` runs: what a packet costs in the XDP program, by BPF_PROG_TEST_RUN; root only.
//!
//! A machine that is shared adds to a run and takes nothing away, so the best of several counts. What the kernel needs
//! to run any program at all is measured with an empty one, in the same turns, and the goals are about what ours
//! costs above that.

mod bare;

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use bare::Bare;
use clap::Parser;
use serde::Serialize;
use vipward::kernel::{Datapath as _, LeaseOrder, Timer, XdpPath};
use vipward_tests::bench::Run;
use vipward_tests::frame::{Advert, LOOPBACK, key, rules};
use vipward_tests::lab::clock::Moment;

/// Runs of each kind, in turns.
const RUNS: usize = 11;
/// How the files of raw numbers are called.
const BENCH: &str = "packets";
/// Virtual addresses, and their routers.
const SERVED: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 50));
const SERVED_VRID: u8 = 60;
const BARRED: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 51));
const BARRED_VRID: u8 = 61;
/// In nanoseconds.
const HOUR: u64 = 3_600_000_000_000;
/// Version and family of the routers; the VRID tells the version.
const ROUTERS: [(u8, u8); 3] = [(2, 4), (3, 4), (3, 6)];

/// What a packet costs in the XDP program, by its kind.
#[derive(Parser)]
#[command(name = "cargo xtask bench packets", bin_name = "cargo xtask bench packets")]
struct Cli {
    /// Folder for the raw numbers.
    #[arg(long, value_name = "DIR")]
    results: PathBuf,
    /// Only kinds whose names contain this, say for a profiler.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Packets of one run.
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    packets: u32,
    /// Cargo says this to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

/// One kind of packet.
#[derive(Serialize)]
struct Kind {
    name: &'static str,
    #[serde(skip)]
    frame: Vec<u8>,
    /// Nanoseconds per packet, of each run.
    ns: Vec<f64>,
    /// How many more than in an empty program there may be.
    goal: Option<f64>,
}

impl Kind {
    fn new(name: &'static str, frame: Vec<u8>) -> Kind {
        Kind { name, frame, ns: Vec::new(), goal: None }
    }

    fn goal(self, ns: f64) -> Kind {
        Kind { goal: Some(ns), ..self }
    }

    fn best(&self) -> f64 {
        self.ns.iter().copied().fold(f64::INFINITY, f64::min)
    }
}

#[derive(Serialize)]
struct Results {
    packets: u32,
    /// The empty program.
    bare: Kind,
    kinds: Vec<Kind>,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let run = Run::begin();
    let mut path = XdpPath::load().context("cannot load the XDP program")?;
    for (version, family) in ROUTERS {
        let (key, rules) = (key(LOOPBACK, family, vrid(version)), rules(version, family));
        path.add(key, &rules, &[])?;
        path.watch(&key, &rules, Timer::Set(Duration::from_hours(1)))?;
    }
    fence(&mut path)?;
    let mut kinds = kinds();
    kinds.retain(|kind| cli.only.as_ref().is_none_or(|only| kind.name.contains(only.as_str())));
    let empty = Bare::load().context("cannot load an empty XDP program")?;
    let mut bare = Kind::new("any, in an empty program", Advert::new(3, 4).frame());
    for _ in 0..RUNS {
        bare.ns.push(empty.run(&bare.frame, cli.packets)?.as_secs_f64() * 1e9);
        for kind in &mut kinds {
            let (_, mean) = path.run(&kind.frame, cli.packets)?;
            kind.ns.push(mean.as_secs_f64() * 1e9);
        }
    }
    let results = Results { packets: cli.packets, bare, kinds };
    print!("{}", table(&results));
    run.write(&cli.results, BENCH, &results)?;
    println!("raw numbers: {}", run.path(&cli.results, BENCH).display());
    Ok(())
}

/// A virtual address that is served and one that is not, of routers of their own.
fn fence(path: &mut XdpPath) -> Result<()> {
    for (vrid, vip) in [(SERVED_VRID, SERVED), (BARRED_VRID, BARRED)] {
        let (key, rules) = (key(LOOPBACK, 4, vrid), rules(3, 4));
        path.add(key, &rules, &[])?;
        path.report(&key, &rules)?;
        path.fence(&key, &[(LOOPBACK, vip)])?;
        if vip == SERVED {
            path.order_lease(&key, LeaseOrder::Open);
            path.order_lease(&key, LeaseOrder::Renew { sent_at: Moment::now().0, length: HOUR });
        }
    }
    Ok(())
}

fn vrid(version: u8) -> u8 {
    50 + version
}

/// What a packet that is not ours, and an accepted advert, may cost above an empty program, in nanoseconds.
const FOREIGN: f64 = 15.0;
const ACCEPTED: f64 = 75.0;

/// What is measured.
fn kinds() -> Vec<Kind> {
    let v4 = Advert { vrid: vrid(3), ..Advert::new(3, 4) };
    let mut arp = v4.frame();
    // The low byte of the EtherType.
    if let Some(kind) = arp.get_mut(13) {
        *kind = 0x06;
    }
    let udp = |destination| Advert { protocol: 17, destination, ..v4.clone() }.frame();
    let accepted = |version, family| Advert { vrid: vrid(version), ..Advert::new(version, family) }.frame();
    vec![
        Kind::new("ARP", arp).goal(FOREIGN),
        Kind::new("UDP", Advert { protocol: 17, ..v4.clone() }.frame()).goal(FOREIGN),
        Kind::new("UDP to a virtual address that is served", udp(SERVED)),
        Kind::new("UDP to one that is not", udp(BARRED)),
        Kind::new("VRRP of another router", Advert { vrid: 9, ..v4.clone() }.frame()),
        Kind::new("rejected advert (TTL)", Advert { ttl: 1, ..v4.clone() }.frame()),
        Kind::new("accepted advert, version 2", accepted(2, 4)).goal(ACCEPTED),
        Kind::new("accepted advert, version 3 over IPv4", accepted(3, 4)).goal(ACCEPTED),
        Kind::new("accepted advert, version 3 over IPv6", accepted(3, 6)).goal(ACCEPTED),
        Kind::new(
            "the same with 20 addresses (IPv4)",
            Advert { addresses: v4.addresses.repeat(20), ..v4 }.frame(),
        ),
    ]
}

fn table(results: &Results) -> String {
    let bare = results.bare.best();
    let line = |kind: &Kind| {
        let above = kind.best() - bare;
        let goal = kind.goal.map_or_else(String::new, |goal| {
            format!("   at most {goal:.0} {}", if above <= goal { "met" } else { "MISSED" })
        });
        format!("  {:<40}{:>8.0}{above:>9.0}{goal}\n", kind.name, kind.best())
    };
    let lines: String = std::iter::once(&results.bare).chain(&results.kinds).map(line).collect();
    format!("\n  {:<40}{:>8}{:>9}\n{lines}\n", "packet", "ns", "above")
}
