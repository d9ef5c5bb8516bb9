//! The status page: a table that needs no script, and a script that keeps it up to date.

pub(super) mod events;
mod files;
mod html;
mod tables;

use std::fmt::Write;

use super::health;
use super::observation::Observation;
use crate::control::render::to_the_second;
use crate::control::status::State;
use html::Text;

/// How it looks.
pub(super) const CSS: &str = include_str!("page.css");
/// What keeps it up to date.
pub(super) const SCRIPT: &str = include_str!("page.js");

/// The whole page.
pub fn page(observation: &Observation) -> String {
    let host = Text(&observation.status.router_id);
    let fragment = fragment(observation);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{host} – vipward</title>\n<link rel=\"stylesheet\" href=\"/page.css\">\n\
         <script src=\"/page.js\" defer></script>\n</head>\n<body>\n\
         <header><h1>{host}</h1><span id=\"live\">as it was when this page was loaded</span></header>\n\
         <main id=\"shown\">{fragment}</main>\n</body>\n</html>\n"
    )
}

/// The part of it that changes. It has nothing in it that changes by itself: no clock, no counter of adverts.
pub(super) fn fragment(observation: &Observation) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut out, observation);
    out
}

/// What stands in its place when nobody answers.
pub(super) fn silence(why: &str) -> String {
    format!("<p class=\"bad\">{}</p>", Text(why))
}

fn write(out: &mut String, observation: &Observation) -> std::fmt::Result {
    let status = &observation.status;
    write!(
        out,
        "<p class=\"summary\">{} · vipward {} since {}</p>",
        summary(observation),
        Text(&status.version),
        Text(to_the_second(&status.started)),
    )?;
    let unready = health::unready(observation);
    if !unready.is_empty() {
        out.push_str("<ul class=\"bad\">");
        for reason in &unready {
            write!(out, "<li>{}</li>", Text(reason))?;
        }
        out.push_str("</ul>");
    }
    tables::instances(out, &status.instances)?;
    tables::scripts(out, &status.scripts)?;
    files::resources(out, &status.resources)?;
    tables::timeline(out, &observation.timeline)
}

/// `2 MASTER, 1 BACKUP`.
fn summary(observation: &Observation) -> String {
    let instances = &observation.status.instances;
    let counts = [State::Master, State::Backup, State::Fault, State::Init].map(|state| {
        let count = instances.iter().filter(|instance| instance.state == state).count();
        (count > 0).then(|| format!("{count} {}", state.name()))
    });
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    if counts.is_empty() { "no instance".to_owned() } else { counts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::status::Lease;
    use crate::metrics::tests::sample;

    #[test]
    fn everything_is_there_without_a_script() {
        let page = page(&sample());
        for words in [
            "<title>n1 – vipward</title>",
            "1 MASTER, 1 FAULT",
            "VI_1",
            "this node (192.0.2.1)",
            "192.0.2.10/24",
            "the master fell silent",
            "80",
            "file load holds 10: -20",
            "database: FAULT: script chk_db is down",
            "the driver of bond0.100 has no XDP",
            "held",
            "www.toml",
            "connection refused",
            "no router with a better claim is heard",
            "if this node falls silent, a backup takes over in 300 ms to 400 ms",
            "it takes part again when that is over",
            "<span class=\"added\">+server 10.0.0.2;</span>",
            "BACKUP → MASTER",
        ] {
            assert!(page.contains(words), "{words} in {page}");
        }
        assert!(!page.contains("style=") && !page.contains("onclick"), "the policy forbids it inline");
    }

    #[test]
    fn every_vip_is_there_and_few_are_in_the_way() {
        let mut observation = sample();
        observation.status.instances[0].vips = (0..200).map(|number| format!("10.0.0.{number}/24")).collect();
        let page = page(&observation);
        assert!(page.contains("<summary><small>196 more</small></summary>"), "{page}");
        assert!((0..200).all(|number| page.contains(&format!(">10.0.0.{number}/24<"))), "{page}");
    }

    #[test]
    fn names_and_errors_are_text() {
        let mut observation = sample();
        let hostile = "<img src=x onerror=alert(1)>\"'&";
        observation.status.router_id = hostile.into();
        observation.status.scripts[0].detail = Some(hostile.into());
        observation.timeline[0].why = hostile.into();
        for instance in &mut observation.status.instances {
            instance.name = hostile.into();
            instance.interface = hostile.into();
            instance.last_cause = Some(hostile.into());
            instance.datapath_reason = Some(hostile.into());
            instance.fault = Some(hostile.into());
            for tracker in &mut instance.trackers {
                (tracker.name, tracker.state) = (hostile.into(), hostile.into());
            }
            instance.vips = vec![hostile.into(); 9];
        }
        for resource in &mut observation.status.resources {
            resource.name = hostile.into();
            resource.dest = hostile.into();
            resource.last_error = Some(hostile.into());
            resource.last_diff = Some(format!("+{hostile}"));
        }
        let page = page(&observation);
        assert!(page.contains("&lt;img src=x"), "{page}");
        assert!(!page.contains("<img") && !page.contains("\"'&<"), "{page}");
    }

    #[test]
    fn time_alone_changes_nothing() {
        let mut later = sample();
        for instance in &mut later.status.instances {
            instance.preempts_in_seconds = Some(1.0);
        }
        let before = fragment(&later);
        for instance in &mut later.status.instances {
            instance.last_advert_seconds_ago = Some(99.0);
            instance.adverts_sent += 1;
            instance.adverts_received += 1;
            instance.preempts_in_seconds = Some(1.0 - 0.5);
            if let Lease::Held { remaining_seconds } = &mut instance.lease {
                *remaining_seconds -= 0.1;
            }
            for stranger in &mut instance.strangers {
                stranger.seconds_ago += 1.0;
            }
        }
        assert_eq!(fragment(&later), before);
    }
}
