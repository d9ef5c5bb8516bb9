//! The command: a line per packet, for a person or in JSON.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::judge::Judge;
use super::sighting::Body;
use super::watch::{Sighting, Watch};
use crate::net::Links;
use crate::net::netlink::Netlink;

/// What is shown, and how long.
#[derive(Clone, Debug)]
pub struct Show {
    /// Only what passes this interface.
    pub interface: Option<String>,
    /// Configuration to compare with.
    pub file: PathBuf,
    /// Whose lines of it count.
    pub config_id: Option<String>,
    /// A JSON object per line.
    pub json: bool,
    /// Ends after so many packets.
    pub count: Option<u64>,
    /// Ends after that time.
    pub time: Option<Duration>,
}

/// Shows what passes by on `out` until it has seen enough, or nobody reads `out` any more. What else there is to say goes
/// to standard error.
pub fn run(show: &Show, out: &mut dyn Write) -> anyhow::Result<()> {
    let links = Links::dump(&mut Netlink::open()?)?;
    let (judge, why) = Judge::of_file(&show.file, show.config_id.clone(), links);
    if let Some(why) = why {
        eprintln!("vipward: {why}");
    }
    let mut watch = Watch::open(show.interface.as_deref(), judge)?;
    let end = show.time.map(|time| Instant::now() + time);
    match follow(show, &mut watch, end, out) {
        Err(error) if is_closed(&error) => Ok(()),
        other => other,
    }
}

fn is_closed(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn follow(show: &Show, watch: &mut Watch, end: Option<Instant>, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut left = show.count.unwrap_or(u64::MAX);
    let mut seen = Vec::new();
    while left > 0 && end.is_none_or(|end| Instant::now() < end) {
        for note in watch.take_notes() {
            eprintln!("vipward: {note}");
        }
        watch.wait(end, &mut seen)?;
        for sighting in seen.drain(..) {
            if left == 0 {
                break;
            }
            left -= 1;
            let line = if show.json { serde_json::to_string(&sighting)? } else { text(&sighting) };
            out.write_all(format!("{line}\n").as_bytes())?;
        }
        let lost = watch.take_lost();
        if lost > 0 && show.json {
            out.write_all(format!("{{\"kind\":\"lost\",\"count\":{lost}}}\n").as_bytes())?;
        } else if lost > 0 {
            out.write_all(format!("… {lost} packets came too fast to be shown\n").as_bytes())?;
        }
        out.flush()?;
    }
    Ok(())
}

/// One line, and one more for each fault.
fn text(sighting: &Sighting) -> String {
    let Sighting { at, interface, sent, vlan, mac, body, ours, xdp, faults } = sighting;
    // The time of day is enough for somebody who watches.
    let time = at.split_once('T').map_or(at.as_str(), |(_, time)| time.trim_end_matches('Z'));
    let way = if *sent { "out" } else { "in " };
    let vlan = vlan.map(|vlan| format!(" vlan {vlan}")).unwrap_or_default();
    let what = match body {
        Body::Advert(heard) => {
            let priority = heard.priority.map_or_else(|| "?".to_owned(), |priority| priority.to_string());
            let resigns = if heard.priority == Some(0) { " (resigns)" } else { "" };
            let interval = heard.interval_ms.map(|ms| format!(" every {ms} ms")).unwrap_or_default();
            let addresses: Vec<String> = heard.addresses.iter().map(ToString::to_string).collect();
            let password = if heard.password { " with a password" } else { "" };
            let foreign = if *ours == Some(false) { " not configured here" } else { "" };
            format!(
                "advert v{} VRID {} priority {priority}{resigns}{interval} {} > {} ({mac}) [{}]{password}{foreign}",
                heard.version,
                heard.vrid,
                heard.source,
                heard.destination,
                addresses.join(" ")
            )
        }
        Body::Garp { address, told } => format!("GARP {address} is at {told}"),
        Body::Na { address, told } => {
            format!("NA {address} is at {}", told.as_deref().unwrap_or("a MAC that it does not tell"))
        }
    };
    let xdp = match xdp {
        Some("accepted") => " · taken by XDP",
        Some(_) => " · dropped by XDP",
        None => "",
    };
    let mut text = format!("{time} {interface} {way}{vlan} {what}{xdp}");
    for fault in faults {
        text.push_str("\n             ! ");
        text.push_str(&fault.message);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::sighting::{Fault, Heard};
    use super::*;

    #[test]
    fn a_line_tells_who_says_what_and_what_is_wrong() {
        let heard = Heard {
            source: [10, 0, 0, 1].into(),
            destination: [224, 0, 0, 18].into(),
            ttl: 254,
            version: 3,
            vrid: 51,
            priority: Some(0),
            interval_ms: Some(10),
            addresses: vec![[10, 0, 0, 50].into()],
            password: false,
        };
        let mut sighting = Sighting {
            at: "2026-01-02T03:04:05.678Z".into(),
            interface: "eth0".into(),
            sent: false,
            vlan: None,
            mac: "02:00:00:00:00:07".into(),
            body: Body::Advert(heard),
            ours: Some(true),
            xdp: Some("ttl"),
            faults: vec![Fault::new("ttl", "wrong TTL or hop limit (ttl)")],
        };
        assert_eq!(
            text(&sighting),
            "03:04:05.678 eth0 in  advert v3 VRID 51 priority 0 (resigns) every 10 ms 10.0.0.1 > 224.0.0.18 \
             (02:00:00:00:00:07) [10.0.0.50] · dropped by XDP\n             ! wrong TTL or hop limit (ttl)"
        );
        sighting.body = Body::Garp { address: [10, 0, 0, 50].into(), told: "02:00:00:00:00:07".into() };
        let json = serde_json::to_value(&sighting).expect("JSON");
        assert_eq!(json["kind"], "garp");
        assert_eq!(json["faults"][0]["what"], "ttl");
        assert_eq!(json["address"], "10.0.0.50");
    }
}
