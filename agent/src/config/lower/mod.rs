//! The tree to the model: what each keyword sets, with keepalived's defaults. Everything that can be said by
//! looking at one block is said here; what takes several blocks is in `check.rs`.

mod address;
mod command;
mod file;
mod garp;
mod globals;
mod group;
mod instance;
mod mail;
mod metrics;
mod numbers;
mod process;
mod route;
mod rule;
mod script;
mod sending;
mod settle;
mod strict;
mod told;
mod track;
mod trusted;
mod values;
mod vmac;
mod weights;
mod words;

use std::collections::HashMap;

use super::diagnostic::{Findings, did_you_mean, quoted, suggest};
use super::keywords::{self, Place, Shape, Status};
use super::model::{Config, Instance, Location, Pacing, Script, Statics, TrackFile, TrackProcess};
use super::tree::Node;
use globals::Defaults;
use rule::Assigned;

/// Carries static addresses where no line says otherwise, as in keepalived.
const DEFAULT_INTERFACE: &str = "eth0";

/// The model of `nodes`. It is to be used only if `findings` has no errors.
pub(super) fn lower(nodes: &[Node], findings: &mut Findings) -> Config {
    let mut defaults = Defaults::default();
    let (mut scripts, mut instances): (Vec<Script>, Vec<&Node>) = (Vec::new(), Vec::new());
    let (mut files, mut processes): (Vec<TrackFile>, Vec<TrackProcess>) = (Vec::new(), Vec::new());
    let mut groups = Vec::new();
    let mut pace_groups: Vec<&Node> = Vec::new();
    let mut link_delays = Vec::new();
    let mut statics = Statics::default();
    let mut assigned = Assigned::default();
    walk(Place::Root, nodes, findings, |keyword, node, findings| match keyword {
        "global_defs" => defaults.read(node.children(), findings),
        "vrrp_script" => scripts.extend(script::lower(node, findings)),
        "track_file" | "vrrp_track_file" => files.extend(file::lower(node, findings)),
        "vrrp_track_process" => processes.extend(process::lower(node, findings)),
        "vrrp_sync_group" => groups.extend(group::read(node, findings)),
        // The defaults of `global_defs` count for instances above it too.
        "vrrp_instance" => instances.push(node),
        "garp_group" => pace_groups.push(node),
        "static_ipaddress" => {
            let read = |line| address::vip(line, false, findings);
            statics.addresses.extend(node.children().iter().filter_map(read));
        }
        "static_routes" => {
            statics.routes.extend(node.children().iter().filter_map(|line| route::route(line, findings)));
        }
        "static_rules" => {
            let read = |line| rule::rule(line, &mut assigned, findings);
            statics.rules.extend(node.children().iter().filter_map(read));
        }
        "interface_up_down_delays" => {
            link_delays.extend(node.children().iter().filter_map(|line| sending::link_delay(line, findings)));
        }
        _ => unsupported(node, findings),
    });
    defaults.reversed_scripts =
        scripts.iter().filter(|script| script.reverse).map(|script| script.name.clone()).collect();
    defaults.files = files.iter().map(|file| (file.name.clone(), (file.weight, file.reverse))).collect();
    let weight = |process: &TrackProcess| (process.weight, process.reverse);
    defaults.processes = processes.iter().map(|process| (process.name.clone(), weight(process))).collect();
    std::mem::take(&mut defaults.told).settle(&mut defaults.globals, findings);
    defaults.globals.mail = defaults.mail.settle();
    let named: HashMap<&str, &Node> =
        instances.iter().rev().filter_map(|node| Some((node.args().first()?.text.as_str(), *node))).collect();
    let mut instances: Vec<Instance> = instances
        .iter()
        .filter_map(|node| instance::lower(node, &defaults, &mut assigned, findings))
        .collect();
    let prefix = defaults.vmac_prefix.as_deref().unwrap_or("vrrp");
    vmac::name_all(&mut instances, prefix, findings);
    for vip in &mut statics.addresses {
        vip.dev.get_or_insert_with(|| {
            defaults.interface.clone().unwrap_or_else(|| DEFAULT_INTERFACE.to_owned())
        });
    }
    let pace_groups = pace_groups.into_iter();
    let pace_groups = pace_groups.filter_map(|node| sending::pace_group(node, defaults.pace, findings));
    let pacing = Pacing { default: defaults.pace, groups: pace_groups.collect() };
    // Of two of one name the first counts.
    let weights = scripts.iter().rev().map(|script| (script.name.as_str(), script.weight)).collect();
    let mut joining = group::Joining { weights, named, defaults: &defaults, findings };
    let groups = joining.join(groups, &mut instances);
    Config {
        globals: defaults.globals,
        scripts,
        files,
        processes,
        instances,
        groups,
        statics,
        pacing,
        link_delays,
    }
}

/// Calls `each` for the statements of `place` that work, and reports all others.
fn walk<'n>(
    place: Place,
    nodes: &'n [Node],
    findings: &mut Findings,
    mut each: impl FnMut(&'n str, &'n Node, &mut Findings),
) {
    let mut seen: HashMap<&str, &Location> = HashMap::new();
    for node in nodes {
        let name = node.keyword().text.as_str();
        let Some(Status::Works(shape)) = keywords::status(place, name) else {
            report(place, node, findings);
            continue;
        };
        if !has_shape(node, shape, findings) {
            continue;
        }
        if matches!(shape, Shape::Flag | Shape::Words(..))
            && let Some(first) = seen.insert(name, node.at())
        {
            findings
                .warning(node.at(), format!("{} is given again, first in line {}", quoted(name), first.line))
                .help("one of them is not what you meant");
        }
        each(name, node, findings);
    }
}

/// Says why a statement does nothing, unless that is harmless.
fn report(place: Place, node: &Node, findings: &mut Findings) {
    let name = &node.keyword().text;
    let shown = quoted(name);
    match keywords::status(place, name) {
        Some(Status::Works(_) | Status::Harmless(_)) => {}
        Some(Status::Ignored(because)) => {
            findings.warning(node.at(), format!("{shown} is not acted on: {because}"));
        }
        Some(Status::RefusedUnless(value, _)) if matches!(node.args(), [word] if word.text == value) => {}
        Some(Status::NotYet) => unsupported(node, findings),
        Some(Status::Refused(instead) | Status::RefusedUnless(_, instead)) => {
            findings.strict(node.at(), format!("keepalived's {shown} is not supported")).help(instead);
        }
        None => {
            findings
                .strict(node.at(), format!("unknown keyword {shown} in {}", place.name()))
                .maybe_help(|| meant(place, name));
        }
    }
}

/// What an unknown word may have been meant for.
fn meant(place: Place, name: &str) -> Option<String> {
    let today = keywords::former_name(place, name).map(|today| format!("did you mean `{today}`?"));
    let elsewhere =
        || keywords::elsewhere(place, name).map(|other| format!("it belongs in {}", other.name()));
    today.or_else(|| did_you_mean(name, keywords::names(place))).or_else(elsewhere)
}

fn unsupported(node: &Node, findings: &mut Findings) {
    let shown = quoted(&node.keyword().text);
    findings.strict(node.at(), format!("keepalived's {shown} is not supported yet"));
}

/// Whether a block has a line for `keyword`: if that set nothing, the reason has been reported already.
fn mentions(node: &Node, keyword: &str, findings: &Findings) -> bool {
    node.children().iter().any(|line| stands_for(line, keyword, findings))
}

/// Whether `line` is `keyword`, or so misspelt that this is what was reported.
fn stands_for(line: &Node, keyword: &str, findings: &Findings) -> bool {
    let name = line.keyword().text.as_str();
    // When lenient, a misspelt keyword is no error, and then it has to be one that the right one is missing.
    name == keyword || (!findings.lenient() && suggest(name, [keyword]).is_some())
}

/// Whether what follows the keyword has the right form.
fn has_shape(node: &Node, shape: Shape, findings: &mut Findings) -> bool {
    let shown = quoted(&node.keyword().text);
    let either = shape == Shape::WordsOrLines && node.block.is_some();
    let takes_block = either || matches!(shape, Shape::Named | Shape::Block | Shape::Lines);
    if takes_block != node.block.is_some() {
        let message = if takes_block { "needs a block" } else { "takes no block" };
        findings.error(node.at(), format!("{shown} {message}"));
        return false;
    }
    let (least, most) = match shape {
        Shape::Flag => (0, 1),
        Shape::Words(least, most) => (least, most),
        Shape::Named => (1, 1),
        Shape::WordsOrLines if !either => (1, usize::MAX),
        Shape::Block | Shape::Lines | Shape::WordsOrLines => (0, 0),
    };
    if node.args().len() < least {
        let what = if shape == Shape::Named { "name" } else { "value" };
        findings.error(node.at(), format!("{shown} needs a {what}"));
        return false;
    }
    if let Some(extra) = node.args().get(most) {
        findings.strict(&extra.at, format!("{} after {shown} means nothing", quoted(&extra.text)));
    }
    true
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::keywords::{Place, Shape, Status, TABLE};
    use crate::config::{Options, load_str};

    /// `line` where a keyword of `place` belongs.
    fn within(place: Place, line: &str) -> String {
        match place {
            Place::Root => line.to_owned(),
            Place::Globals => format!("global_defs {{\n{line}\n}}"),
            Place::Script => format!("vrrp_script s {{\n{line}\n}}"),
            Place::File => format!("track_file f {{\n{line}\n}}"),
            Place::Process => format!("vrrp_track_process p {{\n{line}\n}}"),
            Place::Group => format!("vrrp_sync_group g {{\n{line}\n}}"),
            Place::Instance => format!("vrrp_instance i {{\n{line}\n}}"),
            Place::Authentication => format!("vrrp_instance i {{\nauthentication {{\n{line}\n}}\n}}"),
        }
    }

    fn said(place: Place, line: &str) -> Vec<String> {
        let loaded = load_str(Path::new("f"), &within(place, line), &Options::default());
        loaded.diagnostics.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_table_and_what_happens_agree() {
        for entry in TABLE {
            for name in entry.names {
                let line = match entry.status {
                    Status::Works(Shape::Named) => format!("{name} x {{\n}}"),
                    Status::Works(Shape::Block | Shape::Lines | Shape::WordsOrLines) => {
                        format!("{name} {{\n}}")
                    }
                    Status::Works(Shape::Flag | Shape::Words(0, _)) => (*name).to_owned(),
                    _ => format!("{name} 1"),
                };
                let said = said(entry.place, &line);
                let shown = format!("`{name}`");
                let about = |text: &str| said.iter().any(|said| said.contains(&shown) && said.contains(text));
                let unknown = about("unknown keyword") || about("means nothing");
                assert!(!unknown, "{name}: {said:?}");
                let (refused, ignored) = (about("is not supported"), about("is not acted on"));
                let expected = match entry.status {
                    Status::Works(_) | Status::Harmless(_) => (false, false),
                    Status::Ignored(_) => (false, true),
                    Status::NotYet | Status::Refused(_) | Status::RefusedUnless(..) => (true, false),
                };
                assert_eq!((refused, ignored), expected, "{name}: {said:?}");
            }
        }
    }

    #[test]
    fn a_default_of_what_is_not_supported_is_harmless() {
        let about = |line: &str| {
            let said = said(Place::Instance, line);
            said.iter().any(|said| said.contains("old_unicast_checksum"))
        };
        assert!(!about("old_unicast_checksum never"));
        assert!(about("old_unicast_checksum"));
    }

    #[test]
    fn lenient_accepts_what_keepalived_passes_over() {
        let text = "vrrp_instance i {\n state SLAVE\n advert_in 1\n use_vmac\n interface e\n virtual_router_id 1\n\
                    virtual_ipaddress { 10.0.0.1 }\n...\n}";
        let strict = load_str(Path::new("f"), text, &Options::default());
        let lenient = load_str(Path::new("f"), text, &Options { lenient: true, ..Options::default() });
        assert!(strict.config.is_none());
        assert_eq!(lenient.config.map(|config| config.instances.len()), Some(1));
        assert_eq!(strict.diagnostics.len(), lenient.diagnostics.len());
    }

    #[test]
    fn lenient_drops_no_instance_in_silence() {
        let text =
            "vrrp_instance i {\n interfaces e\n virtual_router_id 1\n virtual_ipaddress { 10.0.0.1 }\n}";
        let lenient = load_str(Path::new("f"), text, &Options { lenient: true, ..Options::default() });
        assert!(lenient.config.is_none(), "{:?}", lenient.diagnostics);
    }

    #[test]
    fn defaults_of_global_defs_count_above_it_too() {
        let text = "vrrp_instance i {\n interface e\n virtual_router_id 1\n virtual_ipaddress { 10.0.0.1 }\n}\n\
                    global_defs {\n vrrp_version 3\n vrrp_garp_master_repeat 2\n vrrp_down_timer_adverts 4\n}";
        let config = load_str(Path::new("f"), text, &Options::default()).config.unwrap();
        let instance = &config.instances[0];
        assert_eq!(instance.version, crate::config::model::Version::V3);
        assert_eq!((instance.garp.repeat, instance.down_adverts), (2, 4));
        assert_eq!(instance.garp.lower_prio_repeat, 2, "where no line says otherwise");
    }

    #[test]
    fn owners_ignore_adverts_where_they_are_told_to() {
        for (globals, line, priority, expected) in [
            ("", "owner_ignore_adverts", 255, true),
            ("vrrp_owner_ignore_adverts", "", 255, true),
            ("vrrp_owner_ignore_adverts", "owner_ignore_adverts off", 255, false),
            ("vrrp_owner_ignore_adverts", "", 254, false),
            ("", "", 255, false),
        ] {
            let text = format!(
                "global_defs {{\n{globals}\n}}\nvrrp_instance i {{\n interface e\n virtual_router_id 1\n {line}\n \
                 priority {priority}\n virtual_ipaddress {{ 10.0.0.1 }}\n}}"
            );
            let config = load_str(Path::new("f"), &text, &Options::default()).config.unwrap();
            assert_eq!(config.instances[0].owner_ignore_adverts, expected, "{globals} {line} {priority}");
        }
    }

    #[test]
    fn more_announcements_than_are_sent_are_not_accepted_in_silence() {
        assert!(said(Place::Globals, "vrrp_garp_master_repeat 255").is_empty());
        for keyword in ["vrrp_garp_master_repeat", "vrrp_garp_master_refresh_repeat"] {
            let said = said(Place::Globals, &format!("{keyword} 256")).concat();
            assert!(said.contains(": warning: 256 is taken for 255"), "{said}");
        }
    }
}
