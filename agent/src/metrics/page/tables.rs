//! The tables of the page. On a narrow screen each row becomes a card, for which every cell carries its heading.

use std::fmt::{Display, Result, Write};

use super::super::observation::Happened;
use super::html::Text;
use crate::control::outlook::{because, next};
use crate::control::reasons::{explain, sender};
use crate::control::render::to_the_second;
use crate::control::status::{Datapath, Family, InstanceStatus, Lease, Master, ScriptStatus, State};

/// VIPs of an instance that are shown at once below the first one.
const MAX_VIPS: usize = 3;

/// Opens a section with a table of these columns.
pub(super) fn open(out: &mut String, title: &str, columns: &[&str]) -> Result {
    write!(out, "<section><h2>{}</h2><table><thead><tr>", Text(title))?;
    for column in columns {
        write!(out, "<th>{}</th>", Text(column))?;
    }
    out.push_str("</tr></thead><tbody>");
    Ok(())
}

pub(super) fn close(out: &mut String) {
    out.push_str("</tbody></table></section>");
}

/// A cell with one line, and smaller ones below it.
pub(super) fn cell(out: &mut String, heading: &str, main: impl Display, notes: &[String]) -> Result {
    write!(out, "<td data-heading=\"{}\"><span>{}", Text(heading), Text(main))?;
    for note in notes {
        write!(out, "<small>{}</small>", Text(note))?;
    }
    out.push_str("</span></td>");
    Ok(())
}

/// A cell with a word that has a colour.
pub(super) fn badge(out: &mut String, heading: &str, word: &str, mood: &str) -> Result {
    write!(out, "<td data-heading=\"{}\"><b class=\"{mood}\">{}</b></td>", Text(heading), Text(word))
}

pub(super) fn instances(out: &mut String, instances: &[InstanceStatus]) -> Result {
    if instances.is_empty() {
        return Ok(());
    }
    let columns = [
        "Instance",
        "State",
        "Since (UTC)",
        "Because",
        "Next",
        "Master",
        "Priority",
        "VIPs",
        "Lease",
        "Data path",
    ];
    open(out, "Instances", &columns)?;
    for instance in instances {
        out.push_str("<tr>");
        let family = if instance.family == Family::Ipv4 { "IPv4" } else { "IPv6" };
        let place = format!("VRID {} on {}, {family}", instance.vrid, instance.interface);
        cell(out, "Instance", &instance.name, &[place])?;
        badge(out, "State", instance.state.name(), mood(instance.state))?;
        cell(out, "Since (UTC)", time(instance.last_transition.as_deref()), &[])?;
        let why = because(instance);
        cell(out, "Because", &why, &notes_of(instance, &why))?;
        cell(out, "Next", next(instance), &[])?;
        cell(out, "Master", master(instance.master.as_ref()), &[])?;
        cell(out, "Priority", instance.effective_priority, &priority(instance))?;
        vips(out, instance)?;
        let (lease, notes) = lease(instance);
        cell(out, "Lease", lease, &notes)?;
        let path = instance.datapath.map_or("–", Datapath::name);
        let reason: Vec<String> = instance.datapath_reason.iter().cloned().collect();
        cell(out, "Data path", path, &reason)?;
        out.push_str("</tr>");
    }
    close(out);
    Ok(())
}

fn mood(state: State) -> &'static str {
    match state {
        State::Master => "master",
        State::Backup => "backup",
        State::Fault => "fault",
        State::Init => "init",
    }
}

/// The first few, and the others when somebody wants to see them.
fn vips(out: &mut String, instance: &InstanceStatus) -> Result {
    let (first, others) =
        instance.vips.split_first().map_or(("–", [].as_slice()), |(a, b)| (a.as_str(), b));
    let (shown, more) = others.split_at_checked(MAX_VIPS).unwrap_or((others, &[]));
    write!(out, "<td data-heading=\"VIPs\"><span>{}", Text(first))?;
    for vip in shown {
        write!(out, "<small>{}</small>", Text(vip))?;
    }
    if !more.is_empty() {
        let name = Text(&instance.name);
        write!(
            out,
            "<details data-name=\"VIPs of {name}\"><summary><small>{} more</small></summary>",
            more.len()
        )?;
        for vip in more {
            write!(out, "<small>{}</small>", Text(vip))?;
        }
        out.push_str("</details>");
    }
    out.push_str("</span></td>");
    Ok(())
}

/// What the priority comes from.
fn priority(instance: &InstanceStatus) -> Vec<String> {
    let base = format!("base {}", instance.priority);
    let drained = instance.drained.then(|| "drained".to_owned());
    let changes = instance.trackers.iter().filter(|tracker| tracker.change != 0);
    let changes = changes.map(|it| format!("{} {} {}: {:+}", it.kind, it.name, it.state, it.change));
    std::iter::once(base).chain(changes).chain(drained).collect()
}

fn master(master: Option<&Master>) -> String {
    match master {
        None => "–".to_owned(),
        Some(Master { address, own: true, .. }) => format!("this node ({address})"),
        Some(Master { address, priority, .. }) => format!("{address} (priority {priority})"),
    }
}

fn lease(instance: &InstanceStatus) -> (&'static str, Vec<String>) {
    let fenced: u64 = instance.fenced.values().sum();
    let fenced = (fenced > 0).then(|| format!("{fenced} packets kept from the VIPs"));
    let (word, reason) = match &instance.lease {
        Lease::Unavailable { reason } => ("none", Some(reason.clone())),
        Lease::None => ("not held", None),
        Lease::Held { remaining_seconds } if *remaining_seconds < 0.0 => ("lapsed", None),
        Lease::Held { .. } => ("held", None),
        Lease::Leaving { .. } => ("held until the successor is heard", None),
    };
    (word, reason.into_iter().chain(fenced).collect())
}

/// What should not have happened, and was not said with `why`.
fn notes_of(instance: &InstanceStatus, why: &str) -> Vec<String> {
    let rejected = instance.adverts_rejected_by.iter();
    let rejected = rejected.map(|(label, count)| format!("{count} adverts rejected: {}", explain(label)));
    let others = [
        (instance.adverts_address_list_differs, "adverts listed other addresses"),
        (instance.adverts_interval_differs, "adverts had another interval"),
        (instance.adverts_failed, "adverts could not be sent"),
        (instance.repairs, "times a VIP was put back that somebody had removed"),
    ];
    let others = others.into_iter().filter(|(count, _)| *count > 0);
    let others = others.map(|(count, what)| format!("{count} {what}"));
    let fault = instance.fault.iter().filter(|fault| *fault != why);
    let fault = fault.map(|fault| format!("FAULT: {fault}"));
    let strangers = instance.strangers.iter();
    let strangers = strangers.map(|stranger| format!("last such from {}", sender(stranger)));
    let last = instance.last_cause.iter().filter(|cause| *cause != why);
    let last = last.map(|cause| format!("last transition: {cause}"));
    last.chain(fault).chain(rejected).chain(others).chain(strangers).collect()
}

pub(super) fn scripts(out: &mut String, scripts: &[ScriptStatus]) -> Result {
    if scripts.is_empty() {
        return Ok(());
    }
    open(out, "Scripts", &["Script", "State", "Since (UTC)", "Result"])?;
    for script in scripts {
        out.push_str("<tr>");
        cell(out, "Script", &script.name, &[])?;
        let (word, mood) = match script.up {
            Some(true) => ("up", "backup"),
            Some(false) => ("down", "fault"),
            None => ("no result yet", "init"),
        };
        badge(out, "State", word, mood)?;
        cell(out, "Since (UTC)", time(script.since.as_deref()), &[])?;
        cell(out, "Result", script.detail.as_deref().unwrap_or("–"), &[])?;
        out.push_str("</tr>");
    }
    close(out);
    Ok(())
}

pub(super) fn timeline(out: &mut String, timeline: &[Happened]) -> Result {
    if timeline.is_empty() {
        return Ok(());
    }
    open(out, "Last transitions", &["At (UTC)", "Instance", "Transition", "Because"])?;
    for Happened { at, instance, from, to, why } in timeline {
        out.push_str("<tr>");
        cell(out, "At (UTC)", to_the_millisecond(at), &[])?;
        cell(out, "Instance", instance, &[])?;
        badge(out, "Transition", &format!("{} → {}", from.name(), to.name()), mood(*to))?;
        cell(out, "Because", why, &[])?;
        out.push_str("</tr>");
    }
    close(out);
    Ok(())
}

pub(super) fn dash(text: &str) -> &str {
    if text.is_empty() { "–" } else { text }
}

pub(super) fn time(time: Option<&str>) -> String {
    time.map_or_else(|| "–".to_owned(), to_the_second)
}

/// `2023-11-14T22:13:20.123Z` as `2023-11-14 22:13:20.123`.
fn to_the_millisecond(time: &str) -> String {
    time.trim_end_matches('Z').replace('T', " ")
}
