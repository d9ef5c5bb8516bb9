//! Two network namespaces joined by a veth pair, and a capture at the far end.

use std::fs::File;
use std::io::Read;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use socket2::{Domain, Protocol, Socket, Type};
use vipward::net::netlink::Netlink;
use vipward::net::{Interface, LinkEvent, Links, Monitor};

/// How long anything may take that the kernel does at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// A network namespace with a name that nothing else on the machine has; removed when dropped.
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let namespace = Self { name: format!("vipward-net-{}-{number}", std::process::id()) };
        run("ip", &["netns", "add", &namespace.name]);
        // Link-local addresses are usable at once.
        for scope in ["all", "default"] {
            namespace.sysctl(&format!("net.ipv6.conf.{scope}.accept_dad"), "0");
        }
        namespace
    }

    /// Runs `ip ARGUMENTS`, separated by spaces, in the namespace.
    pub(crate) fn ip(&self, arguments: &str) -> String {
        let mut all = vec!["-n", &self.name];
        all.extend(arguments.split_whitespace());
        run("ip", &all)
    }

    /// Runs any command in the namespace.
    pub(crate) fn command(&self, command: &str) -> String {
        let mut all = vec!["netns", "exec", &self.name];
        all.extend(command.split_whitespace());
        run("ip", &all)
    }

    pub(crate) fn sysctl(&self, key: &str, value: &str) {
        self.command(&format!("sysctl -qw {key}={value}"));
    }

    /// Runs `work` on a thread inside the namespace, and passes its panic on.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let file = File::open(format!("/run/netns/{}", self.name)).expect("the namespace exists");
        let outcome = std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    setns(file, CloneFlags::CLONE_NEWNET).expect("needs root");
                    work()
                })
                .join()
        });
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// The interface of that name.
    pub(crate) fn interface(&self, name: &str) -> Interface {
        self.inside(|| {
            let links = Links::dump(&mut Netlink::open().unwrap()).unwrap();
            links.by_name(name).unwrap_or_else(|| panic!("no interface {name}")).clone()
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

/// `near` with near0, 10.9.0.1/24 and fd09::1/64; `far` with far0, 10.9.0.2/24 and fd09::2/64.
pub(crate) struct Pair {
    pub(crate) near: Namespace,
    pub(crate) far: Namespace,
}

impl Pair {
    pub(crate) fn new() -> Self {
        let pair = Self { near: Namespace::new(), far: Namespace::new() };
        pair.connect();
        pair
    }

    /// Creates the veth pair, for the first time or again.
    pub(crate) fn connect(&self) {
        // The kernel reports the first carrier up to a second late, unless the two ends differ in index.
        static INDEX: AtomicU32 = AtomicU32::new(10);
        let near = INDEX.fetch_add(2, Ordering::Relaxed);
        let ends =
            format!("near0 index {near} type veth peer name far0 index {} netns {}", near + 1, self.far.name);
        self.near.ip(&format!("link add {ends}"));
        for (namespace, interface, number) in [(&self.near, "near0", 1), (&self.far, "far0", 2)] {
            namespace.ip(&format!("addr add 10.9.0.{number}/24 dev {interface}"));
            namespace.ip(&format!("-6 addr add fd09::{number}/64 dev {interface} nodad"));
            namespace.ip(&format!("link set {interface} up"));
        }
        for (namespace, interface) in [(&self.near, "near0"), (&self.far, "far0")] {
            until("carrier and a link-local address", || {
                namespace.inside(|| {
                    let links = Links::dump(&mut Netlink::open().unwrap()).unwrap();
                    let link = links.by_name(interface)?;
                    (link.usable() && links.source_v6(link.ifindex, |_| false).is_some()).then_some(())
                })
            });
        }
    }

    /// Starts capturing at the far end.
    pub(crate) fn capture(&self) -> Capture {
        self.far.inside(|| {
            let all = u16::try_from(nix::libc::ETH_P_ALL).unwrap().to_be();
            let socket =
                Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(i32::from(all)))).unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            socket.set_recv_buffer_size(8 << 20).unwrap();
            Capture { socket }
        })
    }
}

/// Frames that arrive at the far end.
pub(crate) struct Capture {
    socket: Socket,
}

impl Capture {
    /// Collects `count` frames that `wanted` likes, or fails when they do not come.
    pub(crate) fn frames(&mut self, count: usize, wanted: impl Fn(&[u8]) -> bool) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        let mut buffer = vec![0; 65536];
        let deadline = Instant::now() + PATIENCE;
        while found.len() < count {
            assert!(Instant::now() < deadline, "only {} of {count} frames came", found.len());
            match self.socket.read(&mut buffer) {
                Ok(length) if wanted(&buffer[..length]) => found.push(buffer[..length].to_vec()),
                _ => {}
            }
        }
        found
    }
}

/// Polls `condition` until it gives a value, or fails.
pub(crate) fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// Waits on the monitor's descriptor for an event that `wanted` likes; gives all events up to it.
pub(crate) fn await_event(
    monitor: &mut Monitor,
    what: &str,
    wanted: impl Fn(&LinkEvent) -> bool,
) -> Vec<LinkEvent> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut events = Vec::new();
    until(what, || {
        let mut fds = [PollFd::new(monitor.fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::from(100u8)).unwrap();
        monitor.drain(&mut events);
        events.iter().any(&wanted).then_some(())
    });
    events
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("the program is installed");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {}: {error}", arguments.join(" "));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
