//! Advice on combinations that keepalived accepts without a word, and that its users come to regret.

mod mail;
mod priorities;
mod times;

use std::collections::HashMap;

use super::diagnostic::{Findings, quoted};
use super::lex::Word;
use super::model::{Config, Instance, Location, Script};
use super::tree::Node;

/// The VRID of keepalived's sample file, and of countless copies of it.
const SAMPLE_VRID: u8 = 51;

/// Gives it, for `config` as `nodes` say it.
pub(super) fn give(config: &Config, nodes: &[Node], findings: &mut Findings) {
    let scripts: HashMap<&str, &Script> =
        config.scripts.iter().map(|script| (script.name.as_str(), script)).collect();
    let lines = Lines::of(nodes);
    for instance in &config.instances {
        if instance.vrid == SAMPLE_VRID {
            let at = lines.of_instance(&instance.name, "virtual_router_id").map_or(&instance.at, Node::at);
            findings
                .warning(at, format!("virtual_router_id {SAMPLE_VRID} is the samples' value"))
                .help("on a shared network somebody else's routers are likely to have it too");
        }
        let weighted = weighted(instance, &scripts);
        if instance.preempt {
            priorities::order(instance, &weighted, &lines, findings);
        } else {
            never_fails_over(&weighted, findings);
        }
    }
    times::scripts(config, &scripts, &lines, findings);
    times::link_delays(config, findings);
    mail::reaches_nobody(config, nodes, &lines, findings);
}

/// The blocks by their names: the first of each, as keepalived takes it.
struct Lines<'n> {
    instances: HashMap<&'n str, &'n Node>,
    scripts: HashMap<&'n str, &'n Node>,
}

impl<'n> Lines<'n> {
    fn of(nodes: &'n [Node]) -> Lines<'n> {
        let named = |keyword: &str| {
            let blocks = nodes.iter().rev().filter(|node| node.keyword().text == keyword);
            blocks.filter_map(|node| Some((node.args().first()?.text.as_str(), node))).collect()
        };
        Lines { instances: named("vrrp_instance"), scripts: named("vrrp_script") }
    }

    /// The line of an instance that counts for `keyword`.
    fn of_instance(&self, name: &str, keyword: &str) -> Option<&'n Node> {
        line(self.instances.get(name)?, keyword)
    }

    /// The value of a script's `keyword`.
    fn of_script(&self, name: &str, keyword: &str) -> Option<&'n Word> {
        line(self.scripts.get(name)?, keyword)?.args().first()
    }
}

fn line<'n>(block: &'n Node, keyword: &str) -> Option<&'n Node> {
    block.children().iter().rev().find(|line| line.keyword().text == keyword)
}

/// Something tracked that moves the priority.
struct Weighted<'c> {
    name: &'c str,
    /// By so much, or by a multiple of it that a file names.
    weight: i32,
    /// The weight is multiplied.
    file: bool,
    at: &'c Location,
}

fn weighted<'c>(instance: &'c Instance, scripts: &HashMap<&str, &Script>) -> Vec<Weighted<'c>> {
    let of_scripts = instance.track_scripts.iter().map(|track| {
        let script = scripts.get(track.name.as_str());
        let signed = |weight: i32, reverse: bool| if reverse { -weight } else { weight };
        let weight = match track.weight {
            Some(weight) => signed(weight, track.reverse),
            None => script.map_or(0, |script| signed(script.weight, script.reverse || track.reverse)),
        };
        Weighted { name: &track.name, weight, file: false, at: &track.at }
    });
    let interfaces = instance.track_interfaces.iter().map(|track| Weighted {
        name: &track.name,
        weight: if track.reverse { -track.weight } else { track.weight },
        file: false,
        at: &track.at,
    });
    let files = instance.track_files.iter().map(|track| (track, true));
    let items = files.chain(instance.track_processes.iter().map(|track| (track, false)));
    let items = items.map(|(track, file)| Weighted {
        name: &track.name,
        weight: if track.reverse { -track.weight } else { track.weight },
        file,
        at: &track.at,
    });
    of_scripts.chain(interfaces).chain(items).filter(|tracked| tracked.weight != 0).collect()
}

/// `nopreempt` is given to keep a recovered node from taking over; it also keeps a lowered priority from mattering.
fn never_fails_over(weighted: &[Weighted<'_>], findings: &mut Findings) {
    for Weighted { name, at, .. } in weighted {
        findings
            .warning(
                at,
                format!(
                    "the weight of {} never causes a failover where all nodes have `nopreempt`",
                    quoted(name)
                ),
            )
            .help("with weight 0 a failure means FAULT, and another node takes over");
    }
}
