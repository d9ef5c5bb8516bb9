//! Every keyword of keepalived's vrrp and global sections (2.2.7, and the few later ones that matter), with what
//! vipward does about it, and those of its own, which begin with `vipward_`. The table decides which lines are
//! accepted; what they set is in `lower/`.

use std::collections::HashMap;
use std::sync::LazyLock;

use Place::{Authentication, File, Globals, Group, Instance, Process, Root, Script};
use Shape::{Block, Flag, Lines, Named, Words, WordsOrLines};
use Status::{Harmless, Ignored, NotYet, Refused, RefusedUnless, Works};

/// The kind of block that a keyword stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// No block.
    Root,
    /// `global_defs`
    Globals,
    /// `vrrp_script`
    Script,
    /// `track_file`
    File,
    /// `vrrp_track_process`
    Process,
    /// `vrrp_sync_group`
    Group,
    /// `vrrp_instance`
    Instance,
    /// `authentication` of a `vrrp_instance`
    Authentication,
}

impl Place {
    /// The block as messages name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Root => "the top level",
            Globals => "`global_defs`",
            Script => "`vrrp_script`",
            File => "`track_file`",
            Process => "`vrrp_track_process`",
            Group => "`vrrp_sync_group`",
            Instance => "`vrrp_instance`",
            Authentication => "`authentication`",
        }
    }
}

/// What follows a keyword that works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Nothing, or a word for yes or no.
    Flag,
    /// At least and at most so many words.
    Words(usize, usize),
    /// A name and a block of keywords.
    Named,
    /// A block of keywords.
    Block,
    /// A block of lines that are no keywords. It may come several times and adds up.
    Lines,
    /// Words, or a block of lines that are no keywords. It may come several times and adds up.
    WordsOrLines,
}

/// What vipward does about a keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// What keepalived does.
    Works(Shape),
    /// Nothing, and nobody can tell the difference, because of this.
    Harmless(&'static str),
    /// Nothing, and it says so, because of this.
    Ignored(&'static str),
    /// It refuses the configuration until it can do better.
    NotYet,
    /// It refuses the configuration, with this advice.
    Refused(&'static str),
    /// [`Status::Refused`], but with this value it changes nothing.
    RefusedUnless(&'static str, &'static str),
}

/// Keywords of one place with one status.
pub(super) struct Entry {
    /// Where they stand.
    pub(super) place: Place,
    /// What they mean here.
    pub(super) status: Status,
    /// The keywords.
    pub(super) names: &'static [&'static str],
}

const fn entry(place: Place, status: Status, names: &'static [&'static str]) -> Entry {
    Entry { place, status, names }
}

const NO_LVS: Status = Refused("vipward does no LVS load balancing: let nginx or IPVS's own tools do it");
const NO_CHECKER: Status = Harmless("there is no checker process");
const NO_BFD: Status = Harmless("there is no BFD process");
const NO_SNMP: Status = Refused("vipward has no SNMP: read its Prometheus metrics");
const NO_DBUS: Status =
    Refused("vipward has no D-Bus interface: ask its control socket, as `vipward status` does");
const NAMES: Status = Harmless("vipward is one process with one name");
const OWN_SCHEDULING: Status =
    Harmless("the election thread has real-time priority and locked memory anyway");
const OWN_BUFFERS: Status = Harmless("buffers are sized by what they have to hold");

/// The table. A name is in it once per place.
#[rustfmt::skip]
pub(super) static TABLE: &[Entry] = &[
    entry(Root, Works(Block), &["global_defs"]),
    entry(Root, Works(Named), &[
        "vrrp_script", "track_file", "vrrp_track_file", "vrrp_track_process", "vrrp_sync_group", "vrrp_instance",
    ]),
    entry(Root, Works(Block), &["garp_group"]),
    entry(Root, Works(Lines), &["interface_up_down_delays", "static_ipaddress", "static_routes", "static_rules"]),
    entry(Root, NotYet, &[
        "track_group", "net_namespace", "namespace_with_ipsets", "instance",
    ]),
    entry(Root, Ignored("the carrier of interfaces is watched by netlink"), &["linkbeat_use_polling", "linkbeat_interfaces"]),
    entry(Root, Ignored("there are no pid files: `--run-dir` keeps agents apart"), &["use_pid_dir"]),
    entry(Root, Harmless("there are no child processes to wait for"), &["child_wait_time"]),
    entry(Root, NO_LVS, &["virtual_server", "virtual_server_group", "SSL", "net_namespace_ipvs"]),
    entry(Root, Refused("vipward has no BFD: an advert interval of 10 ms needs none"), &["bfd_instance"]),

    entry(Globals, Works(Words(1, 1)), &[
        "router_id", "default_interface", "vmac_prefix", "vrrp_version", "vrrp_rt_priority", "vrrp_down_timer_adverts", "vrrp_garp_master_delay",
        "vrrp_garp_master_repeat", "vrrp_garp_master_refresh", "vrrp_garp_master_refresh_repeat",
        "vrrp_startup_delay", "vrrp_garp_lower_prio_delay", "vrrp_garp_lower_prio_repeat", "vrrp_garp_interval",
        "vrrp_gna_interval", "vrrp_mcast_group4", "vrrp_mcast_group6",
    ]),
    entry(Globals, Works(Words(1, 2)), &["vrrp_garp_extra_if", "vrrp_vmac_garp_intvl"]),
    entry(Globals, Works(Words(1, usize::MAX)), &["vrrp_cpu_affinity"]),
    entry(Globals, Works(Flag), &["vrrp_min_garp", "vrrp_lower_prio_no_advert", "vrrp_higher_prio_send_advert", "vrrp_owner_ignore_adverts"]),
    entry(Globals, Works(Words(1, 2)), &["script_user"]),
    entry(Globals, Works(Words(1, usize::MAX)), &[
        "startup_script", "shutdown_script", "notify_fifo_script", "vrrp_notify_fifo_script",
    ]),
    entry(Globals, Works(Words(1, 1)), &["startup_script_timeout", "shutdown_script_timeout"]),
    entry(Globals, Works(Words(1, 3)), &["notify_fifo", "vrrp_notify_fifo"]),
    entry(Globals, Works(Words(0, 0)), &[
        "enable_script_security", "vrrp_strict", "fifo_write_vrrp_states_on_reload",
    ]),
    entry(Globals, Works(Flag), &["vrrp_check_unicast_src", "v3_checksum_as_v2", "vrrp_notify_priority_changes"]),
    entry(Globals, Works(Lines), &["notification_email"]),
    entry(Globals, Works(Words(1, 1)), &["notification_email_from", "smtp_helo_name", "smtp_connect_timeout"]),
    entry(Globals, Works(Words(1, 2)), &["smtp_server"]),
    entry(Globals, Works(Flag), &["smtp_alert", "smtp_alert_vrrp"]),
    entry(Globals, Works(Words(0, 0)), &["no_email_faults"]),
    entry(Globals, NO_CHECKER, &["smtp_alert_checker", "no_checker_emails"]),
    entry(Globals, NAMES, &[
        "process_names", "process_name", "vrrp_process_name", "checker_process_name", "lvs_process_name",
        "bfd_process_name",
    ]),
    entry(Globals, OWN_SCHEDULING, &[
        "max_auto_priority", "min_auto_priority_delay", "vrrp_priority", "vrrp_no_swap", "vrrp_rlimit_rttime",
        "vrrp_rlimit_rtime",
    ]),
    entry(Globals, OWN_BUFFERS, &[
        "vrrp_rx_bufs_policy", "vrrp_rx_bufs_multiplier", "vrrp_netlink_cmd_rcv_bufs",
        "vrrp_netlink_cmd_rcv_bufs_force", "vrrp_netlink_monitor_rcv_bufs", "vrrp_netlink_monitor_rcv_bufs_force",
        "process_monitor_rcv_bufs", "process_monitor_rcv_bufs_force",
    ]),
    entry(Globals, Harmless("the address list is checked without cost"), &["vrrp_skip_check_adv_addr"]),
    entry(Globals, Harmless("an interface may come and go in any case"), &["dynamic_interfaces"]),
    entry(Globals, Harmless("VIPs on other interfaces have these' own MACs"), &["vmac_addr_prefix"]),
    entry(Globals, Ignored("the group of the adverts is joined on the interface itself, also with `use_vmac`"), &[
        "disable_local_igmp",
    ]),
    entry(Globals, Ignored("each router with `no_accept` has a table of nftables of its own, of priority -1"), &[
        "nftables", "nftables_priority", "nftables_ifindex", "nftables_counters",
    ]),
    entry(Globals, Ignored("`no_accept` needs no chains of iptables: each router has a table of nftables"), &[
        "vrrp_iptables", "vrrp_ipsets",
    ]),
    entry(Globals, Harmless("a reload is checked first in any case"), &["reload_check_config"]),
    entry(Globals, Harmless("the configuration is read once and kept in memory"), &[
        "tmp_config_directory", "config_save_dir", "umask",
    ]),
    entry(Globals, Works(Words(0, usize::MAX)), &["include_check"]),
    entry(Globals, Works(Words(1, 1)), &["random_seed"]),
    entry(Globals, Ignored("adverts of foreign VRIDs pass untouched and unseen"), &["log_unknown_vrids"]),
    entry(Globals, Ignored("there are no .data files: see `vipward status`"), &["data_use_instance"]),
    entry(Globals, NotYet, &[
        "reload_time_file", "reload_repeat", "reload_file",
    ]),
    entry(Globals, NO_CHECKER, &[
        "checker_log_all_failures", "checker_priority", "checker_no_swap", "checker_rt_priority",
        "checker_cpu_affinity", "checker_rlimit_rttime", "checker_rlimit_rtime", "rs_init_notifies",
        "lvs_netlink_cmd_rcv_bufs", "lvs_netlink_cmd_rcv_bufs_force", "lvs_netlink_monitor_rcv_bufs",
        "lvs_netlink_monitor_rcv_bufs_force",
    ]),
    entry(Globals, NO_BFD, &[
        "bfd_priority", "bfd_no_swap", "bfd_rt_priority", "bfd_cpu_affinity", "bfd_rlimit_rttime",
        "bfd_rlimit_rtime",
    ]),
    entry(Globals, NO_LVS, &[
        "lvs_timeouts", "lvs_flush", "lvs_flush_on_stop", "lvs_flush_onstop", "lvs_sync_daemon", "nftables_ipvs",
        "nftables_ipvs_priority", "nftables_ipvs_start_fwmark", "lvs_notify_fifo", "lvs_notify_fifo_script",
    ]),
    entry(Globals, NO_SNMP, &[
        "snmp_socket", "enable_traps", "enable_snmp_vrrp", "enable_snmp_keepalived", "enable_snmp_rfc",
        "enable_snmp_rfcv2", "enable_snmp_rfcv3", "enable_snmp_checker",
    ]),
    entry(Globals, NO_DBUS, &["enable_dbus", "dbus_service_name"]),

    entry(Script, Works(Words(1, usize::MAX)), &["script"]),
    entry(Script, Works(Words(1, 1)), &["interval", "timeout", "rise", "fall"]),
    entry(Script, Works(Words(1, 2)), &["weight", "user"]),
    entry(Script, Works(Words(0, 0)), &["init_fail"]),

    entry(File, Works(Words(1, 1)), &["file"]),
    entry(File, Works(Words(1, 2)), &["weight"]),
    entry(File, Works(Words(0, 2)), &["init_file"]),

    entry(Process, Works(Words(1, usize::MAX)), &["process"]),
    entry(Process, Works(Words(1, 2)), &["weight"]),
    entry(Process, Works(Words(1, 1)), &["quorum", "quorum_max", "delay", "fork_delay", "terminate_delay"]),
    entry(Process, Works(Words(0, 1)), &["param_match"]),
    entry(Process, Works(Words(0, 0)), &["full_command"]),

    entry(Group, Works(Lines), &["group", "track_script", "track_interface", "track_file", "track_process"]),
    entry(Group, Works(Words(0, 0)), &["global_tracking", "sync_group_tracking_weight"]),
    entry(Group, Works(Words(1, usize::MAX)), &["notify", "notify_master", "notify_backup", "notify_fault", "notify_stop"]),
    entry(Group, Works(Flag), &["notify_priority_changes", "smtp_alert"]),
    entry(Group, Refused("vipward has no BFD: an advert interval of 10 ms needs none"), &["track_bfd"]),

    entry(Instance, Works(Words(1, 1)), &[
        "state", "interface", "virtual_router_id", "priority", "advert_int", "version", "preempt_delay",
        "mcast_src_ip", "unicast_src_ip", "down_timer_adverts", "garp_master_delay", "garp_master_repeat",
        "garp_master_refresh", "garp_master_refresh_repeat", "garp_lower_prio_delay", "garp_lower_prio_repeat",
        "mcast_dst_ip", "unicast_ttl",
    ]),
    entry(Instance, Works(Words(1, 2)), &["garp_extra_if", "vmac_garp_intvl"]),
    entry(Instance, Works(Flag), &["lower_prio_no_advert", "higher_prio_send_advert", "owner_ignore_adverts", "strict_mode"]),
    entry(Instance, Refused("name the `interface`: adverts come and go by it, whatever VRF it is in"), &["vrf"]),
    entry(Instance, Harmless("an instance whose configured source address is not there is in FAULT in any case"), &[
        "track_src_ip",
    ]),
    entry(Instance, RefusedUnless("never", "it is for keepalived before 1.3.6, of 2017: update that one"), &[
        "old_unicast_checksum",
    ]),
    entry(Instance, Works(Words(0, 0)), &[
        "preempt", "nopreempt", "accept", "no_accept", "native_ipv6", "promote_secondaries", "vmac_xmit_base",
        "dont_track_primary",
    ]),
    entry(Instance, Works(Words(0, 2)), &["use_vmac"]),
    entry(Instance, Refused("`use_vmac` gives the instance's own VIPs the virtual MAC; those on other interfaces keep these' own MACs"), &[
        "use_vmac_addr",
    ]),
    entry(Instance, Refused("`use_vmac` does the same with a MAC of its own"), &["use_ipvlan"]),
    entry(Instance, Works(Flag), &["check_unicast_src", "v3_checksum_as_v2", "notify_priority_changes", "smtp_alert"]),
    entry(Instance, Works(Words(0, usize::MAX)), &["notify_deleted"]),
    entry(Instance, Works(Words(1, usize::MAX)), &[
        "notify", "notify_master", "notify_backup", "notify_fault", "notify_stop", "notify_master_rx_lower_pri",
    ]),
    entry(Instance, Works(Block), &["authentication"]),
    entry(Instance, Works(Lines), &[
        "unicast_peer", "virtual_ipaddress", "virtual_ipaddress_excluded", "track_script", "track_interface", "track_file",
        "track_process", "virtual_routes", "virtual_rules",
    ]),
    // Our own.
    entry(Instance, Works(WordsOrLines), &["vipward_peers"]),
    entry(Instance, Ignored("log levels are set for the whole agent"), &["debug"]),
    entry(Instance, Ignored("the carrier of interfaces is watched by netlink"), &["linkbeat_use_polling"]),
    entry(Instance, Harmless("an empty peer list is an error in any case"), &["unicast_fault_no_peer"]),
    entry(Instance, Harmless("the address list is checked without cost"), &["skip_check_adv_addr"]),
    entry(Instance, OWN_BUFFERS, &["kernel_rx_buf_size"]),
    entry(Instance, Refused("vipward has no BFD: an advert interval of 10 ms needs none"), &["track_bfd"]),
    entry(Instance, NO_LVS, &["lvs_sync_daemon_interface"]),

    entry(Authentication, Works(Words(1, 1)), &["auth_type", "auth_pass"]),
];

/// What older keepalived versions and hasty authors write: the word, and today's.
const FORMER_NAMES: &[(&str, &str)] =
    &[("lvs_id", "router_id"), ("virtual_ip", "virtual_ipaddress"), ("vrid", "virtual_router_id")];

static INDEX: LazyLock<HashMap<(Place, &'static str), Status>> = LazyLock::new(|| {
    TABLE.iter().flat_map(|e| e.names.iter().map(|name| ((e.place, *name), e.status))).collect()
});

/// What vipward does about `name` in `place`; `None` for a word that keepalived has not there either.
pub(super) fn status(place: Place, name: &str) -> Option<Status> {
    INDEX.get(&(place, name)).copied()
}

/// The keywords of `place`.
pub(super) fn names(place: Place) -> impl Iterator<Item = &'static str> {
    TABLE.iter().filter(move |e| e.place == place).flat_map(|e| e.names).copied()
}

/// A keyword of `place` that `word` is another name for.
pub(super) fn former_name(place: Place, word: &str) -> Option<&'static str> {
    let (_, today) = FORMER_NAMES.iter().find(|(former, _)| *former == word)?;
    status(place, today).map(|_| *today)
}

/// A place other than `place` where `name` is a keyword.
pub(super) fn elsewhere(place: Place, name: &str) -> Option<Place> {
    TABLE.iter().find(|e| e.place != place && e.names.contains(&name)).map(|e| e.place)
}

/// Whether `name` opens a block of the top level and is a keyword of no other block.
pub(super) fn opens_top_level_block(name: &str) -> bool {
    status(Root, name).is_some() && elsewhere(Root, name).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_in_the_table_once_per_place() {
        let names: usize = TABLE.iter().map(|e| e.names.len()).sum();
        assert_eq!(INDEX.len(), names);
    }

    #[test]
    fn names_of_blocks_within_instances_open_no_top_level_block() {
        assert!(opens_top_level_block("vrrp_instance"));
        assert!(!opens_top_level_block("track_file"));
        assert!(!opens_top_level_block("virtual_ipaddress"));
    }
}
