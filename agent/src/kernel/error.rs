//! What can go wrong between the agent and the kernel.

use std::io;

use aya::EbpfError;
use aya::maps::MapError;
use aya::programs::ProgramError;
use nix::errno::Errno;
use vipward_common::abi::RouterKey;

/// A failure of a data path.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The process may not use BPF or raw sockets.
    #[error("{0}")]
    Privileges(String),
    /// The kernel does not take the program.
    #[error("the kernel does not load the XDP program: {}", chain(.0))]
    Load(#[source] EbpfError),
    /// The kernel's verifier or loader refuses one of the programs.
    #[error("the kernel does not load the program `{name}`: {}", chain(.source))]
    Program {
        /// Its name in the object.
        name: &'static str,
        /// The verifier's output is in it.
        #[source]
        source: ProgramError,
    },
    /// The embedded object is not ours.
    #[error("the embedded object has no `{0}`")]
    Missing(&'static str),
    /// The interface does not take the program.
    #[error("{why}")]
    Attach {
        /// What the kernel's answer means.
        why: String,
        /// The answer.
        #[source]
        source: ProgramError,
    },
    /// The program could not be loaded before, and will not be now.
    #[error("{0}")]
    Unavailable(String),
    /// The interface has no data path yet, or no longer.
    #[error("interface {0} has no data path")]
    NotAttached(u32),
    /// What is pinned already is not ours to take over.
    #[error("{0}")]
    Pins(String),
    /// Nothing can be pinned here.
    #[error("{0}")]
    Unpinnable(String),
    /// The leases cannot be shared with the program.
    #[error("cannot map the leases: {0}")]
    Leases(Errno),
    /// Consumed adverts cannot be looked at.
    #[error("{0}")]
    Tap(String),
    /// A map operation failed.
    #[error("cannot {action} in the map `{map}`: {}", chain(.source))]
    Map {
        /// What was tried.
        action: &'static str,
        /// The map's name in the object.
        map: &'static str,
        /// The kernel's answer.
        #[source]
        source: MapError,
    },
    /// The router was never added, or was removed.
    #[error("VRID {} (IPv{}) on interface {} is not in the data path", .0.vrid, .0.family, .0.ifindex)]
    UnknownRouter(RouterKey),
    /// The router is there already.
    #[error("VRID {} (IPv{}) on interface {} is in the data path already", .0.vrid, .0.family, .0.ifindex)]
    Exists(RouterKey),
    /// Raw sockets do not see VLAN tags.
    #[error("VRID {} behind VLAN tag {} needs XDP, or a VLAN interface of its own", .0.vrid, .0.outer_vid)]
    Tagged(RouterKey),
    /// No room for another router.
    #[error("the data path holds {0} routers, and that is all it can")]
    Full(usize),
    /// The router's timer does not run: nobody would notice the master's death.
    #[error(
        "the kernel did not arm the timer of VRID {} (IPv{}) on interface {} ({errno}): its master is NOT being watched",
        .key.vrid, .key.family, .key.ifindex
    )]
    NotArmed {
        /// The router.
        key: RouterKey,
        /// The kernel's last answer.
        errno: Errno,
    },
    /// The control program could not be run, or gave an answer that is not in the ABI.
    #[error("the control program failed: {0}")]
    Control(String),
    /// A socket operation failed.
    #[error("cannot {action}: {source}")]
    Socket {
        /// What was tried.
        action: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
}

/// The error and its causes in one line; aya's own messages leave the causes out.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.contains(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        cause = error.source();
    }
    text
}

/// The errno at the bottom of an error's causes.
pub(crate) fn errno(error: &(dyn std::error::Error + 'static)) -> Option<i32> {
    let mut current = Some(error);
    while let Some(error) = current {
        if let Some(code) = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
            return Some(code);
        }
        current = error.source();
    }
    None
}
