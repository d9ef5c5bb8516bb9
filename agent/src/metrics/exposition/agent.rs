//! The agent as a whole: what it is, how punctual its election is, what its HTTP server did.

use std::fmt;

use super::Scrape;
use super::family::Families;

pub(super) fn write(families: &mut Families, scrape: &Scrape) -> fmt::Result {
    let observation = &scrape.observation;
    let version = [("version", &observation.status.version)];
    families.infos("vipward_build", "Version of the running agent", [version])?;
    let figures = &observation.figures;
    families.histogram(
        "vipward_timer_lateness_seconds",
        "From the deadline of a watch on a master until the kernel, or the raw socket's watch, noticed it",
        &figures.timer_lateness,
    )?;
    families.histogram(
        "vipward_deadline_lateness_seconds",
        "From when something of the election thread was due, mostly an advert, until the thread got round to it",
        &figures.deadline_lateness,
    )?;
    let phases = [
        ("decision", &figures.decision),
        ("address", &figures.address),
        ("announcement", &figures.announcement),
    ];
    families.histograms(
        "vipward_failover_phase_seconds",
        "Phases of a takeover after a silent master: decision (from the expiry), address (from there to the first \
         VIP), announcement (from there to its first gratuitous ARP or neighbour advertisement)",
        phases.map(|(phase, histogram)| ([("phase", phase)], histogram)),
    )?;
    families.histogram(
        "vipward_failover_seconds",
        "From the deadline of the watch on a master to the first announcement of a VIP",
        &figures.takeover,
    )?;
    families.counter(
        "vipward_updates_dropped",
        "News of the election that the rest of the agent had no room for: lines and notifications that are missing",
        &figures.updates_dropped,
    )?;
    families.counter(
        "vipward_events_lost",
        "Events of the data path that found its ring full; its state was read again",
        &figures.events_lost,
    )?;
    let requests = scrape.traffic.requests().map(|(code, count)| ([("code", code)], count));
    families.counters("vipward_http_requests", "Requests by the status of their answer", requests)?;
    families.counter(
        "vipward_http_connections_refused",
        "Connections that found no room",
        &scrape.traffic.refusals(),
    )?;
    let subscribers = u64::try_from(scrape.subscribers).unwrap_or(u64::MAX);
    families.gauge("vipward_http_subscribers", "Status pages that are kept up to date", &subscribers)
}
