//! Why an instance is in its state, and what happens next, in words: the same for every reader.
//!
//! Nothing here changes with time alone, so that what is shown changes only when something happened.

use std::time::Duration;

use super::status::{InstanceStatus, Master, State};

/// Priority of a router that resigns.
const RESIGNED: u8 = 0;
/// Master_Down_Interval of a router without a configuration of its own for that, in intervals, with a Skew_Time of
/// nothing and of a whole interval.
const BACKUP_WAITS: [u32; 2] = [3, 4];

/// All of it in a line: who, why, since when nothing was heard, and what is next. The time in it is that of the status.
pub fn explanation(instance: &InstanceStatus) -> String {
    let heard =
        instance.last_advert_seconds_ago.and_then(seconds).filter(|_| instance.state == State::Backup);
    let heard = heard.map(|ago| format!("its last advert came {} ago; ", span(ago))).unwrap_or_default();
    format!(
        "{}: {} because {}; {heard}{}",
        instance.name,
        instance.state.name(),
        because(instance),
        next(instance)
    )
}

/// Why it is in its state, without the state's name: `10.0.0.1 advertises 150, more than 100 here`.
pub fn because(instance: &InstanceStatus) -> String {
    match instance.state {
        State::Init => instance.waiting.clone().unwrap_or_else(|| "it was not started yet".to_owned()),
        State::Fault => instance.fault.clone().unwrap_or_else(|| "no reason given".to_owned()),
        State::Master if instance.leaving => {
            "it resigned, and serves until its successor is heard".to_owned()
        }
        State::Master if instance.drained => "it is drained, and nobody has taken over".to_owned(),
        State::Master => "no router with a better claim is heard".to_owned(),
        State::Backup => match &instance.master {
            None => "no master was heard yet".to_owned(),
            Some(master) if master.priority == RESIGNED => format!("{} resigned", master.address),
            Some(master) => compared(instance, master),
        },
    }
}

fn compared(instance: &InstanceStatus, master: &Master) -> String {
    let Master { address, priority, .. } = master;
    let here = instance.effective_priority;
    match priority.cmp(&here) {
        _ if instance.drained => format!("it is drained, and {address} advertises {priority}"),
        std::cmp::Ordering::Greater => format!("{address} advertises {priority}, more than {here} here"),
        std::cmp::Ordering::Equal => {
            format!("{address} advertises {priority} as well, and who is master stays it")
        }
        std::cmp::Ordering::Less if !instance.preempts => {
            format!("{address} advertises {priority}, less than {here} here, but there is `nopreempt`")
        }
        std::cmp::Ordering::Less => format!("{address} advertises {priority}, less than {here} here"),
    }
}

/// What happens next: `if it stops, this node takes over in 36 ms`.
pub fn next(instance: &InstanceStatus) -> String {
    match instance.state {
        State::Init => "it takes part when that is there".to_owned(),
        State::Fault => "it takes part again when that is over".to_owned(),
        State::Master if instance.leaving => "it lets go when its successor is heard".to_owned(),
        State::Master if instance.drained => "it makes way for the first router that advertises".to_owned(),
        State::Master => match interval(instance) {
            Some(interval) => {
                let [least, most] = BACKUP_WAITS.map(|intervals| span(interval.saturating_mul(intervals)));
                format!(
                    "if this node falls silent, a backup takes over in {least} to {most}, if there is one"
                )
            }
            None => "if this node falls silent, a backup takes over, if there is one".to_owned(),
        },
        State::Backup => backup(instance),
    }
}

fn backup(instance: &InstanceStatus) -> String {
    let after = instance
        .takeover_seconds
        .and_then(seconds)
        .map_or_else(String::new, |after| format!(" in {}", span(after)));
    match &instance.master {
        None => format!("if nobody is heard, this node takes over{after}"),
        Some(master) if master.priority == RESIGNED => {
            format!("if no other router does, this node takes over{after}")
        }
        Some(_) if instance.preempts_in_seconds.is_some() => {
            format!("this node replaces it when `preempt_delay` is over; if it stops before,{after}")
        }
        Some(master) if instance.preempts && master.priority < instance.effective_priority => {
            format!("this node replaces it{after}")
        }
        Some(_) if instance.drained => {
            format!("if it stops and no other router is there, this node takes over{after}")
        }
        Some(_) => format!("if it stops, this node takes over{after}"),
    }
}

fn interval(instance: &InstanceStatus) -> Option<Duration> {
    seconds(instance.interval_seconds).filter(|interval| !interval.is_zero())
}

/// An agent of another version may send anything.
fn seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

/// As few digits as tell times of adverts apart: `3.6 ms`, `36 ms`, `3.6 s`.
fn span(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    match ms {
        ..9.95 => format!("{ms:.1} ms"),
        ..999.5 => format!("{ms:.0} ms"),
        _ => format!("{:.1} s", ms / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::super::status::tests::sample;
    use super::*;

    /// A BACKUP with priority 100 that follows a master of this one.
    fn backup_of(priority: u8) -> InstanceStatus {
        InstanceStatus {
            state: State::Backup,
            priority: 100,
            effective_priority: 100,
            master: Some(Master { address: "10.0.0.1".into(), priority, own: false }),
            takeover_seconds: Some(0.036_09),
            ..sample().instances.swap_remove(0)
        }
    }

    fn words(instance: &InstanceStatus) -> String {
        format!("{} because {}; {}", instance.state.name(), because(instance), next(instance))
    }

    #[test]
    fn a_backup_says_whom_it_follows_and_when_it_takes_over() {
        assert_eq!(
            words(&backup_of(150)),
            "BACKUP because 10.0.0.1 advertises 150, more than 100 here; if it stops, this node takes over in 36 ms"
        );
        let heard = InstanceStatus { last_advert_seconds_ago: Some(0.004), ..backup_of(150) };
        assert!(explanation(&heard).contains("100 here; its last advert came 4.0 ms ago; if it stops"));
        assert!(words(&backup_of(100)).contains("who is master stays it; if it stops"));
        assert!(words(&backup_of(90)).ends_with("less than 100 here; this node replaces it in 36 ms"));
        let delayed = InstanceStatus { preempts_in_seconds: Some(4.0), ..backup_of(90) };
        assert!(words(&delayed).contains("when `preempt_delay` is over; if it stops before, in 36 ms"));
        let content = InstanceStatus { preempts: false, ..backup_of(90) };
        assert!(
            words(&content).ends_with("there is `nopreempt`; if it stops, this node takes over in 36 ms")
        );
        let drained = InstanceStatus { drained: true, preempts: false, ..backup_of(90) };
        assert!(
            words(&drained).contains("it is drained, and 10.0.0.1 advertises 90; if it stops and no other")
        );
        assert!(
            words(&backup_of(RESIGNED)).contains("10.0.0.1 resigned; if no other router does, this node")
        );
        let alone = InstanceStatus { master: None, ..backup_of(1) };
        assert!(
            words(&alone)
                .contains("no master was heard yet; if nobody is heard, this node takes over in 36 ms")
        );
        let older = InstanceStatus { takeover_seconds: None, ..backup_of(150) };
        assert!(words(&older).ends_with("if it stops, this node takes over"));
    }

    #[test]
    fn the_other_states_say_what_they_wait_for() {
        let [master, fault] = [0, 1].map(|number| sample().instances.swap_remove(number));
        assert_eq!(
            words(&master),
            "MASTER because no router with a better claim is heard; if this node falls silent, a backup takes over in \
             300 ms to 400 ms, if there is one"
        );
        assert_eq!(
            words(&fault),
            "FAULT because script chk_db is down; it takes part again when that is over"
        );
        let leaving = InstanceStatus { leaving: true, ..master.clone() };
        assert!(words(&leaving).ends_with("it lets go when its successor is heard"));
        let drained = InstanceStatus { drained: true, ..master.clone() };
        assert!(words(&drained).ends_with("it makes way for the first router that advertises"));
        let waiting = Some("waiting for the first result of script chk".to_owned());
        let init = InstanceStatus { state: State::Init, waiting, ..master };
        assert!(words(&init).starts_with("INIT because waiting for the first result of script chk; "));
    }

    #[test]
    fn nonsense_of_another_version_is_no_panic() {
        for seconds in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
            let odd = InstanceStatus { takeover_seconds: Some(seconds), ..backup_of(150) };
            assert!(words(&odd).ends_with("this node takes over"));
            let odd = InstanceStatus { interval_seconds: seconds, ..sample().instances.swap_remove(0) };
            assert!(words(&odd).ends_with("a backup takes over, if there is one"));
        }
    }

    #[test]
    fn times_have_two_or_three_digits() {
        let spans =
            [3.609, 9.96, 36.09, 999.4, 999.6, 3_609.0].map(|ms| span(Duration::from_secs_f64(ms / 1e3)));
        assert_eq!(spans, ["3.6 ms", "10 ms", "36 ms", "999 ms", "1.0 s", "3.6 s"]);
    }
}
