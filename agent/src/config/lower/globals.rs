//! `global_defs`.

use std::collections::HashSet;
use std::time::Duration;

use crate::config::diagnostic::Findings;
use crate::config::keywords::Place;
use crate::config::model::{Checksum, Family, Globals, Pace, Version};
use crate::config::tree::Node;
use vipward_common::timing::DOWN_TIMER_ADVERTS;

use super::garp::GarpLines;
use super::mail::{self, MailLines};
use super::sending::{self, Sending};
use super::told::{self, Told};
use super::track::Weights;
use super::{unsupported, values, walk};

/// What instances take over from the rest of the file: mostly from `global_defs`.
pub(super) struct Defaults {
    /// What stays global.
    pub(super) globals: Globals,
    /// `vrrp_version`
    pub(super) version: Version,
    /// `vrrp_garp_master_…`
    pub(super) garp: GarpLines,
    /// `vrrp_garp_interval`, `vrrp_gna_interval`
    pub(super) pace: Pace,
    /// `vrrp_mcast_group4`, `vrrp_mcast_group6`, `vrrp_lower_prio_no_advert`, `vrrp_higher_prio_send_advert` and
    /// `vrrp_owner_ignore_adverts`
    pub(super) sending: Sending,
    /// `vrrp_down_timer_adverts`
    pub(super) down_adverts: u8,
    /// `vrrp_check_unicast_src`. keepalived's default is no; accepting adverts from anybody helps nobody.
    pub(super) check_unicast_src: bool,
    /// `default_interface`: carries static addresses without a `dev`
    pub(super) interface: Option<String>,
    /// `vmac_prefix`
    pub(super) vmac_prefix: Option<String>,
    /// `vrrp_strict`
    pub(super) strict: bool,
    /// `v3_checksum_as_v2`
    pub(super) checksum: Checksum,
    /// `vrrp_notify_priority_changes`
    pub(super) priority_changes: bool,
    /// FIFOs and scripts, until they are settled.
    pub(super) told: Told,
    /// Mail, until it is settled; whether transitions are mailed.
    pub(super) mail: MailLines,
    /// Names of the scripts whose weight has `reverse` after it.
    pub(super) reversed_scripts: HashSet<String>,
    /// Weights of `track_file` blocks.
    pub(super) files: Weights,
    /// Weights of `vrrp_track_process` blocks.
    pub(super) processes: Weights,
}

impl Default for Defaults {
    fn default() -> Defaults {
        Defaults {
            globals: Globals::default(),
            version: Version::V2,
            garp: GarpLines::default(),
            pace: Pace::default(),
            sending: Sending::default(),
            down_adverts: DOWN_TIMER_ADVERTS,
            check_unicast_src: true,
            interface: None,
            vmac_prefix: None,
            strict: false,
            checksum: Checksum::PseudoHeader,
            priority_changes: false,
            told: Told::default(),
            mail: MailLines::default(),
            reversed_scripts: HashSet::new(),
            files: Weights::new(),
            processes: Weights::new(),
        }
    }
}

impl Defaults {
    /// Takes over one `global_defs` block; a later one overrides an earlier one word by word.
    pub(super) fn read(&mut self, nodes: &[Node], findings: &mut Findings) {
        walk(Place::Globals, nodes, findings, |keyword, node, findings| {
            self.set(keyword, node, findings);
        });
    }

    fn set(&mut self, keyword: &str, node: &Node, findings: &mut Findings) -> Option<()> {
        if told::is_here(keyword) {
            return self.told.set(keyword, node, findings);
        }
        if mail::is_here(keyword) {
            return self.mail.set(keyword, node, findings);
        }
        match keyword {
            "vrrp_notify_priority_changes" => self.priority_changes = values::flag(node, findings)?,
            "vrrp_garp_interval" => self.pace.arp = sending::pace(node, findings)?,
            "vrrp_gna_interval" => self.pace.na = sending::pace(node, findings)?,
            "vrrp_min_garp" => {
                if values::flag(node, findings)? {
                    self.garp.minimise();
                }
            }
            "vrrp_vmac_garp_intvl" => self.garp.set("garp_extra_if", node, findings)?,
            "vrrp_mcast_group4" => self.sending.group_v4 = Some(sending::group(node, Family::V4, findings)?),
            "vrrp_mcast_group6" => self.sending.group_v6 = Some(sending::group(node, Family::V6, findings)?),
            "vrrp_lower_prio_no_advert" => self.sending.lower_prio_no_advert = values::flag(node, findings)?,
            "vrrp_higher_prio_send_advert" => {
                self.sending.higher_prio_send_advert = values::flag(node, findings)?;
            }
            "vrrp_owner_ignore_adverts" => self.sending.owner_ignore_adverts = values::flag(node, findings)?,
            "fifo_write_vrrp_states_on_reload" => self.globals.tells_states_on_reload = true,
            "vrrp_cpu_affinity" => self.globals.cpu_affinity = sending::cpus(node, findings)?,
            _ if keyword.starts_with("vrrp_garp_") => {
                self.garp.set(keyword.trim_start_matches("vrrp_"), node, findings)?;
            }
            // Acted on as the lines after it were read.
            "include_check" => {}
            "vrrp_strict" => self.strict = true,
            "enable_script_security" => self.globals.script_security = true,
            "vrrp_check_unicast_src" => self.check_unicast_src = values::flag(node, findings)?,
            "v3_checksum_as_v2" => self.checksum = checksum(node, findings)?,
            "script_user" => self.globals.script_user = values::user(node.args()),
            _ => {
                let word = node.args().first()?;
                match keyword {
                    "router_id" => self.globals.router_id = Some(word.text.clone()),
                    // As above.
                    "random_seed" => _ = values::number(word, 0..=u32::MAX, findings)?,
                    "vmac_prefix" => self.vmac_prefix = Some(values::interface(word, findings)?),
                    "default_interface" => self.interface = Some(values::interface(word, findings)?),
                    "vrrp_version" => self.version = values::version(word, findings)?,
                    "vrrp_rt_priority" => {
                        self.globals.rt_priority = Some(values::number(word, 1..=99, findings)?);
                    }
                    "vrrp_startup_delay" => {
                        let range = Duration::ZERO..=MAX_STARTUP_DELAY;
                        self.globals.startup_delay = values::seconds(word, range, findings)?;
                    }
                    "vrrp_down_timer_adverts" => self.down_adverts = values::number(word, 1..=100, findings)?,
                    _ => unsupported(node, findings),
                }
            }
        }
        Some(())
    }
}

/// `v3_checksum_as_v2 [BOOL]`: version 2 has no pseudo-header.
pub(super) fn checksum(node: &Node, findings: &mut Findings) -> Option<Checksum> {
    values::flag(node, findings).map(|plain| if plain { Checksum::Plain } else { Checksum::PseudoHeader })
}

/// Longest time that a start may be delayed: a day is a mistake already.
const MAX_STARTUP_DELAY: Duration = Duration::from_hours(24);
