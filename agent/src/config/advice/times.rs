//! Times that do not go together.

use std::collections::HashMap;
use std::time::Duration;

use crate::config::diagnostic::{Findings, quoted};
use crate::config::model::{Config, Instance, Script, Version};
use vipward_common::timing;

use super::Lines;

/// A script cannot run more often.
const SHORTEST: Duration = Duration::from_secs(1);

/// How long a backup with this configuration waits for its master.
fn master_down(instance: &Instance) -> Duration {
    let version = match instance.version {
        Version::V2 => 2,
        Version::V3 => 3,
    };
    let interval = u64::try_from(instance.interval.as_nanos()).unwrap_or(u64::MAX / 1000);
    Duration::from_nanos(timing::master_down(version, instance.priority, interval, instance.down_adverts))
}

/// A service that goes down should not be noticed later than a whole node that does.
pub(super) fn scripts(
    config: &Config,
    scripts: &HashMap<&str, &Script>,
    lines: &Lines<'_>,
    findings: &mut Findings,
) {
    let mut shortest: HashMap<&str, Duration> = HashMap::new();
    for instance in &config.instances {
        let wait = master_down(instance);
        for track in &instance.track_scripts {
            let known = shortest.entry(&track.name).or_insert(wait);
            *known = wait.min(*known);
        }
    }
    for script in &config.scripts {
        let first = scripts.get(script.name.as_str()).is_some_and(|first| std::ptr::eq(*first, script));
        let Some(wait) = shortest.get(script.name.as_str()).filter(|_| first) else { continue };
        if script.interval <= SHORTEST.max(*wait) {
            continue;
        }
        let at = lines.of_script(&script.name, "interval").map_or(&script.at, |word| &word.at);
        findings
            .warning(
                at,
                format!(
                    "{} runs every {} s, but a dead node is noticed after {:.1} s",
                    quoted(&script.name),
                    script.interval.as_secs(),
                    wait.as_secs_f64()
                ),
            )
            .help(format!("`interval {}` or less", SHORTEST.max(*wait).as_secs()));
    }
}

/// A master that takes its time to notice that it is cut off serves beside its successor.
pub(super) fn link_delays(config: &Config, findings: &mut Findings) {
    let longest =
        |instance: &Instance| instance.interval * u32::from(instance.down_adverts.saturating_sub(1));
    let mut quickest: HashMap<&str, &Instance> = HashMap::new();
    for instance in &config.instances {
        let known = quickest.entry(&instance.interface).or_insert(instance);
        if longest(instance) < longest(known) {
            *known = instance;
        }
    }
    for delay in &config.link_delays {
        let quickest = quickest.get(delay.interface.as_str()).copied();
        if let Some(instance) = quickest.filter(|instance| delay.down >= longest(instance)) {
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{Options, load_str};

    fn said(script: &str, instance: &str) -> Vec<String> {
        let text = format!(
            "vrrp_script s {{\nscript /bin/true\n{script}\n}}\nvrrp_instance i {{\ninterface e\n\
             virtual_router_id 1\nvirtual_ipaddress {{ 10.0.0.1 }}\ntrack_script {{ s }}\n{instance}\n}}"
        );
        let loaded = load_str(Path::new("f"), &text, &Options::default());
        loaded.diagnostics.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_script_that_runs_seldom_is_told_at_its_interval() {
        let expected = "f:3:10: warning: `s` runs every 4 s, but a dead node is noticed after 3.6 s; `interval 3` or less";
        assert_eq!(said("interval 4", ""), [expected]);
        assert!(said("interval 3", "").is_empty());
        assert!(said("interval 4", "advert_int 2").is_empty());
        assert!(said("interval 1", "version 3\nadvert_int 0.1").is_empty(), "it cannot run more often");
        assert_eq!(said("interval 2", "version 3\nadvert_int 0.1").len(), 1);
        assert_eq!(said("interval 10", "down_timer_adverts 9").len(), 1);
    }
}
