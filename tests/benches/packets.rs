//! What `cargo xtask bench packets` runs: what a packet costs in the XDP program, by BPF_PROG_TEST_RUN; root only.
//!
//! A machine that is shared adds to a run and takes nothing away, so the best of several counts; and because one
//! machine is faster than another, each is also told as a multiple of what a packet costs that is not even IP.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use serde::Serialize;
use vipward::kernel::{Datapath as _, Timer, XdpPath};
use vipward_tests::bench::Run;
use vipward_tests::frame::{Advert, LOOPBACK, key, rules};

/// Packets of one run.
const PACKETS: u32 = 200_000;
/// Runs of each kind, in turns.
const RUNS: usize = 7;
/// How the files of raw numbers are called.
const BENCH: &str = "packets";
/// Version and family of the routers; the VRID tells the version.
const ROUTERS: [(u8, u8); 3] = [(2, 4), (3, 4), (3, 6)];

/// What a packet costs in the XDP program, by its kind.
#[derive(Parser)]
#[command(name = "cargo xtask bench packets", bin_name = "cargo xtask bench packets")]
struct Cli {
    /// Folder for the raw numbers.
    #[arg(long, value_name = "DIR")]
    results: PathBuf,
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
}

impl Kind {
    fn new(name: &'static str, frame: Vec<u8>) -> Kind {
        Kind { name, frame, ns: Vec::new() }
    }

    fn best(&self) -> f64 {
        self.ns.iter().copied().fold(f64::INFINITY, f64::min)
    }
}

#[derive(Serialize)]
struct Results {
    packets: u32,
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
    let mut kinds = kinds();
    for _ in 0..RUNS {
        for kind in &mut kinds {
            let (_, mean) = path.run(&kind.frame, PACKETS)?;
            kind.ns.push(mean.as_secs_f64() * 1e9);
        }
    }
    let results = Results { packets: PACKETS, kinds };
    print!("{}", table(&results.kinds));
    run.write(&cli.results, BENCH, &results)?;
    println!("raw numbers: {}", run.path(&cli.results, BENCH).display());
    Ok(())
}

fn vrid(version: u8) -> u8 {
    50 + version
}

/// What is measured; the first is the measure of the others.
fn kinds() -> Vec<Kind> {
    let v4 = Advert { vrid: vrid(3), ..Advert::new(3, 4) };
    let mut arp = v4.frame();
    // The low byte of the EtherType.
    if let Some(kind) = arp.get_mut(13) {
        *kind = 0x06;
    }
    let accepted = |version, family| Advert { vrid: vrid(version), ..Advert::new(version, family) }.frame();
    vec![
        Kind::new("ARP", arp),
        Kind::new("UDP", Advert { protocol: 17, ..v4.clone() }.frame()),
        Kind::new("VRRP of another router", Advert { vrid: 9, ..v4.clone() }.frame()),
        Kind::new("rejected advert (TTL)", Advert { ttl: 1, ..v4.clone() }.frame()),
        Kind::new("accepted advert, version 2", accepted(2, 4)),
        Kind::new("accepted advert, version 3 over IPv4", accepted(3, 4)),
        Kind::new("accepted advert, version 3 over IPv6", accepted(3, 6)),
        Kind::new(
            "the same with 20 addresses (IPv4)",
            Advert { addresses: v4.addresses.repeat(20), ..v4 }.frame(),
        ),
    ]
}

fn table(kinds: &[Kind]) -> String {
    let arp = kinds.first().map_or(f64::NAN, Kind::best);
    let line = |kind: &Kind| format!("  {:<40}{:>8.0}{:>9.1}\n", kind.name, kind.best(), kind.best() / arp);
    let lines: String = kinds.iter().map(line).collect();
    format!("\n  {:<40}{:>8}{:>9}\n{lines}\n", "packet", "ns", "x ARP")
}
