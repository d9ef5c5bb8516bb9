//! A host of the lab: a namespace, one interface `eth0` on the bridge, a folder, and what runs there.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::sys::socket::LinkAddr;

use super::Shared;
use super::netns::Namespace;
use super::process::Process;

/// The interface that every host has.
pub const INTERFACE: &str = "eth0";

/// One host. Dropping it kills what runs on it and removes its namespace.
pub struct Host {
    name: String,
    number: u8,
    namespace: Namespace,
    folder: PathBuf,
    // Last: the bridge and the run dir outlive every host.
    shared: Arc<Shared>,
}

impl Host {
    pub(crate) fn new(shared: &Arc<Shared>, name: &str, number: u8) -> Result<Host> {
        let namespace = Namespace::new(&shared.namespace(name))?;
        let folder = shared.dir.path().join(name);
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let host = Host { name: name.to_owned(), number, namespace, folder, shared: Arc::clone(shared) };
        host.make_interface()?;
        Ok(host)
    }

    fn make_interface(&self) -> Result<()> {
        let Host { name, number, .. } = self;
        let bridge = self.shared.bridge.name();
        // The port carries the host's name, so that captures can say who sent a frame.
        self.namespace.ip(&format!(
            "link add {INTERFACE} type veth peer name {name} netns {bridge}\n\
             addr add 10.77.0.{number}/24 dev {INTERFACE}\n\
             addr add fd77::{number:x}/64 dev {INTERFACE} nodad\n\
             link set dev {INTERFACE} up\n"
        ))?;
        self.shared.bridge.ip(&format!("link set dev {name} master br0 up\n"))
    }

    /// Deletes its interface, and the port with it.
    pub fn delete_interface(&self) -> Result<()> {
        self.namespace.ip(&format!("link del {INTERFACE}\n"))
    }

    /// Makes its interface anew, with the same name and addresses and another index and hardware address.
    pub fn recreate_interface(&self) -> Result<()> {
        self.make_interface()
    }

    /// Its name, which is also that of its port on the bridge.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its own IPv4 address, 10.77.0.N.
    pub fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, 0, self.number)
    }

    /// Its own IPv6 address, fd77::N.
    pub fn address_v6(&self) -> Ipv6Addr {
        Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, self.number.into())
    }

    /// Its network namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Its folder, for configs, sockets and logs.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a file into its folder, readable for all and executable if it is a script.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))
            .with_context(|| format!("cannot set the mode of {}", path.display()))?;
        Ok(path)
    }

    /// Starts a process on it; its output goes to `NAME.log` in the host's folder.
    pub fn spawn(&self, name: &str, command: &mut Command) -> Result<Process> {
        command.current_dir(&self.folder);
        Process::spawn(&self.namespace, &self.folder, name, command)
    }

    /// Runs `ip` commands on it, one a line, without the word `ip`.
    pub fn ip(&self, batch: &str) -> Result<()> {
        self.namespace.ip(batch)
    }

    /// Takes its cable out: nothing passes, and the host sees that its carrier is gone.
    pub fn unplug(&self) -> Result<()> {
        self.shared.bridge.ip(&format!("link set dev {} down\n", self.name))
    }

    /// Puts the cable back.
    pub fn plug(&self) -> Result<()> {
        self.shared.bridge.ip(&format!("link set dev {} up\n", self.name))
    }

    /// Cuts it off without its noticing, as a failing switch would: the carrier stays.
    pub fn isolate(&self) -> Result<()> {
        self.shared.bridge.ip(&format!("link set dev {} nomaster\n", self.name))
    }

    /// Ends the isolation.
    pub fn rejoin(&self) -> Result<()> {
        self.shared.bridge.ip(&format!("link set dev {} master br0\n", self.name))
    }

    /// All addresses on its interfaces, loopback included.
    pub fn addresses(&self) -> Result<Vec<IpAddr>> {
        let list = || getifaddrs().map(|interfaces| interfaces.filter_map(|found| ip(&found)).collect());
        self.namespace.enter(list)?.context("cannot list the addresses")
    }

    /// The link-layer address of its interface, in the form that a packet socket sends to.
    pub fn link_address(&self) -> Result<LinkAddr> {
        let link = || {
            let mut interfaces = getifaddrs()?.filter(|found| found.interface_name == INTERFACE);
            Ok::<_, Errno>(interfaces.find_map(|found| found.address?.as_link_addr().copied()))
        };
        self.namespace.enter(link)??.context("the interface has no link-layer address")
    }

    /// Whether it has `address`: for a VIP, whether it acts as master.
    pub fn holds(&self, address: IpAddr) -> bool {
        self.addresses().is_ok_and(|addresses| addresses.contains(&address))
    }
}

/// The IP address of an entry of getifaddrs(3), if it is about one.
fn ip(interface: &InterfaceAddress) -> Option<IpAddr> {
    let address = interface.address?;
    let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::lab::{Lab, wait};

    fn reaches(from: &Host, to: &Host) -> bool {
        let address = to.address().to_string();
        let ping =
            || Command::new("arping").args(["-q", "-c", "1", "-w", "1", "-I", INTERFACE, &address]).status();
        from.namespace().enter(ping).unwrap().unwrap().success()
    }

    #[test]
    fn hosts_reach_each_other_unless_cut_off() {
        let lab = Lab::new().unwrap();
        let (a, b) = (lab.host("a").unwrap(), lab.host("b").unwrap());
        let limit = Duration::from_secs(10);
        wait::until("the bridge to forward", limit, || reaches(&a, &b)).unwrap();
        b.isolate().unwrap();
        assert!(!reaches(&a, &b));
        b.rejoin().unwrap();
        wait::until("b to be back", limit, || reaches(&a, &b)).unwrap();
        b.unplug().unwrap();
        assert!(!reaches(&a, &b));
        let mut look = Command::new("ip");
        look.args(["-n", b.namespace().name(), "link", "show", INTERFACE]);
        let link = String::from_utf8(look.output().unwrap().stdout).unwrap();
        assert!(link.contains("NO-CARRIER"), "b sees that its cable is out: {link}");
        b.plug().unwrap();
        wait::until("b to be back again", limit, || reaches(&a, &b)).unwrap();
    }

    #[test]
    fn addresses_come_and_go() {
        let lab = Lab::new().unwrap();
        let host = lab.host("h").unwrap();
        let vip = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 200));
        assert!(host.holds(host.address().into()) && host.holds(host.address_v6().into()));
        assert!(!host.holds(vip));
        host.ip("addr add 10.77.0.200/32 dev eth0\n").unwrap();
        assert!(host.holds(vip));
    }

    #[test]
    fn a_lab_leaves_nothing_behind() {
        let lab = Lab::new().unwrap();
        let folder = lab.dir().to_owned();
        let host = lab.host("h").unwrap();
        let namespace = PathBuf::from("/run/netns").join(host.namespace().name());
        let process = host.spawn("sleep", Command::new("sleep").arg("60")).unwrap();
        let proc = PathBuf::from(format!("/proc/{}", process.pid()));
        assert!(namespace.exists() && folder.exists() && proc.exists());
        drop((lab, process, host));
        assert!(!namespace.exists() && !folder.exists() && !proc.exists());
    }
}
