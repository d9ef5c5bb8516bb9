//! `global_defs`.

use std::collections::HashSet;
use std::time::Duration;

use crate::config::diagnostic::Findings;
use crate::config::keywords::Place;
use crate::config::lex::Word;
use crate::config::model::{Checksum, Garp, Globals, Version};
use crate::config::tree::Node;
use vipward_common::timing::DOWN_TIMER_ADVERTS;

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
    pub(super) garp: Garp,
    /// `vrrp_down_timer_adverts`
    pub(super) down_adverts: u8,
    /// `vrrp_check_unicast_src`. keepalived's default is no; accepting adverts from anybody helps nobody.
    pub(super) check_unicast_src: bool,
    /// `v3_checksum_as_v2`
    pub(super) checksum: Checksum,
    /// `vrrp_notify_priority_changes`
    pub(super) priority_changes: bool,
    /// FIFOs and scripts, until they are settled.
    pub(super) told: Told,
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
            garp: Garp::default(),
            down_adverts: DOWN_TIMER_ADVERTS,
            check_unicast_src: true,
            checksum: Checksum::PseudoHeader,
            priority_changes: false,
            told: Told::default(),
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
        if let Some(garp) = keyword.strip_prefix("vrrp_").filter(|rest| rest.starts_with("garp_")) {
            return set_garp(&mut self.garp, garp, node, findings);
        }
        if told::is_here(keyword) {
            return self.told.set(keyword, node, findings);
        }
        match keyword {
            "vrrp_notify_priority_changes" => self.priority_changes = values::flag(node, findings)?,
            "enable_script_security" => self.globals.script_security = true,
            "vrrp_check_unicast_src" => self.check_unicast_src = values::flag(node, findings)?,
            "v3_checksum_as_v2" => self.checksum = checksum(node, findings)?,
            "script_user" => self.globals.script_user = values::user(node.args()),
            _ => {
                let word = node.args().first()?;
                match keyword {
                    "router_id" => self.globals.router_id = Some(word.text.clone()),
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
/// Longest delay or interval of GARP, in seconds: a day, as keepalived has it for the extra ones.
const MAX_GARP_SECS: u64 = 86_400;
/// Most GARPs per address and set. keepalived has no bound; more in one burst is a flood.
const MAX_GARP_REPEAT: u32 = 255;

/// A `garp_master_…` line, of an instance or (with `vrrp_` before it) of `global_defs`.
pub(super) fn set_garp(garp: &mut Garp, keyword: &str, node: &Node, findings: &mut Findings) -> Option<()> {
    let word = node.args().first()?;
    match keyword {
        "garp_master_delay" => garp.delay = values::whole_seconds(word, 0..=MAX_GARP_SECS, findings)?,
        "garp_master_repeat" => garp.repeat = garp_repeat(word, findings)?,
        "garp_master_refresh" => garp.refresh = values::whole_seconds(word, 0..=MAX_GARP_SECS, findings)?,
        "garp_master_refresh_repeat" => garp.refresh_repeat = garp_repeat(word, findings)?,
        _ => unsupported(node, findings),
    }
    Some(())
}

fn garp_repeat(word: &Word, findings: &mut Findings) -> Option<u32> {
    let repeat = values::count(word, u32::MAX, findings)?;
    if repeat > MAX_GARP_REPEAT {
        findings
            .warning(&word.at, format!("{repeat} is taken for {MAX_GARP_REPEAT}"))
            .help("keepalived would send them all, for every address and at once");
    }
    Some(repeat.min(MAX_GARP_REPEAT))
}
