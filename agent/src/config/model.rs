//! What a configuration means, after every check: plain owned data that the agent runs on and that a reload
//! compares. Two equal values need no action; where a thing was written does not count, see [`Location`].

mod location;
mod mail;
mod network;
mod script;
mod told;
mod tracked;

use std::net::IpAddr;
use std::time::Duration;

pub use location::{Location, Origin, Via};
pub use mail::Mail;
pub use network::{
    Hop, LinkDelay, Metric, Pace, PaceGroup, Pacing, Placement, Route, RouteKind, Rule, RuleAction, Statics,
    VipOptions, Vmac,
};
pub use script::{Command, How, Script};
pub use told::{Fifo, LifeScript, Notify, NotifyScript};
pub use tracked::{FileInit, ParamMatch, TrackFile, TrackItem, TrackProcess};
pub use vipward_vrrp::types::{Family, Version};

/// A whole configuration: what `keepalived.conf` and the files that it includes say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `global_defs`.
    pub globals: Globals,
    /// `vrrp_script` blocks, in the order of the file. keepalived runs only those that an instance tracks.
    pub scripts: Vec<Script>,
    /// `track_file` blocks, in the order of the file. Only those that an instance tracks are watched.
    pub files: Vec<TrackFile>,
    /// `vrrp_track_process` blocks, in the order of the file. Only those that an instance tracks are watched.
    pub processes: Vec<TrackProcess>,
    /// `vrrp_instance` blocks, in the order of the file.
    pub instances: Vec<Instance>,
    /// `vrrp_sync_group` blocks, in the order of the file.
    pub groups: Vec<Group>,
    /// What is there whoever is MASTER.
    pub statics: Statics,
    /// How fast announcements leave.
    pub pacing: Pacing,
    /// `interface_up_down_delays`.
    pub link_delays: Vec<LinkDelay>,
}

/// `global_defs`, less the defaults that are already merged into the instances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Globals {
    /// `router_id`: this machine's name in messages; its host name when `None`.
    pub router_id: Option<String>,
    /// `script_user`: whom scripts without a `user` of their own run as. `None` is keepalived's rule: the user
    /// `keepalived_script` if there is one, else whom the agent runs as.
    pub script_user: Option<User>,
    /// `enable_script_security`: a script that would run as root is not run if anybody else can change it.
    pub script_security: bool,
    /// `notify_fifo`, `vrrp_notify_fifo`: FIFOs that are told of everything.
    pub fifos: Vec<Fifo>,
    /// `startup_script`: run before anything else.
    pub startup: Option<LifeScript>,
    /// `shutdown_script`: run after everything else.
    pub shutdown: Option<LifeScript>,
    /// `vrrp_rt_priority`: SCHED_FIFO priority of the election thread, 1 to 99; the agent's own choice if `None`.
    pub rt_priority: Option<u8>,
    /// `vrrp_cpu_affinity`: the CPUs that the election thread may run on; any when empty.
    pub cpu_affinity: Vec<usize>,
    /// `vrrp_startup_delay`: how long after its start the agent takes no part in any election.
    pub startup_delay: Duration,
    /// Mail upon transitions; `None` if nobody can be written to.
    pub mail: Option<Mail>,
    /// `fifo_write_vrrp_states_on_reload`: after a reload FIFOs are told how everything stands.
    pub tells_states_on_reload: bool,
}

/// Whom a script runs as, by name or number, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// User name or number.
    pub name: String,
    /// Group name or number; the user's own group when `None`.
    pub group: Option<String>,
    /// Where it was written.
    pub at: Location,
}

/// `state`: what an instance wants to be when it starts. keepalived gives a head start only with priority 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// `state MASTER`.
    Master,
    /// `state BACKUP`, and the default.
    Backup,
}

/// How the checksum of a sent v3/IPv4 advert is made; both forms are accepted on receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// With an IPv4 pseudo-header: RFC 5798 as keepalived and FRR send it, and the default.
    PseudoHeader,
    /// Without one: RFC 9568, and `v3_checksum_as_v2` of later keepalived versions.
    Plain,
}

/// A `vrrp_instance`: one virtual router.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a keyword of its own")]
pub struct Instance {
    /// Its name, unique in the configuration.
    pub name: String,
    /// Where the block begins.
    pub at: Location,
    /// What it wants to be when it starts.
    pub state: State,
    /// Interface of the adverts, and of VIPs without a `dev`.
    pub interface: String,
    /// `virtual_router_id`, 1 to 255, unique per interface and family.
    pub vrid: u8,
    /// Base priority, 1 to 255; 255 is the address owner.
    pub priority: u8,
    /// `advert_int`: whole seconds in version 2, 10 ms to 40.95 s in version 3.
    pub interval: Duration,
    /// Protocol version, from `version`, `vrrp_version` and the family.
    pub version: Version,
    /// Family of `virtual_ipaddress`, and so of the adverts.
    pub family: Family,
    /// PASS authentication data, zero-padded. Only version 2 has it.
    pub auth: Option<[u8; 8]>,
    /// Whether a master of lower priority is replaced.
    pub preempt: bool,
    /// `preempt_delay`: how long a lower master is left alone first; zero when `state` is MASTER.
    pub preempt_delay: Duration,
    /// `unicast_src_ip` or `mcast_src_ip`: source of the adverts; the interface's primary (IPv4) or link-local
    /// (IPv6) address when `None`.
    pub source: Option<IpAddr>,
    /// Adverts go to [`Instance::unicast_peers`] and not to the multicast group.
    pub unicast: bool,
    /// The peers of a unicast instance, at least one; empty with multicast.
    pub unicast_peers: Vec<Peer>,
    /// `vipward_peers`: from whom multicast adverts are accepted; from anybody when empty.
    pub trusted: Vec<Trusted>,
    /// Whether the source of an advert must be one of the peers.
    pub check_unicast_src: bool,
    /// Checksum form of sent v3/IPv4 adverts.
    pub checksum: Checksum,
    /// `down_timer_adverts`: intervals without an advert before the master counts as dead, 1 to 100.
    pub down_adverts: u8,
    /// `virtual_ipaddress`, then `virtual_ipaddress_excluded`.
    pub vips: Vec<Vip>,
    /// Its interface going down is a fault; false with `dont_track_primary`.
    pub track_primary: bool,
    /// `use_vmac`.
    pub vmac: Option<Vmac>,
    /// `virtual_routes`.
    pub routes: Vec<Route>,
    /// `virtual_rules`.
    pub rules: Vec<Rule>,
    /// `track_script`.
    pub track_scripts: Vec<TrackScript>,
    /// `track_interface`.
    pub track_interfaces: Vec<TrackInterface>,
    /// `track_file`.
    pub track_files: Vec<TrackItem>,
    /// `track_process`.
    pub track_processes: Vec<TrackItem>,
    /// `accept`: the host's own services answer at the VIPs; not so with `no_accept`.
    pub accept: bool,
    /// `promote_secondaries`: an address that goes takes no other of its subnet along.
    pub promote_secondaries: bool,
    /// Gratuitous ARP and unsolicited neighbour adverts.
    pub garp: Garp,
    /// `mcast_dst_ip`, or `vrrp_mcast_group…`: the group of multicast adverts; the protocol's own when `None`.
    pub group: Option<IpAddr>,
    /// TTL or hop limit of the adverts: 255 but for `unicast_ttl`.
    pub ttl: u8,
    /// `lower_prio_no_advert`: as MASTER it leaves the advert of a losing master unanswered (RFC 5798).
    pub lower_prio_no_advert: bool,
    /// `higher_prio_send_advert`: before it steps back for a rival it advertises once more, so that the rival tells the
    /// neighbours again.
    pub higher_prio_send_advert: bool,
    /// `owner_ignore_adverts`: with priority 255 it gives way to nobody.
    pub owner_ignore_adverts: bool,
    /// Scripts to run upon transitions.
    pub notify: Notify,
    /// `notify_priority_changes`: FIFOs are told of those too.
    pub notify_priority_changes: bool,
    /// `smtp_alert`: people are told of transitions by mail.
    pub smtp_alert: bool,
}

/// A line of `unicast_peer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Address of the peer, of the instance's family.
    pub address: IpAddr,
    /// Lowest TTL or hop limit accepted from it.
    pub min_ttl: u8,
    /// Highest TTL or hop limit accepted from it.
    pub max_ttl: u8,
    /// Where it was written.
    pub at: Location,
}

/// A router of `vipward_peers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trusted {
    /// Where its adverts come from, of the instance's family.
    pub address: IpAddr,
    /// The MAC that its frames come from; any when `None`.
    pub mac: Option<[u8; 6]>,
    /// Where it was written.
    pub at: Location,
}

/// A virtual address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vip {
    /// The address.
    pub address: IpAddr,
    /// Prefix length; /32 or /128 when none was written, as in keepalived, and with a `peer`.
    pub prefix_len: u8,
    /// `dev`: interface that carries it; the instance's when `None`.
    pub dev: Option<String>,
    /// `label`: IPv4 only, at most 15 bytes.
    pub label: Option<String>,
    /// `brd`: broadcast address to set.
    pub brd: Option<Broadcast>,
    /// `scope`: rtnetlink's scope number; the kernel's choice for the address when `None`.
    pub scope: Option<u8>,
    /// The options that ask for something out of the ordinary.
    pub options: VipOptions,
    /// Listed in adverts; false for `virtual_ipaddress_excluded`.
    pub in_adverts: bool,
    /// Where it was written.
    pub at: Location,
}

/// The broadcast address of an IPv4 VIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broadcast {
    /// Given.
    Address(std::net::Ipv4Addr),
    /// `+`: the prefix with all host bits set.
    AllOnes,
    /// `-`: the prefix with all host bits clear.
    AllZeros,
}

/// A line of `track_script`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackScript {
    /// Name of a [`Script`] that exists.
    pub name: String,
    /// Weight here; the script's own when `None`. 0 means FAULT when it fails.
    pub weight: Option<i32>,
    /// The priority changes the other way round.
    pub reverse: bool,
    /// Where it was written.
    pub at: Location,
}

/// A line of `track_interface`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackInterface {
    /// Name of the interface, which may not exist yet.
    pub name: String,
    /// Weight; 0 means FAULT while it is down.
    pub weight: i32,
    /// The priority changes the other way round.
    pub reverse: bool,
    /// Where it was written.
    pub at: Location,
}

/// A `vrrp_sync_group`: instances that are MASTER together, and in FAULT together. What it tracks is among what each
/// of its members tracks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name, unique in the configuration.
    pub name: String,
    /// Where the block begins.
    pub at: Location,
    /// Names of its members, which exist and are in no other group.
    pub members: Vec<String>,
    /// Scripts to run upon transitions of the group as a whole.
    pub notify: Notify,
    /// `smtp_alert`: people are told of these by mail.
    pub smtp_alert: bool,
}

/// How a new master tells its neighbours, with gratuitous ARP (IPv4) or unsolicited neighbour adverts (IPv6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Garp {
    /// From the transition to the second set; zero for no second set.
    pub delay: Duration,
    /// Messages per address in each of the two sets, at most 255.
    pub repeat: u32,
    /// [`Garp::delay`] where a master meets one of lower priority and stays.
    pub lower_prio_delay: Duration,
    /// [`Garp::repeat`] there.
    pub lower_prio_repeat: u32,
    /// Interval of further sets for as long as it is master; zero for none.
    pub refresh: Duration,
    /// Messages per address in each of these, at most 255.
    pub refresh_repeat: u32,
    /// `garp_extra_if`: interval of messages on the VIPs' other interfaces; zero for none.
    pub extra: Duration,
    /// On all of these and not only on those with a virtual MAC.
    pub extra_all: bool,
}

impl Default for Garp {
    fn default() -> Garp {
        let (delay, repeat) = (Duration::from_secs(5), 5);
        Garp {
            delay,
            repeat,
            lower_prio_delay: delay,
            lower_prio_repeat: repeat,
            refresh: Duration::ZERO,
            refresh_repeat: 1,
            extra: Duration::ZERO,
            extra_all: false,
        }
    }
}
