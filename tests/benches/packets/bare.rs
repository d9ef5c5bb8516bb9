//! An XDP program that lets everything pass: what the kernel and its measurement cost by themselves.

use std::io::{Error, Result};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use nix::libc::{self, c_long, c_uint};

// include/uapi/linux/bpf.h
const BPF_PROG_LOAD: c_uint = 5;
const BPF_PROG_TEST_RUN: c_uint = 10;
const BPF_PROG_TYPE_XDP: u32 = 6;

/// `r0 = XDP_PASS; exit`.
const PROGRAM: [u64; 2] = [0x0000_0002_0000_00b7, 0x95];

/// What BPF_PROG_LOAD must be told, up to the last field that is not zero.
#[repr(C)]
struct Load {
    kind: u32,
    instructions: u32,
    program: u64,
    license: u64,
}

/// What BPF_PROG_TEST_RUN is told and tells.
#[repr(C)]
#[derive(Default)]
struct TestRun {
    program: u32,
    verdict: u32,
    size_in: u32,
    size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    /// Mean, in nanoseconds.
    duration: u32,
}

/// The loaded program.
pub(crate) struct Bare(OwnedFd);

impl Bare {
    /// Loads it.
    pub(crate) fn load() -> Result<Bare> {
        let mut load = Load {
            kind: BPF_PROG_TYPE_XDP,
            instructions: u32::try_from(PROGRAM.len()).unwrap_or(0),
            program: PROGRAM.as_ptr().expose_provenance() as u64,
            license: c"GPL".as_ptr().expose_provenance() as u64,
        };
        // SAFETY: `Load` is the beginning of the kernel's `bpf_attr` for this command, and points to constants.
        let fd = unsafe { bpf(BPF_PROG_LOAD, &mut load) }?;
        // SAFETY: the kernel has just given us this descriptor.
        Ok(Bare(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Runs it on `frame` `repeat` times; returns the mean.
    pub(crate) fn run(&self, frame: &[u8], repeat: u32) -> Result<Duration> {
        let mut run = TestRun {
            program: u32::try_from(self.0.as_raw_fd()).unwrap_or(u32::MAX),
            size_in: u32::try_from(frame.len()).unwrap_or(u32::MAX),
            data_in: frame.as_ptr().expose_provenance() as u64,
            repeat,
            ..TestRun::default()
        };
        // SAFETY: `TestRun` is the beginning of `bpf_attr` for this command; the frame outlives the call, and nothing
        // is written back beside the struct itself, for there is no room for output.
        unsafe { bpf(BPF_PROG_TEST_RUN, &mut run) }?;
        Ok(Duration::from_nanos(run.duration.into()))
    }
}

/// The bpf(2) system call.
///
/// # Safety
///
/// `attributes` must be what the kernel expects of `command`, and all that it points to must be valid.
unsafe fn bpf<T>(command: c_uint, attributes: &mut T) -> Result<RawFd> {
    // SAFETY: the caller's.
    let result: c_long =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<T>()) };
    if result < 0 { Err(Error::last_os_error()) } else { Ok(RawFd::try_from(result).unwrap_or(-1)) }
}
