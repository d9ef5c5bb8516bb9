//! Taking capabilities away from the current thread.

use nix::errno::Errno;
use nix::libc::{SYS_capset, syscall};

/// CAP_NET_ADMIN.
pub(crate) const NET_ADMIN: u32 = 12;
/// CAP_NET_RAW.
pub(crate) const NET_RAW: u32 = 13;

/// `_LINUX_CAPABILITY_VERSION_3`.
const VERSION: u32 = 0x2008_0522;

/// Drops all capabilities of this thread but these, for good.
pub(crate) fn keep_only(kept: &[u32]) {
    let low = kept.iter().fold(0_u32, |set, capability| set | 1 << capability);
    // Version and thread (0 is this one); then effective, permitted and inheritable, low halves and high halves.
    let header = [VERSION, 0];
    let sets = [low, low, 0, 0, 0, 0];
    // SAFETY: both point at as many words as the kernel's structures of this version have.
    let result = unsafe { syscall(SYS_capset, header.as_ptr(), sets.as_ptr()) };
    Errno::result(result).unwrap();
}
