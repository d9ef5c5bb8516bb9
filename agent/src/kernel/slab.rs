//! Helping the kernel to memory for timers.
//!
//! Linux 6.18 allocates a `bpf_timer` without waiting and without taking locks, from the slabs for objects of up to
//! 192 bytes. While it has a slab with room that works; when it needs another slab it can fail for hundreds of
//! milliseconds, on an idle machine for many seconds, until somebody else happens to allocate objects of that size
//! the ordinary way (seen as ENOMEM at every 21st timer, which is what fits a slab). So we are that somebody.

use std::os::fd::OwnedFd;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::pipe2;

/// Pipes that are made and closed: several slabs' worth.
const PIPES: usize = 64;
/// Four pages: their four 40-byte descriptors are one object of the size in question, charged like a map's.
const BYTES: i32 = 4 * 4096;

/// Leaves slabs with room behind on this CPU. Takes about half a millisecond, and does less, or nothing, where
/// descriptors are short.
pub(super) fn refill() {
    let pipes: Vec<(OwnedFd, OwnedFd)> = (0..PIPES).map_while(|_| pipe2(OFlag::O_CLOEXEC).ok()).collect();
    for (reader, _) in &pipes {
        // A refusal leaves the pipe at its default size, and us where we were.
        let _ = fcntl(reader, FcntlArg::F_SETPIPE_SZ(BYTES));
    }
}
