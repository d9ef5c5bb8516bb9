//! Attaching the program to an interface, and what the kernel means when it refuses.

use aya::Ebpf;
use aya::programs::ProgramError;
use aya::programs::xdp::{XdpLink, XdpMode};
use nix::errno::Errno;
use vipward_common::abi::names;

use super::error::{KernelError, chain, errno};
use super::object;

/// Attaches the program; it is detached when the link is dropped.
pub(super) fn attach(
    bpf: &mut Ebpf,
    ifindex: u32,
    name: &str,
    mode: XdpMode,
) -> Result<XdpLink, KernelError> {
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
