//! What can be said only by looking at several blocks: collisions, references, and advice on combinations that
//! keepalived accepts without a word.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use super::diagnostic::{Findings, did_you_mean, quoted};
use super::model::{Config, Instance, Location, Script, TrackItem};

/// The VRID of keepalived's sample file, and of countless copies of it.
const SAMPLE_VRID: u8 = 51;

/// Checks `config` as a whole.
pub(super) fn check(config: &Config, findings: &mut Findings) {
    names(config, findings);
    vrids(config, findings);
    addresses(config, findings);
    let scripts: HashMap<&str, &Script> =
        config.scripts.iter().map(|script| (script.name.as_str(), script)).collect();
    for instance in &config.instances {
        tracking(instance, &scripts, findings);
        weights(instance, &scripts, findings);
    }
    link_delays(config, findings);
    unused(config, findings);
}

/// The items whose key an earlier one has, each with that earlier one's place.
fn repeated<'c, K: Eq + Hash>(
    items: impl IntoIterator<Item = (K, &'c Location)>,
) -> Vec<(&'c Location, &'c Location)> {
    let mut seen: HashMap<K, &Location> = HashMap::new();
    let mut repeated = Vec::new();
    for (key, at) in items {
        let first = *seen.entry(key).or_insert(at);
        if !std::ptr::eq(first, at) {
            repeated.push((at, first));
        }
    }
    repeated
}

fn names(config: &Config, findings: &mut Findings) {
    let scripts = repeated(config.scripts.iter().map(|script| (&script.name, &script.at)));
    let instances = repeated(config.instances.iter().map(|instance| (&instance.name, &instance.at)));
    let files = repeated(config.files.iter().map(|file| (&file.name, &file.at)));
    let processes = repeated(config.processes.iter().map(|process| (&process.name, &process.at)));
    for (kind, repeated) in [
        ("vrrp_script", scripts),
        ("track_file", files),
        ("vrrp_track_process", processes),
        ("vrrp_instance", instances),
    ] {
        for (at, first) in repeated {
            findings
                .error(at, format!("another {kind} has this name already, at {first}"))
                .help("keepalived takes the first one only");
        }
    }
}

fn vrids(config: &Config, findings: &mut Findings) {
    let key = |instance: &Instance| (instance.interface.clone(), instance.family, instance.vrid);
    for (at, first) in repeated(config.instances.iter().map(|instance| (key(instance), &instance.at))) {
        findings
            .error(at, format!("its virtual_router_id is taken on this interface by the instance at {first}"))
            .help("a VRID is unique per interface and address family");
    }
    for instance in config.instances.iter().filter(|instance| instance.vrid == SAMPLE_VRID) {
        findings
            .warning(&instance.at, format!("virtual_router_id {SAMPLE_VRID} is the samples' value"))
            .help("on a shared network somebody else's routers are likely to have it too");
    }
}

fn addresses(config: &Config, findings: &mut Findings) {
    let vips = config.instances.iter().flat_map(|instance| {
        instance.vips.iter().map(|vip| {
            let dev = vip.dev.as_deref().unwrap_or(&instance.interface);
            ((vip.address, dev), &vip.at)
        })
    });
    for (at, first) in repeated(vips) {
        findings.error(at, format!("this virtual address is given already, at {first}"));
    }
}

fn tracking(instance: &Instance, scripts: &HashMap<&str, &Script>, findings: &mut Findings) {
    for track in instance.track_scripts.iter().filter(|track| !scripts.contains_key(track.name.as_str())) {
        findings
            .error(&track.at, format!("there is no vrrp_script {}", quoted(&track.name)))
            .maybe_help(|| did_you_mean(&track.name, scripts.keys().copied()));
    }
    let scripts = repeated(instance.track_scripts.iter().map(|track| (&track.name, &track.at)));
    let interfaces = repeated(instance.track_interfaces.iter().map(|track| (&track.name, &track.at)));
    let files = repeated(instance.track_files.iter().map(|track| (&track.name, &track.at)));
    let processes = repeated(instance.track_processes.iter().map(|track| (&track.name, &track.at)));
    for (at, first) in scripts.into_iter().chain(interfaces).chain(files).chain(processes) {
        findings.error(at, format!("this is tracked already, at line {}", first.line));
    }
}

/// `nopreempt` is given to keep a recovered node from taking over; it also keeps a lowered priority from mattering.
fn weights(instance: &Instance, scripts: &HashMap<&str, &Script>, findings: &mut Findings) {
    if instance.preempt {
        return;
    }
    let scripts = instance.track_scripts.iter().filter(|track| {
        let default = scripts.get(track.name.as_str()).map_or(0, |script| script.weight);
        track.weight.unwrap_or(default) != 0
    });
    let interfaces = instance.track_interfaces.iter().filter(|track| track.weight != 0);
    let items =
        instance.track_files.iter().chain(&instance.track_processes).filter(|track| track.weight != 0);
    let weighted = scripts.map(|t| (&t.name, &t.at)).chain(interfaces.map(|t| (&t.name, &t.at)));
    let weighted = weighted.chain(items.map(|t| (&t.name, &t.at)));
    for (name, at) in weighted {
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

/// A master that takes its time to notice that it is cut off serves beside its successor.
fn link_delays(config: &Config, findings: &mut Findings) {
    let longest =
        |instance: &Instance| instance.interval * u32::from(instance.down_adverts.saturating_sub(1));
    let mut hastiest: HashMap<&str, &Instance> = HashMap::new();
    for instance in &config.instances {
        let known = hastiest.entry(&instance.interface).or_insert(instance);
        if longest(instance) < longest(known) {
            *known = instance;
        }
    }
    for delay in &config.link_delays {
        let hastiest = hastiest.get(delay.interface.as_str());
        if let Some(instance) = hastiest.filter(|instance| delay.down >= longest(instance)) {
            findings
                .warning(
                    &delay.at,
                    format!(
                        "before this delay is over, another node has taken over from {}",
                        quoted(&instance.name)
                    ),
                )
                .help(format!("less than {} s", longest(instance).as_secs_f64()));
        }
    }
}

fn unused(config: &Config, findings: &mut Findings) {
    // An instance that was refused may be the one that tracks it.
    if findings.has_errors() {
        return;
    }
    let tracked: HashSet<&str> = config
        .instances
        .iter()
        .flat_map(|instance| instance.track_scripts.iter().map(|track| track.name.as_str()))
        .collect();
    for script in config.scripts.iter().filter(|script| !tracked.contains(script.name.as_str())) {
        findings
            .warning(&script.at, format!("nobody tracks {}, so it is not run", quoted(&script.name)))
            .help("name it in the `track_script` of an instance");
    }
    let items = |of: fn(&Instance) -> &Vec<TrackItem>| -> HashSet<&str> {
        config.instances.iter().flat_map(of).map(|track| track.name.as_str()).collect()
    };
    let (files, processes) = (items(|it| &it.track_files), items(|it| &it.track_processes));
    let files = config.files.iter().filter(|file| !files.contains(file.name.as_str()));
    let processes = config.processes.iter().filter(|process| !processes.contains(process.name.as_str()));
    let unused = files.map(|file| (&file.name, &file.at, "track_file"));
    for (name, at, keyword) in
        unused.chain(processes.map(|process| (&process.name, &process.at, "track_process")))
    {
        findings
            .warning(at, format!("nobody tracks {}, so it is not watched", quoted(name)))
            .help(format!("name it in the `{keyword}` of an instance"));
    }
}
