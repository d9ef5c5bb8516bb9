//! A status snapshot as a person would like to read it: one aligned table, and below it what needs attention.

use std::fmt::Write;

use super::reasons::{explain, who};
use super::resources;
use super::status::{
    Datapath, Family, GroupStatus, InstanceStatus, ScriptStatus, State, StatusSnapshot, TrackerStatus,
};

/// VIPs that are named in a row before the rest is counted.
const MAX_VIPS: usize = 2;

/// Whether escape sequences for colours are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// A terminal.
    Yes,
    /// A pipe or a file, or `NO_COLOR` is set.
    No,
}

/// Renders `snapshot`; the text ends with a newline.
pub fn render(snapshot: &StatusSnapshot, colour: Colour) -> String {
    if snapshot.instances.is_empty() && snapshot.resources.is_empty() {
        return "The agent runs, and has nothing to do: no instance is configured.\n".to_owned();
    }
    let mut text = String::new();
    if !snapshot.instances.is_empty() {
        let header = [
            "INSTANCE",
            "STATE",
            "PRIORITY",
            "INTERFACE",
            "VRID",
            "MASTER",
            "DATAPATH",
            "SINCE (UTC)",
            "VIPS",
        ];
        table(&mut text, &header, snapshot.instances.iter().map(instance_row), colour);
    }
    if !snapshot.groups.is_empty() {
        text.push('\n');
        table(&mut text, &["GROUP", "STATE", "MEMBERS"], snapshot.groups.iter().map(group_row), colour);
    }
    if !snapshot.resources.is_empty() {
        if !text.is_empty() {
            text.push('\n');
        }
        table(&mut text, &resources::HEADER, snapshot.resources.iter().map(resources::row), colour);
    }
    let notes: Vec<String> = snapshot
        .instances
        .iter()
        .flat_map(instance_notes)
        .chain(snapshot.scripts.iter().filter_map(script_note))
        .chain(resources::notes(&snapshot.resources))
        .chain(log_note(snapshot))
        .collect();
    if !notes.is_empty() {
        text.push('\n');
    }
    for note in notes {
        text.push_str(&note);
        text.push('\n');
    }
    text
}

/// A level that somebody has set, and may have forgotten.
fn log_note(snapshot: &StatusSnapshot) -> Option<String> {
    let level = snapshot.log_level.as_deref().filter(|level| *level != "info")?;
    Some(format!("logging from level {} on", printable(level)))
}

/// A line of a table.
pub(super) struct Row {
    pub(super) cells: Vec<String>,
    /// SGR parameters of the column in which colour says something: all of the header, the state elsewhere.
    pub(super) paint: &'static str,
}

/// The column of the state.
const STATE: usize = 1;

fn table(text: &mut String, header: &[&str], rows: impl Iterator<Item = Row>, colour: Colour) {
    let header = Row { cells: header.iter().map(ToString::to_string).collect(), paint: "1" };
    let mut widths = vec![0; header.cells.len()];
    let rows: Vec<Row> = std::iter::once(header).chain(rows).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(&row.cells) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for (number, row) in rows.iter().enumerate() {
        let mut line = String::new();
        for (column, (cell, width)) in row.cells.iter().zip(&widths).enumerate() {
            let padded = format!("{cell:0$}", *width);
            if colour == Colour::Yes && !row.paint.is_empty() && (number == 0 || column == STATE) {
                let _ = write!(line, "\x1b[{}m{padded}\x1b[0m", row.paint);
            } else {
                line.push_str(&padded);
            }
            line.push_str("  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

/// A state, and the colour of its word.
fn painted(state: State) -> (&'static str, &'static str) {
    match state {
        State::Master => ("MASTER", "1;32"),
        State::Backup => ("BACKUP", "36"),
        State::Fault => ("FAULT", "1;31"),
        State::Init => ("INIT", "33"),
    }
}

fn group_row(group: &GroupStatus) -> Row {
    let (state, paint) = painted(group.state);
    let members: Vec<String> = group.members.iter().map(|name| printable(name)).collect();
    Row { cells: vec![printable(&group.name), state.to_owned(), members.join(", ")], paint }
}

fn instance_row(instance: &InstanceStatus) -> Row {
    let (state, paint) = painted(instance.state);
    let priority = if instance.priority == instance.effective_priority {
        instance.priority.to_string()
    } else {
        format!("{} of {}", instance.effective_priority, instance.priority)
    };
    let master = match &instance.master {
        None => "-".to_owned(),
        Some(master) if master.own => "this node".to_owned(),
        Some(master) => format!("{} ({})", master.address, master.priority),
    };
    let interface = match instance.family {
        Family::Ipv4 => instance.interface.clone(),
        Family::Ipv6 => format!("{} (IPv6)", instance.interface),
    };
    let datapath = instance.datapath.map_or("-", Datapath::name);
    let cells = vec![
        printable(&instance.name),
        state.to_owned(),
        priority,
        printable(&interface),
        instance.vrid.to_string(),
        printable(&master),
        datapath.to_owned(),
        instance.last_transition.as_deref().map_or_else(|| "-".to_owned(), to_the_second),
        vips(&instance.vips),
    ];
    Row { cells, paint }
}

fn vips(vips: &[String]) -> String {
    let named: Vec<String> = vips.iter().take(MAX_VIPS).map(|vip| printable(vip)).collect();
    match vips.len().saturating_sub(MAX_VIPS) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// `2023-11-14T22:13:20.123Z` as `2023-11-14 22:13:20`; the header names the zone.
pub(crate) fn to_the_second(time: &str) -> String {
    let whole = time.split_once('.').map_or_else(|| time.trim_end_matches('Z'), |(whole, _)| whole);
    printable(whole).replace('T', " ")
}

fn instance_notes(instance: &InstanceStatus) -> Vec<String> {
    let name = printable(&instance.name);
    let note = |what: &Option<String>, label: &str| {
        what.as_ref().map(|what| format!("{name}: {label}{}", printable(what)))
    };
    let told = [
        note(&instance.fault, ""),
        note(&instance.waiting, ""),
        priority(instance).map(|sum| format!("{name}: {}", printable(&sum))),
        note(&instance.last_cause, "last transition: "),
        note(&instance.datapath_reason, "not on native XDP: "),
    ];
    let counted = counts(instance).into_iter().filter(|(count, _)| *count > 0);
    let counted = counted.map(|(count, what)| format!("{name}: {count} {what}"));
    let strangers =
        instance.strangers.iter().map(|stranger| format!("{name}: {}", printable(&who(stranger))));
    told.into_iter().flatten().chain(counted).chain(strangers).collect()
}

/// What an effective priority is made of: `priority 80 = 100 − 20 (file load holds 10)`.
fn priority(instance: &InstanceStatus) -> Option<String> {
    let moving: Vec<&TrackerStatus> =
        instance.trackers.iter().filter(|tracker| tracker.change != 0).collect();
    if moving.is_empty() {
        return None;
    }
    let mut sum = format!("priority {} = {}", instance.effective_priority, instance.priority);
    for tracker in &moving {
        let sign = if tracker.change < 0 { '−' } else { '+' };
        let TrackerStatus { kind, name, state, .. } = tracker;
        let _ = write!(sum, " {sign} {} ({kind} {name} {state})", tracker.change.unsigned_abs());
    }
    let total: i64 = moving.iter().map(|tracker| tracker.change).sum();
    if i64::from(instance.priority).saturating_add(total) != i64::from(instance.effective_priority) {
        sum.push_str(if instance.drained { ", drained" } else { ", within 1 to 254" });
    }
    Some(sum)
}

/// What should not have happened, and how often it did.
fn counts(instance: &InstanceStatus) -> [(u64, String); 7] {
    let reasons: Vec<String> = instance
        .adverts_rejected_by
        .iter()
        .map(|(label, count)| format!("{count} × {}", printable(&explain(label))))
        .collect();
    let by = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join(", ")) };
    [
        (instance.adverts_rejected, format!("adverts were rejected{by}")),
        (instance.adverts_address_list_differs, "adverts listed other addresses than ours".to_owned()),
        (instance.adverts_interval_differs, "adverts had another interval than ours".to_owned()),
        (instance.adverts_failed, "adverts could not be sent".to_owned()),
        (instance.repairs, "× a VIP was put back that somebody had removed".to_owned()),
        (instance.timer_not_armed, "× the kernel refused the timer".to_owned()),
        (instance.events_ring_full, "events of the data path were lost, for its ring was full".to_owned()),
    ]
}

fn script_note(script: &ScriptStatus) -> Option<String> {
    let state = match script.up {
        Some(true) => return None,
        Some(false) => "down",
        None => "no result yet",
    };
    let detail = script.detail.as_ref().map(|detail| format!(": {}", printable(detail))).unwrap_or_default();
    Some(format!("script {}: {state}{detail}", printable(&script.name)))
}

/// Names and details come from files and scripts: no escape sequence of theirs reaches the terminal.
pub(crate) fn printable(text: &str) -> String {
    text.replace(|c: char| c.is_control(), "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::super::status::tests::sample;
    use super::*;
    use crate::render::engine::{self as resource, ReloadReport, ResourceReport};

    #[test]
    fn a_table_and_what_needs_attention() {
        insta::assert_snapshot!(render(&sample(), Colour::No), @r"
        INSTANCE  STATE   PRIORITY   INTERFACE         VRID  MASTER         DATAPATH     SINCE (UTC)          VIPS
        VI_1      MASTER  150        eth0              51    this node      xdp          2023-11-14 22:13:20  192.0.2.10/24
        database  FAULT   80 of 100  bond0.100 (IPv6)  7     fe80::2 (120)  xdp-generic  -                    2001:db8::10/64, 2001:db8::11/64 and 1 more

        VI_1: last transition: the master fell silent
        database: script chk_db is down
        database: priority 80 = 100 − 20 (file load holds 10)
        database: not on native XDP: the driver of bond0.100 has no XDP
        database: 12 adverts were rejected: 2 × wrong TTL or hop limit (ttl), 10 × sender not among the peers (unknown_peer)
        database: 3 adverts listed other addresses than ours
        database: 1 × a VIP was put back that somebody had removed
        database: last sender not among the peers (unknown_peer): fe80::9 (02:00:00:00:00:09), 4 s ago
        script chk_db: down: exit status 1: connection refused
        ");
    }

    #[test]
    fn colour_changes_no_width_and_names_cannot_paint() {
        let mut snapshot = sample();
        if let Some(first) = snapshot.instances.first_mut() {
            first.name = "\x1b[2Jx".into();
        }
        let plain = render(&snapshot, Colour::No);
        assert!(!plain.contains('\x1b'), "{plain}");
        let mut painted = render(&snapshot, Colour::Yes);
        for code in ["1", "0", "1;32", "1;31"] {
            let escape = format!("\x1b[{code}m");
            assert!(painted.contains(&escape), "{code} in {painted}");
            painted = painted.replace(&escape, "");
        }
        let trimmed: Vec<&str> = painted.lines().map(str::trim_end).collect();
        assert_eq!(trimmed, plain.lines().collect::<Vec<_>>());
    }

    #[test]
    fn rendered_files_have_a_table_of_their_own() {
        let time = Some("2023-11-14T22:13:20.123Z".to_owned());
        let reload = ReloadReport {
            state: "failed".into(),
            failures: 3,
            last_error: Some("reload_cmd `x` failed: exit status 1".into()),
            ..ReloadReport::default()
        };
        let www = ResourceReport {
            name: "www.toml".into(),
            dest: "/etc/nginx/conf.d/www.conf".into(),
            state: resource::State::Ok,
            last_change: time.clone(),
            stale_since: time.clone(),
            store_error: Some("connection refused".into()),
            reload: Some(reload),
            ..ResourceReport::default()
        };
        let db = ResourceReport {
            name: "db.toml".into(),
            state: resource::State::Rejected,
            last_error: Some("db.toml:1:1: error: \x1b[2J".into()),
            next_try: time,
            ..ResourceReport::default()
        };
        let snapshot = StatusSnapshot { resources: vec![www, db], ..StatusSnapshot::default() };
        insta::assert_snapshot!(render(&snapshot, Colour::No), @r"
        RESOURCE  STATE     FILE                        CHANGED (UTC)        RELOAD
        www.toml  STALE     /etc/nginx/conf.d/www.conf  2023-11-14 22:13:20  failed
        db.toml   REJECTED  -                           -                    -

        the store is out of reach since 2023-11-14 22:13:20, and files may be out of date: connection refused
        www.toml: 3 reloads in a row failed: reload_cmd `x` failed: exit status 1
        db.toml: db.toml:1:1: error: �[2J (next try 2023-11-14 22:13:20)
        ");
    }

    #[test]
    fn sync_groups_have_a_table_of_their_own() {
        let mut snapshot = sample();
        let members = vec!["VI_1".into(), "database".into()];
        snapshot.groups = vec![GroupStatus { name: "G1".into(), state: State::Fault, members }];
        let text = render(&snapshot, Colour::No);
        assert!(text.contains("\n\nGROUP  STATE  MEMBERS\nG1     FAULT  VI_1, database\n\n"), "{text}");
    }

    #[test]
    fn a_level_out_of_the_ordinary_is_shown() {
        let mut snapshot = sample();
        assert!(!render(&snapshot, Colour::No).contains("logging from"));
        snapshot.log_level = Some("debug".into());
        assert!(render(&snapshot, Colour::No).ends_with("\nlogging from level debug on\n"));
    }

    #[test]
    fn what_is_waited_for_is_said_once() {
        let mut snapshot = sample();
        snapshot.instances[0].waiting = Some("waiting for the first result of script chk".into());
        let text = render(&snapshot, Colour::No);
        assert!(text.contains("\nVI_1: waiting for the first result of script chk\n"), "{text}");
    }

    #[test]
    fn an_agent_without_instances_says_so() {
        assert!(render(&StatusSnapshot::default(), Colour::Yes).contains("nothing to do"));
    }
}
