//! Names of the object's programs and maps.

/// The XDP program that interfaces run.
pub const PROGRAM: &str = "vipward";
/// The program that carries out a [`crate::abi::Command`]; it is only ever run by BPF_PROG_TEST_RUN.
pub const CONTROL: &str = "control";
/// The program that packets leave interfaces through.
pub const EGRESS: &str = "egress";
/// [`crate::abi::RouterKey`] → [`crate::abi::Router`].
pub const ROUTERS: &str = "ROUTERS";
/// [`crate::abi::PeerKey`] → [`crate::abi::Peer`].
pub const PEERS: &str = "PEERS";
/// [`crate::abi::Router::slot`] → [`crate::abi::Counters`] of each CPU.
pub const COUNTERS: &str = "COUNTERS";
/// One element: events of all routers that found the ring full, by CPU.
pub const LOST: &str = "LOST";
/// Ring of [`crate::abi::Event`].
pub const EVENTS: &str = "EVENTS";
/// [`crate::abi::Router::slot`] → [`crate::abi::Tenure`]; the agent maps it into its memory.
pub const LEASES: &str = "LEASES";
/// [`crate::abi::StrangerKey`] → [`crate::abi::Stranger`].
pub const STRANGERS: &str = "STRANGERS";
/// [`crate::abi::VipKey`] → [`crate::abi::Router::slot`] of the router that it belongs to.
pub const VIPS: &str = "VIPS";
/// [`crate::hint::at`] → whether to look into [`VIPS`] at all.
pub const VIP_HINTS: &str = "VIP_HINTS";
/// One element: [`crate::tap::Tap`].
pub const TAP: &str = "TAP";
/// Where copies for the reader of the tap go: a [`crate::tap::Copied`], then the frame.
pub const COPIES: &str = "COPIES";
/// The maps that outlive the agent.
pub const PINNED: [&str; 2] = [LEASES, VIPS];
