//! Sync groups as a whole: the state that their scripts are told, and that the status shows.

use std::collections::HashMap;

use vipward_vrrp::types::State;

use crate::check::notify::Told;
use crate::config::model::Config;
use crate::election::message::Transition;

/// The state that members in these states make together.
pub(super) fn together(states: impl IntoIterator<Item = State>) -> State {
    let states: Vec<State> = states.into_iter().collect();
    let all = |wanted| !states.is_empty() && states.iter().all(|state| *state == wanted);
    if states.contains(&State::Fault) {
        State::Fault
    } else if all(State::Master) {
        State::Master
    } else if states.is_empty() || states.contains(&State::Init) {
        State::Init
    } else {
        State::Backup
    }
}

/// What is known of the groups of the configuration.
#[derive(Debug, Default)]
pub(super) struct Groups {
    known: Vec<Group>,
    /// The state of every instance.
    states: HashMap<String, State>,
    /// Of instances whose names others took, until it is heard what they themselves are called now.
    displaced: HashMap<String, State>,
}

#[derive(Debug)]
struct Group {
    name: String,
    members: Vec<String>,
    told: Option<Told>,
}

impl Groups {
    /// Takes over the groups of a configuration. What was told of one stays told.
    pub(super) fn configure(&mut self, config: &Config) {
        let before = std::mem::take(&mut self.known);
        let told =
            |name: &String| before.iter().find(|group| group.name == *name).and_then(|group| group.told);
        let groups = config.groups.iter();
        self.known = groups
            .map(|group| Group {
                name: group.name.clone(),
                members: group.members.clone(),
                told: told(&group.name),
            })
            .collect();
    }

    /// Notes a transition; gives what is to be told of groups.
    pub(super) fn transition(&mut self, transition: &Transition) -> Vec<(String, Told)> {
        self.states.insert(transition.instance.clone(), transition.to);
        let mut news = Vec::new();
        for group in self.known.iter_mut().filter(|group| group.members.contains(&transition.instance)) {
            let states =
                group.members.iter().map(|name| self.states.get(name).copied().unwrap_or(State::Init));
            let states: Vec<State> = states.collect();
            let told = match together(states.iter().copied()) {
                State::Master => Told::Master,
                State::Backup => Told::Backup,
                State::Fault => Told::Fault,
                State::Init if transition.stopping && states.iter().all(|state| *state == State::Init) => {
                    Told::Stop
                }
                State::Init => continue,
            };
            if group.told.replace(told) != Some(told) {
                news.push((group.name.clone(), told));
            }
        }
        news
    }

    /// What was told of each group last.
    pub(super) fn standing(&self) -> impl Iterator<Item = (String, Told)> {
        self.known.iter().filter_map(|group| Some((group.name.clone(), group.told?)))
    }

    /// Forgets an instance that is gone.
    pub(super) fn removed(&mut self, instance: &str) {
        self.states.remove(instance);
    }

    /// Follows an instance to its new name. Names may change places, and are told one by one.
    pub(super) fn renamed(&mut self, from: &str, to: &str) {
        let Some(state) = self.displaced.remove(from).or_else(|| self.states.remove(from)) else { return };
        if let Some(displaced) = self.states.insert(to.to_owned(), state) {
            self.displaced.insert(to.to_owned(), displaced);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Options, load_str};

    fn groups() -> Groups {
        let text = "vrrp_sync_group g {\ngroup { a b }\n}\n\
                    vrrp_instance a {\ninterface e\nvirtual_router_id 1\nvirtual_ipaddress { 10.0.0.1 }\n}\n\
                    vrrp_instance b {\ninterface e\nvirtual_router_id 2\nvirtual_ipaddress { 10.0.0.2 }\n}\n";
        let mut groups = Groups::default();
        groups.configure(&load_str(Path::new("f"), text, &Options::default()).config.expect("fine"));
        groups
    }

    fn told(groups: &mut Groups, instance: &str, to: State, stopping: bool) -> Option<Told> {
        let news = groups.transition(&Transition {
            instance: instance.to_owned(),
            from: State::Init,
            to,
            why: String::new(),
            priority: 100,
            master: None,
            silent_for: None,
            stopping,
        });
        news.into_iter().next().map(|(name, told)| {
            assert_eq!(name, "g");
            told
        })
    }

    #[test]
    fn a_group_is_told_of_once_per_change_and_not_of_what_is_between() {
        let mut groups = groups();
        let steps = [
            ("a", State::Backup, None),
            ("b", State::Backup, Some(Told::Backup)),
            ("a", State::Master, None),
            ("b", State::Master, Some(Told::Master)),
            ("b", State::Fault, Some(Told::Fault)),
            ("a", State::Fault, None),
            ("a", State::Backup, None),
            ("b", State::Backup, Some(Told::Backup)),
        ];
        for (instance, to, expected) in steps {
            assert_eq!(told(&mut groups, instance, to, false), expected, "{instance} {to}");
        }
        assert_eq!(told(&mut groups, "a", State::Init, true), None);
        assert_eq!(told(&mut groups, "b", State::Init, true), Some(Told::Stop));
    }

    #[test]
    fn states_follow_instances_that_change_names() {
        let mut groups = groups();
        told(&mut groups, "a", State::Master, false);
        told(&mut groups, "b", State::Backup, false);
        groups.renamed("a", "b");
        groups.renamed("b", "a");
        assert_eq!((groups.states["a"], groups.states["b"]), (State::Backup, State::Master));
        groups.removed("a");
        assert_eq!(told(&mut groups, "b", State::Master, false), None, "nothing is known of the other one");
    }
}
