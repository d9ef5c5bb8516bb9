//! What an instance brings to the host's network besides plain addresses.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::{Family, Location, Vip};

/// Options of a virtual address that few need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a keyword of its own")]
pub struct VipOptions {
    /// `peer`: the other end of a point-to-point link, of the address's family.
    pub peer: Option<IpAddr>,
    /// `preferred_lft`: IPv6 only, for how many seconds the host may choose the address as a source; `u32::MAX` is
    /// for ever. 0 for a /128 and for ever otherwise when `None`.
    pub preferred_lft: Option<u32>,
    /// `-nodad`: IPv6 duplicate address detection takes place.
    pub dad: bool,
    /// `home`: an IPv6 home address (RFC 6275).
    pub home: bool,
    /// `mngtmpaddr`: the kernel makes temporary IPv6 addresses of its prefix (RFC 8981).
    pub mngtmpaddr: bool,
    /// `noprefixroute`: no route to the address's prefix comes with it.
    pub noprefixroute: bool,
    /// `no_track`: once somebody removes it, it stays away until the instance becomes MASTER again.
    pub no_track: bool,
}

/// Pauses after each announcement, before the next one on the same interface; zero for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// After a gratuitous ARP.
    pub arp: Duration,
    /// After an unsolicited neighbour advertisement.
    pub na: Duration,
}

/// A `garp_group`: interfaces that share one pace, and wait for each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaceGroup {
    /// Their names.
    pub interfaces: Vec<String>,
    /// The pace.
    pub pace: Pace,
}

/// How fast announcements leave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pacing {
    /// `vrrp_garp_interval` and `vrrp_gna_interval`: for interfaces of no group, each by itself.
    pub default: Pace,
    /// `garp_group` blocks.
    pub groups: Vec<PaceGroup>,
}

/// A line of `interface_up_down_delays`: how long a change must last before it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkDelay {
    /// The interface.
    pub interface: String,
    /// After it went down.
    pub down: Duration,
    /// After it came up.
    pub up: Duration,
    /// Where it was written.
    pub at: Location,
}

/// A line of `virtual_routes` or `static_routes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The line, word by word, for messages.
    pub text: String,
    /// What happens to packets.
    pub kind: RouteKind,
    /// Where they go to.
    pub destination: IpNet,
    /// `from`: IPv6 only, where they come from.
    pub from: Option<IpNet>,
    /// `src`: the source that this host chooses.
    pub source: Option<IpAddr>,
    /// Where they are sent on; more than one share them.
    pub hops: Vec<Hop>,
    /// `table`: number of the routing table.
    pub table: u32,
    /// `tos`.
    pub tos: u8,
    /// `metric`.
    pub metric: Option<u32>,
    /// `protocol`: who added it.
    pub protocol: u8,
    /// `scope`: rtnetlink's number.
    pub scope: u8,
    /// `pref`: IPv6 only, router preference.
    pub preference: Option<u8>,
    /// `realms`: IPv4 only.
    pub realms: Option<u32>,
    /// `mtu` and the like.
    pub metrics: Vec<Metric>,
    /// `congctl`: algorithm against congestion, and whether it is locked.
    pub congestion: Option<(String, bool)>,
    /// Where it stands among others to the same destination.
    pub placement: Placement,
    /// `no_track`: once somebody removes it, it stays away until the instance becomes MASTER again.
    pub no_track: bool,
    /// Where it was written.
    pub at: Location,
}

/// What a route does with packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteKind {
    /// Sends them on.
    Unicast,
    /// Takes them for this host's own.
    Local,
    /// Sends them to all.
    Broadcast,
    /// Discards them in silence.
    Blackhole,
    /// Answers that the destination is unreachable.
    Unreachable,
    /// Answers that it is forbidden.
    Prohibit,
    /// Ends the search in this table.
    Throw,
}

/// A next hop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hop {
    /// `via`: the gateway.
    pub via: Option<IpAddr>,
    /// `dev`: the interface.
    pub dev: Option<String>,
    /// `weight`, 1 to 256.
    pub weight: u16,
    /// `onlink`: the gateway is on the link, whatever the addresses say.
    pub onlink: bool,
}

/// A value that goes with a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// The kernel's number of it (`RTAX_…`).
    pub number: u16,
    /// Its value.
    pub value: u32,
    /// The kernel may not change it.
    pub locked: bool,
}

/// Where a route stands among others to the same destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Before them: keepalived's habit.
    Prepend,
    /// After them.
    Append,
    /// There must be none.
    Alone,
}

/// A line of `virtual_rules` or `static_rules`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The line, word by word, for messages.
    pub text: String,
    /// Family of the packets.
    pub family: Family,
    /// `not`: for all packets but these.
    pub inverted: bool,
    /// `from`: where they come from.
    pub from: Option<IpNet>,
    /// `to`: where they go to.
    pub to: Option<IpNet>,
    /// `iif`: by which interface they came.
    pub iif: Option<String>,
    /// `oif`: by which interface a socket is bound to send them.
    pub oif: Option<String>,
    /// `tos`.
    pub tos: u8,
    /// `fwmark`, and its mask.
    pub mark: Option<(u32, Option<u32>)>,
    /// `ipproto`.
    pub ip_protocol: Option<u8>,
    /// `sport`.
    pub source_ports: Option<(u16, u16)>,
    /// `dport`.
    pub destination_ports: Option<(u16, u16)>,
    /// `uidrange`.
    pub users: Option<(u32, u32)>,
    /// `tunnel-id`.
    pub tunnel: Option<u64>,
    /// `preference`: rules are tried in this order.
    pub priority: u32,
    /// What is done with them.
    pub action: RuleAction,
    /// `suppress_prefixlength`: routes of so short a prefix do not count.
    pub suppress_prefix: Option<u32>,
    /// `suppress_ifgroup`: routes by interfaces of this group do not count.
    pub suppress_group: Option<u32>,
    /// `realms`: IPv4 only.
    pub realms: Option<u32>,
    /// `protocol`: who added it.
    pub protocol: u8,
    /// `no_track`: once somebody removes it, it stays away until the instance becomes MASTER again.
    pub no_track: bool,
    /// Where it was written.
    pub at: Location,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleAction {
    /// Looks into a table.
    Table(u32),
    /// Looks into the table of the VRF.
    L3mdev,
    /// Goes on with the rule of this preference.
    Goto(u32),
    /// Nothing.
    Nop,
    /// Discards in silence.
    Blackhole,
    /// Answers that the destination is unreachable.
    Unreachable,
    /// Answers that it is forbidden.
    Prohibit,
}

/// What is there for as long as the agent runs, whoever is MASTER.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statics {
    /// `static_ipaddress`.
    pub addresses: Vec<Vip>,
    /// `static_routes`.
    pub routes: Vec<Route>,
    /// `static_rules`.
    pub rules: Vec<Rule>,
}

/// `use_vmac`: an interface with the router's virtual MAC, which carries the VIPs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vmac {
    /// Its name.
    pub name: String,
    /// Its MAC.
    pub mac: [u8; 6],
    /// `vmac_xmit_base`: adverts leave by the instance's own interface, with that one's MAC.
    pub xmit_base: bool,
    /// Where it was asked for.
    pub at: Location,
}
