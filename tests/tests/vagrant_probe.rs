//! The client of the demonstration in virtual machines, `vagrant/demo/probe.py`: all that is said there of gaps is measured
//! by it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

use std::io::{BufRead, BufReader, Write};
use std::net::IpAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use vipward_tests::lab::nginx::Nginx;
use vipward_tests::lab::{Host, Lab, wait};

/// Between two requests for a page.
const PERIOD: u64 = 20;
/// How long a page may take to come or to stay away.
const LIMIT: Duration = Duration::from_secs(10);

struct Probe {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// One line of its answer.
#[derive(Debug, PartialEq)]
struct Seen {
    gap: u64,
    stall: u64,
    age: u64,
    by: String,
    path: String,
}

impl Probe {
    fn start(client: &Host, pages: &[(&str, IpAddr)]) -> Probe {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vagrant/demo/probe.py");
        let mut command = Command::new("python3");
        command.arg(script).arg(PERIOD.to_string());
        command.args(pages.iter().map(|(name, address)| format!("{name}={address}")));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = client.namespace().enter(|| command.spawn()).unwrap().unwrap();
        let commands = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Probe { child, commands, answers }
    }

    fn mark(&mut self) {
        writeln!(self.commands, "mark").unwrap();
    }

    /// What it says of `name`, with the stalls of the page called `reference`.
    fn look(&mut self, reference: &str, name: &str) -> Seen {
        writeln!(self.commands, "look {reference}").unwrap();
        let lines = (&mut self.answers).lines().map(Result::unwrap).take_while(|line| line != ".");
        let lines: Vec<String> = lines.collect();
        let line = lines.iter().find(|line| line.split(' ').next() == Some(name)).unwrap();
        let fields: Vec<&str> = line.split(' ').skip(1).collect();
        let [gap, stall, age, by, path] = fields[..] else { panic!("{line}") };
        let number = |text: &str| text.parse().unwrap();
        Seen {
            gap: number(gap),
            stall: number(stall),
            age: number(age),
            by: by.to_owned(),
            path: path.to_owned(),
        }
    }

    fn wait_for(&mut self, what: &str, name: &str, condition: impl Fn(&Seen) -> bool) {
        wait::until(what, LIMIT, || condition(&self.look("n2", name))).unwrap();
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_gap_is_as_long_as_no_page_comes() {
    let lab = Lab::new().unwrap();
    let [n1, n2, client] = ["n1", "n2", "client"].map(|name| lab.host(name).unwrap());
    let _servers = [Nginx::start(&n1).unwrap(), Nginx::start(&n2).unwrap()];
    let (first, second) = (IpAddr::V4(n1.address()), IpAddr::V4(n2.address()));
    let pages = [("vip", first), ("vip6", IpAddr::V6(n1.address_v6())), ("n1", first), ("n2", second)];
    let mut probe = Probe::start(&client, &pages);
    for name in ["vip", "vip6", "n2"] {
        probe.wait_for("a page", name, |seen| seen.by != "-");
    }

    probe.mark();
    let cut = Instant::now();
    n1.unplug().unwrap();
    probe.wait_for("silence", "vip", |seen| seen.age >= 500);
    let during = probe.look("n2", "vip");
    assert!(during.gap >= during.age, "a gap that still lasts counts: {during:?}");
    n1.plug().unwrap();
    probe.wait_for("a page again", "vip", |seen| seen.age < 500);
    let gap = probe.look("n2", "vip");
    let longest = u64::try_from(cut.elapsed().as_millis()).unwrap() + 2 * PERIOD;
    assert!((500..=longest + 100).contains(&gap.gap), "{gap:?}, at most {longest} ms");
    assert_eq!((gap.by.as_str(), gap.path.as_str()), ("n1", "n1"));
    assert!(gap.stall < gap.gap, "n2 was there all the time: {gap:?}");
    // The same address: its silence is the whole gap, but for a period.
    let own = probe.look("n1", "vip");
    assert!(own.stall + 2 * PERIOD >= own.gap, "{own:?}");

    probe.mark();
    probe.wait_for("what was before the mark to be over", "vip", |seen| seen.gap < 500 && seen.age < 500);
    probe.wait_for("a page of n2 alone", "n2", |seen| seen.path == "n2");
}
