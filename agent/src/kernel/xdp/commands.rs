//! Programs run on demand: the control program with the agent's commands, the others on frames of a test or a bench.

use std::time::Duration;

use aya::programs::{TestRun as _, TestRunOptions, Xdp};
use nix::errno::Errno;
use vipward_common::abi::{self, Command, OP_PREPARE, RouterKey, names};

use super::XdpPath;
use crate::kernel::error::{KernelError, chain};
use crate::kernel::{object, slab};

/// What the program answers to stop a packet that leaves.
const TCX_DROP: u32 = 2;
/// Attempts to allocate one timer, with half a millisecond's help to the kernel in between: see [`slab`]. Nobody
/// sleeps here, for others' adverts are due. If all fail the instance is in FAULT, and tries again later.
const ARM_ATTEMPTS: usize = 8;

impl XdpPath {
    /// Runs the program that packets leave through on a frame, as if it left by the loopback interface; whether it
    /// stopped it.
    pub fn run_egress(&mut self, frame: &[u8]) -> Result<bool, KernelError> {
        let options = TestRunOptions { data_in: Some(frame), ..TestRunOptions::default() };
        let failed = |error| KernelError::Control(chain(&error));
        let result = object::egress(&mut self.bpf)?.test_run(options).map_err(failed)?;
        Ok(result.return_value == TCX_DROP)
    }

    /// Runs the program on a frame as if it had arrived on the loopback interface (index 1) of the current network
    /// namespace; returns its verdict (`XDP_DROP` 1, `XDP_PASS` 2) and the mean time of one of `repeat` runs.
    pub fn run(&mut self, frame: &[u8], repeat: u32) -> Result<(u32, Duration), KernelError> {
        test_run(object::program(&mut self.bpf, names::PROGRAM)?, frame, repeat)
    }

    /// The control program's answer, and the errno that came with it.
    pub(super) fn command(&mut self, command: &Command) -> Result<(u32, Errno), KernelError> {
        // SAFETY: Command is plain old data without padding (asserted in the ABI), so all its bytes are initialised.
        let bytes = unsafe {
            std::slice::from_raw_parts(std::ptr::from_ref(command).cast::<u8>(), size_of::<Command>())
        };
        let (result, _) = test_run(object::program(&mut self.bpf, names::CONTROL)?, bytes, 1)?;
        let errno = Errno::from_raw(i32::try_from(result >> abi::ERRNO_SHIFT).unwrap_or(0));
        match result & ((1 << abi::ERRNO_SHIFT) - 1) {
            abi::UNKNOWN_ROUTER => Err(KernelError::UnknownRouter(command.key)),
            abi::MALFORMED => Err(KernelError::Control(format!("it does not know command {}", command.op))),
            answer @ (abi::DONE | abi::STALE | abi::NOT_ARMED) => Ok((answer, errno)),
            other => Err(KernelError::Control(format!("it answered {other}"))),
        }
    }

    /// Allocates a router's timer.
    pub(super) fn prepare(&mut self, key: RouterKey) -> Result<(), KernelError> {
        let mut refusal = Errno::ENOMEM;
        for _ in 0..ARM_ATTEMPTS {
            let (answer, errno) = self.command(&Command { key, op: OP_PREPARE, ..Command::default() })?;
            if answer == abi::DONE {
                return Ok(());
            }
            refusal = errno;
            if errno != Errno::ENOMEM {
                break;
            }
            slab::refill();
        }
        Err(KernelError::NotArmed { key, errno: refusal })
    }
}

fn test_run(program: &Xdp, packet: &[u8], repeat: u32) -> Result<(u32, Duration), KernelError> {
    let options = TestRunOptions { data_in: Some(packet), repeat, ..TestRunOptions::default() };
    let result = program.test_run(options).map_err(|error| KernelError::Control(chain(&error)))?;
    Ok((result.return_value, result.duration))
}
