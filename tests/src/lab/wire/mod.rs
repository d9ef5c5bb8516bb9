//! What passes on the bridge: adverts, gratuitous ARP and unsolicited NA, stamped by the kernel on arrival at the
//! port of the host that sent them, before the bridge and before anybody's XDP program.

mod frame;
mod pcap;

use std::collections::HashMap;
use std::io::IoSliceMut;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::net::if_::if_indextoname;
use nix::sys::socket::{ControlMessageOwned, LinkAddr, MsgFlags, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, SockFilter, Socket, Type};

use super::Lab;
use super::clock::Moment;

pub use frame::{Advert, Seen};
pub use pcap::complaints;

/// How often the capture looks whether it should end.
const CHECK: Duration = Duration::from_millis(50);
/// Frames that may wait for a capture that is not scheduled.
const BUFFER: usize = 16 << 20;
/// Longest frame that is kept whole: an MTU and its header.
const LONGEST: usize = 1_600;

/// One frame.
#[derive(Clone, Debug)]
pub struct Frame {
    /// When it arrived at the bridge.
    pub at: Moment,
    /// The host that sent it.
    pub from: Arc<str>,
    /// Its bytes from the Ethernet header on.
    pub bytes: Vec<u8>,
}

impl Frame {
    /// What it means, if it is one of the kinds that are watched for.
    pub fn seen(&self) -> Option<Seen> {
        frame::parse(&self.bytes)
    }
}

/// A running capture. Dropping it ends it.
pub struct Wire {
    frames: Arc<Mutex<Vec<Frame>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Wire {
    /// Captures on every port of the lab's bridge, those of later hosts too.
    pub fn start(lab: &Lab) -> Result<Wire> {
        let bridge = lab.bridge().interface_index("br0")?;
        Wire::capture(lab, &filter(bridge))
    }

    /// Captures adverts over IPv4 and ARP at the ports of two hosts alone, whatever floods the others send.
    pub fn of_two(lab: &Lab, hosts: [&str; 2]) -> Result<Wire> {
        let [a, b] = hosts;
        let ports = [lab.bridge().interface_index(a)?, lab.bridge().interface_index(b)?];
        Wire::capture(lab, &filter_ports(ports))
    }

    fn capture(lab: &Lab, filter: &[SockFilter]) -> Result<Wire> {
        let socket = lab.bridge().enter(|| open(filter))??;
        let frames = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (kept, ending) = (Arc::clone(&frames), Arc::clone(&stop));
        let thread = lab.bridge().thread(move || capture(&socket, &kept, &ending))?;
        Ok(Wire { frames, stop, thread: Some(thread) })
    }

    /// Every frame so far.
    pub fn frames(&self) -> Vec<Frame> {
        lock(&self.frames).clone()
    }

    /// Looks at the frames so far without copying them. The capture waits meanwhile; the socket's buffer does not.
    pub fn look<T>(&self, look: impl FnOnce(&[Frame]) -> T) -> T {
        look(&lock(&self.frames))
    }

    /// Drops the frames before `moment`: hours of capture are not to be kept in memory.
    pub fn forget(&self, moment: Moment) {
        lock(&self.frames).retain(|frame| frame.at >= moment);
    }

    /// The first frame at or after `from` that `wanted` accepts, by its arrival, its sender and its meaning.
    pub fn first(&self, from: Moment, mut wanted: impl FnMut(&str, &Seen) -> bool) -> Option<(Moment, Seen)> {
        lock(&self.frames).iter().filter(|frame| frame.at >= from).find_map(|frame| {
            let seen = frame.seen()?;
            wanted(&frame.from, &seen).then_some((frame.at, seen))
        })
    }

    /// How many frames since `from` `wanted` accepts.
    pub fn count(&self, from: Moment, mut wanted: impl FnMut(&str, &Seen) -> bool) -> usize {
        let frames = lock(&self.frames);
        let since = frames.iter().filter(|frame| frame.at >= from);
        since.filter(|frame| frame.seen().is_some_and(|seen| wanted(&frame.from, &seen))).count()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock(frames: &Mutex<Vec<Frame>>) -> MutexGuard<'_, Vec<Frame>> {
    frames.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens a packet socket for what passes `filter`.
fn open(filter: &[SockFilter]) -> Result<Socket> {
    const ALL: i32 = 0x0003; // ETH_P_ALL
    let protocol = Protocol::from(i32::from(u16::try_from(ALL)?.to_be()));
    let socket =
        Socket::new(Domain::PACKET, Type::RAW, Some(protocol)).context("cannot open a packet socket")?;
    socket.attach_filter(filter).context("cannot attach the capture's filter")?;
    setsockopt(&socket, sockopt::RcvBufForce, &BUFFER).context("cannot enlarge the capture's buffer")?;
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true).context("cannot have frames stamped")?;
    socket.set_read_timeout(Some(CHECK))?;
    Ok(socket)
}

const BYTE: u16 = 0x30; // BPF_LD | BPF_B | BPF_ABS
const HALF: u16 = 0x28;
const WORD: u16 = 0x20;
const EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const RETURN: u16 = 0x06;
const ANCILLARY: u32 = 0xffff_f000; // SKF_AD_OFF
const OUTGOING: u32 = 4; // PACKET_OUTGOING

fn load(size: u16, offset: u32) -> SockFilter {
    SockFilter::new(size, 0, 0, offset)
}

fn equal(value: u32, then: u8, otherwise: u8) -> SockFilter {
    SockFilter::new(EQUAL, then, otherwise, value)
}

/// Classic BPF: ARP, and VRRP over IPv4, that comes in at one of two ports.
fn filter_ports([a, b]: [u32; 2]) -> [SockFilter; 12] {
    [
        load(BYTE, ANCILLARY + 4), // SKF_AD_PKTTYPE
        equal(OUTGOING, 9, 0),
        load(WORD, ANCILLARY + 8), // SKF_AD_IFINDEX
        equal(a, 1, 0),
        equal(b, 0, 6),
        load(HALF, 12),
        equal(0x0806, 3, 0),
        equal(0x0800, 0, 3),
        load(BYTE, 23),
        equal(112, 0, 1),
        SockFilter::new(RETURN, 0, 0, 0xffff),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}

/// Classic BPF: incoming ARP, VRRP over IPv4 and IPv6, neighbour advertisements, at any interface but the bridge's own,
/// where floods arrive again. So the thousands of probes that pass at the same time wake nobody.
fn filter(bridge: u32) -> [SockFilter; 17] {
    [
        load(BYTE, ANCILLARY + 4), // SKF_AD_PKTTYPE
        equal(OUTGOING, 14, 0),
        load(WORD, ANCILLARY + 8), // SKF_AD_IFINDEX
        equal(bridge, 12, 0),
        load(HALF, 12),
        equal(0x0806, 9, 0),
        equal(0x0800, 1, 0),
        equal(0x86dd, 2, 8),
        load(BYTE, 23),
        equal(112, 5, 6),
        load(BYTE, 20),
        equal(112, 3, 0),
        equal(58, 0, 3),
        load(BYTE, 54),
        equal(136, 0, 1),
        SockFilter::new(RETURN, 0, 0, 0xffff),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}

fn capture(socket: &Socket, frames: &Mutex<Vec<Frame>>, stop: &AtomicBool) {
    let mut names: HashMap<usize, Arc<str>> = HashMap::new();
    let mut buffer = vec![0_u8; LONGEST];
    while !stop.load(Ordering::Relaxed) {
        if let Some((port, at, bytes)) = receive(socket, &mut buffer) {
            let from = names.entry(port).or_insert_with(|| name(port));
            lock(frames).push(Frame { at, from: Arc::clone(from), bytes });
        }
    }
}

fn name(port: usize) -> Arc<str> {
    let name = u32::try_from(port).ok().and_then(|index| if_indextoname(index).ok());
    name.map_or_else(|| format!("port {port}").into(), |name| name.to_string_lossy().into())
}

/// One frame: its port, its arrival, its bytes. Nothing after [`CHECK`].
fn receive(socket: &Socket, buffer: &mut [u8]) -> Option<(usize, Moment, Vec<u8>)> {
    let mut control = nix::cmsg_space!(TimeSpec);
    let mut slices = [IoSliceMut::new(buffer)];
    let message =
        recvmsg::<LinkAddr>(socket.as_raw_fd(), &mut slices, Some(&mut control), MsgFlags::empty()).ok()?;
    let port = message.address?.ifindex();
    let at = message.cmsgs().ok()?.find_map(|control| match control {
        ControlMessageOwned::ScmTimestampns(stamp) => Some(Moment::from_realtime(stamp)),
        _ => None,
    });
    let length = message.bytes;
    // A copy of its length: a thousand adverts take a hundred kilobytes and not megabytes.
    let bytes = buffer.get(..length)?.to_vec();
    Some((port, at.unwrap_or_else(Moment::now), bytes))
}

#[cfg(test)]
mod tests;
