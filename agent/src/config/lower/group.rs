//! `vrrp_sync_group`: its lines, and what becomes of its members' own.
//!
//! As in keepalived the members of a group have one fate, so that weights of their own would tear them apart: they
//! count for nothing unless the group says `sync_group_tracking_weight`. What the group tracks, all of its members do.

use std::collections::{HashMap, HashSet};

use crate::config::diagnostic::{Findings, did_you_mean, quoted};
use crate::config::keywords::Place;
use crate::config::lex::Word;
use crate::config::model::{Group, Instance, Location, Notify, TrackInterface, TrackItem, TrackScript};
use crate::config::tree::Node;
use vipward_common::wire::PRIORITY_OWNER;

use super::address::plain_line;
use super::globals::Defaults;
use super::instance::set_notify;
use super::track::{ItemLine, ScriptLine, Weights};
use super::{mentions, track, values, walk, weights};

/// What all groups may add to what their members track, each of it for each member.
const MAX_TRACKED: usize = 1 << 18;
/// What to do about a weight that does not count.
const TRACK_ON_GROUP: &str = "track it on the group, or set `sync_group_tracking_weight` there";

/// A block as its lines say it.
pub(super) struct Draft {
    name: String,
    at: Location,
    members: Vec<Word>,
    track_scripts: Vec<ScriptLine>,
    track_interfaces: Vec<TrackInterface>,
    track_files: Vec<ItemLine>,
    track_processes: Vec<ItemLine>,
    /// Members may have weights of their own.
    weights: bool,
    notify: Notify,
    priority_changes: Option<bool>,
    smtp_alert: Option<bool>,
}

/// One block.
pub(super) fn read(node: &Node, findings: &mut Findings) -> Option<Draft> {
    let mut draft = Draft {
        name: node.args().first()?.text.clone(),
        at: node.at().clone(),
        members: Vec::new(),
        track_scripts: Vec::new(),
        track_interfaces: Vec::new(),
        track_files: Vec::new(),
        track_processes: Vec::new(),
        weights: false,
        notify: Notify::default(),
        priority_changes: None,
        smtp_alert: None,
    };
    walk(Place::Group, node.children(), findings, |keyword, node, findings| {
        draft.set(keyword, node, findings);
    });
    Some(draft)
}

impl Draft {
    fn set(&mut self, keyword: &str, node: &Node, findings: &mut Findings) {
        let lines = node.children();
        match keyword {
            "group" => {
                let named = lines.iter().filter(|line| plain_line(line, findings).is_some());
                self.members.extend(named.flat_map(words).cloned());
            }
            "track_script" => {
                self.track_scripts.extend(lines.iter().filter_map(|line| track::script(line, findings)));
            }
            "track_interface" => {
                self.track_interfaces
                    .extend(lines.iter().filter_map(|line| track::interface(line, findings)));
            }
            "track_file" => {
                self.track_files.extend(lines.iter().filter_map(|line| track::item(line, findings)));
            }
            "track_process" => {
                self.track_processes.extend(lines.iter().filter_map(|line| track::item(line, findings)));
            }
            "global_tracking" => {
                findings
                    .warning(node.at(), "`global_tracking` lets the priorities of the members differ")
                    .help("track on the group instead, so that they change together");
                self.weights = true;
            }
            "sync_group_tracking_weight" => self.weights = true,
            "smtp_alert" => self.smtp_alert = values::flag(node, findings),
            "notify_priority_changes" => self.priority_changes = values::flag(node, findings),
            _ => _ = set_notify(&mut self.notify, keyword, node, findings),
        }
    }
}

/// All words of a line: several members may stand in one.
fn words(line: &Node) -> impl Iterator<Item = &Word> {
    std::iter::once(line.keyword()).chain(line.args())
}

/// What it takes to bring groups and instances together.
pub(super) struct Joining<'a> {
    /// The scripts' own weights.
    pub(super) weights: HashMap<&'a str, i32>,
    /// The blocks of all instances by their names, also of those that were refused.
    pub(super) named: HashMap<&'a str, &'a Node>,
    /// What their blocks say of what is tracked.
    pub(super) defaults: &'a Defaults,
    pub(super) findings: &'a mut Findings,
}

impl Joining<'_> {
    /// The groups, whose members then track what their groups do.
    pub(super) fn join(&mut self, drafts: Vec<Draft>, instances: &mut [Instance]) -> Vec<Group> {
        let mut of: HashMap<String, String> = HashMap::new();
        let mut names: HashMap<String, u32> = HashMap::new();
        let places: HashMap<String, usize> = instances
            .iter()
            .enumerate()
            .rev()
            .map(|(place, instance)| (instance.name.clone(), place))
            .collect();
        let mut groups = Vec::new();
        let mut room = MAX_TRACKED;
        for draft in drafts {
            if let Some(line) = names.get(&draft.name) {
                self.findings
                    .error(
                        &draft.at,
                        format!("another vrrp_sync_group has this name already, at line {line}"),
                    )
                    .help("keepalived takes the first one only");
                continue;
            }
            names.insert(draft.name.clone(), draft.at.line);
            let members = self.members(&draft, &mut of);
            let joined: Vec<usize> = members.iter().filter_map(|name| places.get(name).copied()).collect();
            let present: Vec<&Instance> = joined.iter().filter_map(|place| instances.get(*place)).collect();
            self.compare(&draft, &present);
            let scripts = draft
                .track_scripts
                .iter()
                .map(|line| line.clone().settle(&self.defaults.reversed_scripts))
                .collect();
            let scripts = last_of_each(scripts, |track: &TrackScript| &track.name);
            let interfaces = last_of_each(draft.track_interfaces.clone(), |track| &track.name);
            let files = self.items(&draft.track_files, "track_file", &self.defaults.files);
            let processes =
                self.items(&draft.track_processes, "vrrp_track_process", &self.defaults.processes);
            let added = scripts.len() + interfaces.len() + files.len() + processes.len();
            let Some(left) = room.checked_sub(added.saturating_mul(joined.len())) else {
                let message =
                    format!("groups make their members track more than {MAX_TRACKED} things in all");
                self.findings.error(&draft.at, message);
                continue;
            };
            room = left;
            for place in joined {
                let Some(instance) = instances.get_mut(place) else { continue };
                let own = self.named.get(instance.name.as_str());
                let own = own.is_some_and(|node| mentions(node, "notify_priority_changes", self.findings));
                if let Some(tells) = draft.priority_changes.filter(|_| !own) {
                    instance.notify_priority_changes = tells;
                }
                if !draft.weights {
                    let because = format!("in the group {}", quoted(&draft.name));
                    weights::drop(instance, &self.weights, &because, TRACK_ON_GROUP, self.findings);
                }
                take_over(&mut instance.track_scripts, &scripts, |track| &track.name);
                take_over(&mut instance.track_interfaces, &interfaces, |track| &track.name);
                take_over(&mut instance.track_files, &files, |track| &track.name);
                take_over(&mut instance.track_processes, &processes, |track| &track.name);
            }
            let smtp_alert = draft.smtp_alert.unwrap_or_else(|| self.defaults.mail.alerts());
            groups.push(Group { name: draft.name, at: draft.at, members, notify: draft.notify, smtp_alert });
        }
        groups
    }

    fn items(&mut self, lines: &[ItemLine], keyword: &str, weights: &Weights) -> Vec<TrackItem> {
        lines.iter().filter_map(|line| line.clone().settle(keyword, weights, self.findings)).collect()
    }

    fn members(&mut self, draft: &Draft, of: &mut HashMap<String, String>) -> Vec<String> {
        let mut members: Vec<String> = Vec::new();
        for word in &draft.members {
            let name = &word.text;
            if !self.named.contains_key(name.as_str()) {
                self.findings
                    .error(&word.at, format!("there is no vrrp_instance {}", quoted(name)))
                    .maybe_help(|| did_you_mean(name, self.named.keys().copied()));
            } else if let Some(other) = of.get(name) {
                self.findings
                    .error(&word.at, format!("{} is in the group {} already", quoted(name), quoted(other)))
                    .help("an instance is in one group at most");
            } else {
                of.insert(name.clone(), draft.name.clone());
                members.push(name.clone());
            }
        }
        if draft.members.is_empty() {
            self.findings
                .error(&draft.at, format!("the group {} has no members", quoted(&draft.name)))
                .help("name its instances in a `group` block");
        } else if let [only] = members.as_slice()
            && draft.members.len() == 1
        {
            let message = format!("{} is alone in its group, which thus does nothing", quoted(only));
            self.findings.warning(&draft.at, message);
        }
        members
    }

    /// What one look at the members' priorities tells.
    fn compare(&mut self, draft: &Draft, members: &[&Instance]) {
        let owners = members.iter().filter(|member| member.priority == PRIORITY_OWNER).count();
        if owners > 0 && owners < members.len() {
            self.findings
                .error(
                    &draft.at,
                    format!(
                        "some members of {} own their addresses (priority 255) and some do not",
                        quoted(&draft.name)
                    ),
                )
                .help(
                    "the owner is master at once, and the others must not be: give all of them one priority",
                );
            return;
        }
        let [first, others @ ..] = members else { return };
        if let Some(other) = others.iter().find(|other| other.priority != first.priority) {
            let message = format!(
                "the priorities of its group's members differ: {} here, {} of {}",
                other.priority,
                first.priority,
                quoted(&first.name)
            );
            self.findings.warning(&other.at, message).help(
                "if the other node wins some elections and this one the others, neither group can be master",
            );
        }
    }
}

/// The last of those that have one name, in their order.
fn last_of_each<T>(mut all: Vec<T>, name: fn(&T) -> &str) -> Vec<T> {
    let mut seen = HashSet::new();
    all.reverse();
    all.retain(|one| seen.insert(name(one).to_owned()));
    all.reverse();
    all
}

/// Puts what a group tracks behind what its member does, in the place of what that says of the same.
fn take_over<T: Clone>(own: &mut Vec<T>, tracked: &[T], name: fn(&T) -> &str) {
    let names: HashSet<&str> = tracked.iter().map(name).collect();
    own.retain(|one| !names.contains(name(one)));
    own.extend_from_slice(tracked);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{Loaded, Options, load_str};

    fn instance(name: &str, vrid: u8, lines: &str) -> String {
        format!(
            "vrrp_instance {name} {{\ninterface e\nvirtual_router_id {vrid}\npriority 150\n{lines}\n\
             virtual_ipaddress {{ 10.0.0.{vrid} }}\n}}\n"
        )
    }

    fn load(group: &str, lines: &str) -> Loaded {
        let (a, b) = (instance("a", 1, lines), instance("b", 2, ""));
        let script =
            "vrrp_script chk {\nscript \"true\"\nweight -20\n}\nvrrp_script hard {\nscript \"true\"\n}\n";
        load_str(Path::new("f"), &format!("{script}{group}\n{a}{b}"), &Options::default())
    }

    fn said(group: &str, lines: &str) -> String {
        let loaded = load(group, lines);
        loaded.diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    const UNTRACKED: &str = "nobody tracks";

    #[test]
    fn what_the_group_tracks_all_members_do() {
        let group = "vrrp_sync_group g {\ngroup {\na\nb\n}\ntrack_script {\nchk\nhard\n}\n\
                     track_interface {\neth9 weight 5\n}\nnotify /bin/true\n}";
        let loaded = load(group, "track_interface {\neth9\n}");
        assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
        let config = loaded.config.unwrap();
        assert_eq!(config.groups[0].members, ["a", "b"]);
        assert!(config.groups[0].notify.any.is_some());
        for instance in &config.instances {
            let scripts: Vec<_> = instance.track_scripts.iter().map(|track| track.name.as_str()).collect();
            assert_eq!(scripts, ["chk", "hard"]);
            assert_eq!(instance.track_interfaces.len(), 1);
            assert_eq!(instance.track_interfaces[0].weight, 5);
        }
    }

    #[test]
    fn weights_of_members_do_not_count() {
        let group = "vrrp_sync_group g {\ngroup { a b }\n}";
        let lines = "track_script {\nchk\nhard\n}\ntrack_interface {\neth9 weight 5\n}";
        let loaded = load(group, lines);
        let text: String = loaded.diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(text.contains("not tracked: its weight") && text.contains("the weight is ignored"), "{text}");
        let config = loaded.config.unwrap();
        let a = &config.instances[0];
        assert_eq!(a.track_scripts.iter().map(|track| &track.name).collect::<Vec<_>>(), ["hard"]);
        assert_eq!(a.track_interfaces[0].weight, 0);

        for word in ["sync_group_tracking_weight", "global_tracking"] {
            let loaded = load(&format!("vrrp_sync_group g {{\ngroup {{ a b }}\n{word}\n}}"), lines);
            let a = &loaded.config.unwrap().instances[0];
            assert_eq!((a.track_scripts.len(), a.track_interfaces[0].weight), (2, 5), "{word}");
        }
    }

    #[test]
    fn members_exist_and_are_in_one_group() {
        let group = |lines: &str| said(&format!("vrrp_sync_group g {{\n{lines}\n}}"), "");
        let missing = group("group {\na\nbb\n}");
        assert!(missing.contains("no vrrp_instance `bb`; did you mean `b`?"), "{missing}");
        assert!(group("").contains("`g` has no members"));
        assert!(group("group { a }").contains("is alone in its group"));
        assert!(group("group { a a }").contains("is in the group `g` already"));
        let twice = said("vrrp_sync_group g {\ngroup { a b }\n}\nvrrp_sync_group h {\ngroup { a }\n}", "");
        assert!(twice.contains("`a` is in the group `g` already"), "{twice}");
        let same = said("vrrp_sync_group g {\ngroup { a b }\n}\nvrrp_sync_group g {\ngroup { a b }\n}", "");
        assert!(same.contains("another vrrp_sync_group has this name already"), "{same}");
    }

    #[test]
    fn priorities_that_part_the_members_are_told() {
        let group = "vrrp_sync_group g {\ngroup { a b }\n}";
        assert!(!said(group, "").contains("differ"));
        assert!(said(group, "priority 100").contains("the priorities of its group's members differ"));
        assert!(said(group, "priority 255").contains("own their addresses"));
        assert!(
            said(group, "").contains(UNTRACKED),
            "the scripts of these tests are tracked where a test says so"
        );
    }
}
