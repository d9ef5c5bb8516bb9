//! The XDP program, embedded, and what it takes to load it.

use aya::programs::{ProgramError, SchedClassifier, Xdp};
use aya::{Ebpf, EbpfLoader};
use nix::errno::Errno;
use tracing::Level;
use vipward_common::abi::names;

use super::error::{KernelError, chain, errno};
use super::pins::Pins;
use crate::privileges::{self, Capability};

/// Target under which the program's own debug messages are logged.
const LOG_TARGET: &str = "vipward_ebpf";
/// The object that `build.rs` built.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/vipward-ebpf"));

/// Capabilities that loading and attaching need.
const NEEDED: [Capability; 3] = [privileges::BPF, privileges::NET_ADMIN, privileges::PERFMON];

/// Creates the maps, or takes over those that are pinned, and loads the programs.
pub(super) fn load(pins: Option<&Pins>) -> Result<Ebpf, KernelError> {
    let level = log_level();
    let mut loader = EbpfLoader::new();
    loader.override_global(aya_log::LEVEL, &level, true);
    for (pins, name) in pins.into_iter().flat_map(|pins| names::PINNED.map(|name| (pins, name))) {
        loader.map_pin_path(name, pins.map(name));
    }
    let mut bpf = loader.load(OBJECT).map_err(|error| refused(&error).unwrap_or(KernelError::Load(error)))?;
    for name in [names::PROGRAM, names::CONTROL] {
        program(&mut bpf, name)?
            .load()
            .map_err(|source| refused(&source).unwrap_or(KernelError::Program { name, source }))?;
    }
    let name = names::EGRESS;
    egress(&mut bpf)?
        .load()
        .map_err(|source| refused(&source).unwrap_or(KernelError::Program { name, source }))?;
    Ok(bpf)
}

/// The program that packets leave through.
pub(super) fn egress(bpf: &mut Ebpf) -> Result<&mut SchedClassifier, KernelError> {
    let name = names::EGRESS;
    let program = bpf.program_mut(name).ok_or(KernelError::Missing(name))?;
    program.try_into().map_err(|source: ProgramError| KernelError::Program { name, source })
}

/// One of the object's XDP programs.
pub(super) fn program<'a>(bpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut Xdp, KernelError> {
    let program = bpf.program_mut(name).ok_or(KernelError::Missing(name))?;
    program.try_into().map_err(|source: ProgramError| KernelError::Program { name, source })
}

/// Up to which level the program logs. Below it the verifier removes the messages, so they cost nothing.
fn log_level() -> u8 {
    let level = if tracing::enabled!(target: LOG_TARGET, Level::TRACE) {
        Some(aya_log::Level::Trace)
    } else if tracing::enabled!(target: LOG_TARGET, Level::DEBUG) {
        Some(aya_log::Level::Debug)
    } else {
        None
    };
    level.map_or(0, |level| level as u8)
}

/// Whether the messages of the program are wanted at all.
pub(super) fn logs_enabled() -> bool {
    log_level() != 0
}

/// The clear form of an error that comes from missing privileges.
fn refused(error: &(dyn std::error::Error + 'static)) -> Option<KernelError> {
    let denied = [Errno::EPERM, Errno::EACCES].map(|errno| errno as i32);
    errno(error).filter(|code| denied.contains(code))?;
    let missing = privileges::missing(&NEEDED);
    if !missing.is_empty() {
        return Some(KernelError::Privileges(format!(
            "XDP needs {}, which this process lacks",
            missing.join(" and ")
        )));
    }
    // With all of them and still EPERM: a user namespace, seccomp or lockdown. A verifier's EACCES is none of these.
    (errno(error) == Some(Errno::EPERM as i32)).then(|| {
        KernelError::Privileges(format!(
            "the kernel refuses BPF although the process has the capabilities (user namespace, seccomp, lockdown?): {}",
            chain(error)
        ))
    })
}
