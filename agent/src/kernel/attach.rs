//! Attaching the program to an interface, and what the kernel means when it refuses.

use aya::Ebpf;
use aya::programs::ProgramError;
use aya::programs::links::{FdLink, LinkError, PinnedLink};
use aya::programs::xdp::{XdpLink, XdpMode};
use nix::errno::Errno;
use vipward_common::abi::names;

use super::error::{KernelError, chain, errno};
use super::pins::Pins;
use super::{Kind, object};

/// The program on one interface.
pub(super) enum Attached {
    /// Detached when this is dropped.
    Here(#[expect(dead_code, reason = "held for its drop")] XdpLink),
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
    let Some(pins) = pins else { return attach_here(bpf, ifindex, name, mode).map(Attached::Here) };
    for (_, other, path) in pins.links().into_iter().filter(|(found, ..)| *found == ifindex) {
        if other == kind && adopt(bpf, &path).is_ok() {
            let link = PinnedLink::from_pin(&path).map_err(|error| unpinnable(name, &error))?;
            return Ok(Attached::Pinned(link));
        }
        // Of an interface that is gone, or in another mode: in the way of a new one.
        let _ = std::fs::remove_file(path);
    }
    let link: FdLink = attach_here(bpf, ifindex, name, mode)?
        .try_into()
        .map_err(|error: LinkError| unpinnable(name, &error))?;
    let link = link.pin(pins.link(ifindex, kind)).map_err(|error| unpinnable(name, &error))?;
    Ok(Attached::Pinned(link))
}

fn unpinnable(name: &str, error: &dyn std::error::Error) -> KernelError {
    KernelError::Pins(format!("cannot pin the XDP program of {name}: {}", chain(error)))
}

/// Replaces the program behind a pinned link by ours, without a moment between the two.
fn adopt(bpf: &mut Ebpf, path: &std::path::Path) -> Result<(), KernelError> {
    let failed = |error: &dyn std::error::Error| KernelError::Pins(chain(error));
    let link: FdLink = PinnedLink::from_pin(path).map_err(|error| failed(&error))?.into();
    let link = XdpLink::try_from(link).map_err(|error| failed(&error))?;
    let program = object::program(bpf, names::PROGRAM)?;
    let id = program.attach_to_link(link).map_err(|error| failed(&error))?;
    program.take_link(id).map(drop).map_err(|error| failed(&error))
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
