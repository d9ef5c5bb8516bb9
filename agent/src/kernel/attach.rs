//! Attaching the program to an interface, and what the kernel means when it refuses.

use std::path::Path;

use aya::Ebpf;
use aya::programs::links::{FdLink, LinkError, PinnedLink};
use aya::programs::tc::{SchedClassifierLink, TcAttachOptions};
use aya::programs::xdp::{XdpLink, XdpMode};
use aya::programs::{LinkOrder, ProgramError, TcAttachType};
use nix::errno::Errno;
use vipward_common::abi::names;

use super::error::{KernelError, chain, errno};
use super::pins::{Hook, Pins};
use super::{Kind, object};

/// A program on one interface.
pub(super) enum Attached {
    /// Detached when this is dropped.
    Received(#[expect(dead_code, reason = "held for its drop")] XdpLink),
    /// The same.
    Sent(#[expect(dead_code, reason = "held for its drop")] SchedClassifierLink),
    /// Stays until it is unpinned.
    Pinned(PinnedLink),
}

impl Attached {
    /// Takes the program off the interface, which may be gone.
    pub(super) fn detach(self) {
        if let Attached::Pinned(link) = self {
            // What is not there any more holds nothing either.
            let _ = link.unpin();
        }
    }
}

/// Puts the program on an interface, in place of an earlier agent's if there is one.
pub(super) fn attach(
    bpf: &mut Ebpf,
    pins: Option<&Pins>,
    ifindex: u32,
    name: &str,
    kind: Kind,
) -> Result<Attached, KernelError> {
    let mode = if kind == Kind::Xdp { XdpMode::Driver } else { XdpMode::Skb };
    let hook = if kind == Kind::Xdp { Hook::Xdp } else { Hook::XdpGeneric };
    let Some(pins) = pins else { return attach_here(bpf, ifindex, name, mode).map(Attached::Received) };
    for (_, other, path) in pins.links().into_iter().filter(|(found, ..)| *found == ifindex) {
        if other == hook && adopt(bpf, &path).is_ok() {
            return pinned(&path, name);
        }
        if other != Hook::Egress {
            // Of an interface that is gone, or in another mode: in the way of a new one.
            let _ = std::fs::remove_file(path);
        }
    }
    let link = attach_here(bpf, ifindex, name, mode)?.try_into();
    pin(link, pins, ifindex, hook, name)
}

/// Puts the program that packets leave through on an interface, in the same way. Kernels before 6.6 have no place
/// for it.
pub(super) fn attach_egress(
    bpf: &mut Ebpf,
    pins: Option<&Pins>,
    ifindex: u32,
    name: &str,
) -> Result<Attached, KernelError> {
    if let Some(pins) = pins {
        let path = pins.link(ifindex, Hook::Egress);
        if path.exists() && adopt_egress(bpf, &path).is_ok() {
            return pinned(&path, name);
        }
        // Of an interface that is gone, or not there at all.
        let _ = std::fs::remove_file(path);
    }
    let refused =
        |source| KernelError::Attach { why: format!("what leaves {name} is not fenced: {source}"), source };
    let program = object::egress(bpf)?;
    let order = TcAttachOptions::TcxOrder(LinkOrder::default());
    let link = program.attach_with_options(name, TcAttachType::Egress, order).map_err(refused)?;
    let link = program.take_link(link).map_err(refused)?;
    match pins {
        Some(pins) => pin(link.try_into(), pins, ifindex, Hook::Egress, name),
        None => Ok(Attached::Sent(link)),
    }
}

fn pinned(path: &Path, name: &str) -> Result<Attached, KernelError> {
    PinnedLink::from_pin(path).map(Attached::Pinned).map_err(|error| unpinnable(name, &error))
}

fn pin(
    link: Result<FdLink, LinkError>,
    pins: &Pins,
    ifindex: u32,
    hook: Hook,
    name: &str,
) -> Result<Attached, KernelError> {
    let link = link.map_err(|error| unpinnable(name, &error))?;
    link.pin(pins.link(ifindex, hook)).map(Attached::Pinned).map_err(|error| unpinnable(name, &error))
}

fn unpinnable(name: &str, error: &dyn std::error::Error) -> KernelError {
    KernelError::Pins(format!("cannot pin a program of {name}: {}", chain(error)))
}

/// Replaces the program behind a pinned link by ours, without a moment between the two.
fn adopt(bpf: &mut Ebpf, path: &Path) -> Result<(), KernelError> {
    let link = XdpLink::try_from(found(path)?).map_err(|error| lost(&error))?;
    let program = object::program(bpf, names::PROGRAM)?;
    let id = program.attach_to_link(link).map_err(|error| lost(&error))?;
    program.take_link(id).map(drop).map_err(|error| lost(&error))
}

fn adopt_egress(bpf: &mut Ebpf, path: &Path) -> Result<(), KernelError> {
    let link = SchedClassifierLink::try_from(found(path)?).map_err(|error| lost(&error))?;
    let program = object::egress(bpf)?;
    let id = program.attach_to_link(link).map_err(|error| lost(&error))?;
    program.take_link(id).map(drop).map_err(|error| lost(&error))
}

fn found(path: &Path) -> Result<FdLink, KernelError> {
    PinnedLink::from_pin(path).map(FdLink::from).map_err(|error| lost(&error))
}

fn lost(error: &dyn std::error::Error) -> KernelError {
    KernelError::Pins(chain(error))
}

/// Attaches the program; it is detached when the link is dropped.
fn attach_here(bpf: &mut Ebpf, ifindex: u32, name: &str, mode: XdpMode) -> Result<XdpLink, KernelError> {
    let program = object::program(bpf, names::PROGRAM)?;
    let refused = |source| KernelError::Attach { why: why(name, mode, &source), source };
    let link = program.attach_to_if_index(ifindex, mode).map_err(refused)?;
    program.take_link(link).map_err(refused)
}

fn why(name: &str, mode: XdpMode, error: &ProgramError) -> String {
    let mode = if matches!(mode, XdpMode::Driver) { "native" } else { "generic" };
    let reason = match errno(error).map(Errno::from_raw) {
        Some(Errno::EOPNOTSUPP) => "the driver does not support it".to_owned(),
        Some(Errno::EBUSY | Errno::EEXIST) => "another XDP program is attached".to_owned(),
        Some(Errno::ERANGE | Errno::E2BIG) => {
            "the MTU is too large for it (one page holds about 3500 bytes of packet)".to_owned()
        }
        Some(Errno::ENODEV) => "the interface is gone".to_owned(),
        Some(Errno::EPERM) => "CAP_NET_ADMIN is missing".to_owned(),
        Some(Errno::ENOMEM) => "the driver has no memory for its queues".to_owned(),
        _ => chain(error),
    };
    format!("{mode} XDP on {name}: {reason}")
}
