//! Rules as far as they can concern an advert, and what becomes of one: passed, dropped, or not to be told.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;
use vipward_common::wire::IPPROTO_VRRP;
use vipward_vrrp::types::Family;

/// Chains that lead into one another: the kernel allows 16 as well.
const MAX_DEPTH: usize = 16;
/// Rules looked at for one advert; chains that are shared are looked at again.
const MAX_RULES: usize = 100_000;

/// Whether a packet comes or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// It arrives for this host.
    In,
    /// This host sends it.
    Out,
}

/// The packet in question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Advert {
    /// Whether it comes or goes.
    pub(super) way: Way,
    /// Its family.
    pub(super) family: Family,
    /// Where it goes; one host when `None`.
    pub(super) group: Option<IpAddr>,
    /// Where it comes in or goes out.
    pub(super) interface: String,
}

/// Whether a test holds for the advert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Truth {
    Yes,
    No,
    Maybe,
}

/// One test of a rule. With the flag it is the opposite that is tested.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    /// The protocol behind the IP header is one of these.
    Protocol(Vec<u8>, bool),
    /// It comes in through one of these; `*` or `+` at the end stands for anything.
    Input(Vec<String>, bool),
    /// It goes out through one of these.
    Output(Vec<String>, bool),
    /// It is of this family.
    Family(Family, bool),
    /// It goes to one of these.
    Destination(Vec<IpNet>, bool),
    /// It is a multicast packet.
    Multicast(bool),
    /// Its connection is in one of these states. Nobody answers an advert, so it is always new.
    States(Vec<String>, bool),
    /// Something that no advert is, such as TCP with a certain port.
    Never,
    /// Something else.
    Other,
}

impl Test {
    fn holds(&self, advert: &Advert) -> Truth {
        let known = |holds: bool, opposite: bool| if holds == opposite { Truth::No } else { Truth::Yes };
        match self {
            Test::Protocol(numbers, not) => known(numbers.contains(&IPPROTO_VRRP), *not),
            Test::Input(names, not) if advert.way == Way::In => {
                known(is_among(&advert.interface, names), *not)
            }
            Test::Output(names, not) if advert.way == Way::Out => {
                known(is_among(&advert.interface, names), *not)
            }
            // A packet that is sent came in nowhere, and the other way round.
            Test::Input(_, not) | Test::Output(_, not) => known(false, *not),
            Test::Family(family, not) => known(*family == advert.family, *not),
            Test::Destination(nets, not) => match advert.group {
                Some(group) => known(nets.iter().any(|net| net.contains(&group)), *not),
                None => Truth::Maybe,
            },
            Test::Multicast(not) => known(advert.group.is_some(), *not),
            Test::States(states, not) => match (states.iter().any(|state| state == "new"), not) {
                // Unless it is exempt from tracking, or seen in both directions.
                (true, _) => Truth::Maybe,
                (false, not) => known(false, *not),
            },
            Test::Never => Truth::No,
            Test::Other => Truth::Maybe,
        }
    }
}

fn is_among(interface: &str, names: &[String]) -> bool {
    names.iter().any(|name| match name.strip_suffix(['*', '+']) {
        Some(begin) => interface.starts_with(begin),
        None => interface == name,
    })
}

/// What a rule does with what passes its tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Lets it through this chain's hook.
    Accept,
    /// Drops or rejects it.
    Drop,
    /// Looks at another chain, and comes back.
    Jump(String),
    /// Looks at another chain, and does not.
    Goto(String),
    /// Goes back to where it came from.
    Return,
    /// Nothing that decides.
    Nothing,
}

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rule {
    /// How a person finds it.
    pub(super) name: String,
    /// All of which must hold.
    pub(super) tests: Vec<Test>,
    /// What is done then.
    pub(super) action: Action,
}

/// Where the kernel asks a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hook {
    /// For which packets.
    pub(super) way: Way,
    /// For those of one interface only.
    pub(super) interface: Option<String>,
    /// It drops what no rule decided.
    pub(super) drops: bool,
}

/// A chain.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Chain {
    /// How a person finds it.
    pub(super) name: String,
    /// Families that it sees; all when empty.
    pub(super) families: Vec<Family>,
    /// Where it is asked; only by others when `None`.
    pub(super) hook: Option<Hook>,
    /// Its rules.
    pub(super) rules: Vec<Rule>,
}

/// Which dialect its owner speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `nft`.
    #[default]
    Nft,
    /// `iptables`.
    Iptables,
}

/// All chains, by a key that rules name them by.
#[derive(Clone, Debug, Default)]
pub(super) struct Ruleset {
    /// How it was written.
    pub(super) dialect: Dialect,
    /// The chains.
    pub(super) chains: HashMap<String, Chain>,
}

/// What becomes of an advert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It gets through.
    Passed,
    /// It does not, because of this.
    Dropped(String),
    /// It may not.
    Unclear(String),
}

/// What a chain says.
enum Said {
    Accepted,
    Dropped(String),
    Undecided,
}

/// A walk through the rules.
struct Walk<'a> {
    rules: &'a Ruleset,
    advert: &'a Advert,
    /// Rules that may still be looked at.
    left: usize,
    /// The first one that may drop it.
    doubt: Option<String>,
    /// A rule may accept it.
    hope: bool,
}

impl Ruleset {
    /// What becomes of an advert.
    pub(super) fn judge(&self, advert: &Advert) -> Outcome {
        let mut doubt = None;
        let mut bases: Vec<&Chain> = self.chains.values().filter(|chain| chain.sees(advert)).collect();
        // In an order that does not change from call to call.
        bases.sort_by(|a, b| a.name.cmp(&b.name));
        for chain in bases {
            let mut walk = Walk { rules: self, advert, left: MAX_RULES, doubt: None, hope: false };
            let policy = chain.hook.as_ref().is_some_and(|hook| hook.drops);
            match walk.chain(chain, 0) {
                Said::Dropped(by) => return Outcome::Dropped(by),
                Said::Undecided if policy && !walk.hope => {
                    return Outcome::Dropped(format!("the policy of {}", chain.name));
                }
                Said::Undecided if policy => {
                    doubt = doubt.or(Some(format!("the policy of {}", chain.name)));
                }
                Said::Accepted | Said::Undecided => {}
            }
            doubt = doubt.or(walk.doubt);
        }
        doubt.map_or(Outcome::Passed, Outcome::Unclear)
    }

    /// What lets such adverts pass.
    pub(super) fn remedy(&self, advert: &Advert) -> String {
        let six = if advert.family == Family::V6 { "6" } else { "" };
        match (self.dialect, advert.way) {
            (Dialect::Nft, _) => "nft insert rule FAMILY TABLE CHAIN meta l4proto 112 accept".to_owned(),
            (Dialect::Iptables, Way::In) => format!("ip{six}tables -I INPUT -p 112 -j ACCEPT"),
            (Dialect::Iptables, Way::Out) => format!("ip{six}tables -I OUTPUT -p 112 -j ACCEPT"),
        }
    }
}

impl Chain {
    fn sees(&self, advert: &Advert) -> bool {
        let family = self.families.is_empty() || self.families.contains(&advert.family);
        family
            && self.hook.as_ref().is_some_and(|hook| {
                hook.way == advert.way && hook.interface.as_ref().is_none_or(|name| *name == advert.interface)
            })
    }
}

impl Walk<'_> {
    fn chain(&mut self, chain: &Chain, depth: usize) -> Said {
        for rule in &chain.rules {
            if self.left == 0 {
                self.doubt.get_or_insert_with(|| format!("{} (too many rules to follow)", chain.name));
                return Said::Undecided;
            }
            self.left -= 1;
            let truths = rule.tests.iter().map(|test| test.holds(self.advert));
            let truth = truths.fold(Truth::Yes, |all, one| match (all, one) {
                (Truth::No, _) | (_, Truth::No) => Truth::No,
                (Truth::Maybe, _) | (_, Truth::Maybe) => Truth::Maybe,
                (Truth::Yes, Truth::Yes) => Truth::Yes,
            });
            let said = match (truth, &rule.action) {
                (Truth::No, _) | (_, Action::Nothing) => continue,
                (_, Action::Accept) => Said::Accepted,
                (_, Action::Drop) => Said::Dropped(rule.name.clone()),
                (Truth::Yes, Action::Return) => return Said::Undecided,
                (_, Action::Return) => {
                    self.hope = true;
                    continue;
                }
                (_, Action::Jump(name) | Action::Goto(name)) => self.other(name, depth),
            };
            match (truth, said) {
                (Truth::Maybe, Said::Accepted) => self.hope = true,
                (Truth::Maybe, Said::Dropped(by)) => _ = self.doubt.get_or_insert(by),
                (_, Said::Undecided) if matches!(rule.action, Action::Goto(_)) && truth == Truth::Yes => {
                    return Said::Undecided;
                }
                (_, Said::Undecided) => {}
                // What may have accepted it before makes this no certain end.
                (_, Said::Dropped(by)) if self.hope => {
                    self.doubt.get_or_insert(by);
                    return Said::Accepted;
                }
                (_, said) => return said,
            }
        }
        Said::Undecided
    }

    fn other(&mut self, name: &str, depth: usize) -> Said {
        match self.rules.chains.get(name) {
            Some(chain) if depth < MAX_DEPTH => self.chain(chain, depth + 1),
            _ => Said::Undecided,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advert(way: Way) -> Advert {
        Advert { way, family: Family::V4, group: Some([224, 0, 0, 18].into()), interface: "eth0".into() }
    }

    fn rule(name: &str, tests: Vec<Test>, action: Action) -> Rule {
        Rule { name: name.into(), tests, action }
    }

    fn judged(drops: bool, rules: Vec<Rule>, other: Vec<Rule>) -> Outcome {
        let hook = Hook { way: Way::In, interface: None, drops };
        let base = Chain { name: "base".into(), hook: Some(hook), rules, ..Chain::default() };
        let other = Chain { name: "other".into(), rules: other, ..Chain::default() };
        let chains = [("base".to_owned(), base), ("other".to_owned(), other)].into();
        Ruleset { chains, ..Ruleset::default() }.judge(&advert(Way::In))
    }

    #[test]
    fn the_first_rule_that_surely_matches_decides() {
        let vrrp = || vec![Test::Protocol(vec![112], false)];
        assert_eq!(judged(false, vec![], vec![]), Outcome::Passed);
        assert_eq!(judged(true, vec![], vec![]), Outcome::Dropped("the policy of base".into()));
        assert_eq!(judged(true, vec![rule("a", vrrp(), Action::Accept)], vec![]), Outcome::Passed);
        let both = vec![rule("a", vrrp(), Action::Accept), rule("b", vec![], Action::Drop)];
        assert_eq!(judged(false, both, vec![]), Outcome::Passed);
        let tcp = vec![
            rule("a", vec![Test::Protocol(vec![6], false)], Action::Accept),
            rule("b", vec![], Action::Drop),
        ];
        assert_eq!(judged(false, tcp, vec![]), Outcome::Dropped("b".into()));
        let unlike = vec![rule("a", vec![Test::Protocol(vec![6], true)], Action::Drop)];
        assert_eq!(judged(false, unlike, vec![]), Outcome::Dropped("a".into()));
    }

    #[test]
    fn what_is_not_understood_makes_doubt_and_no_verdict() {
        let maybe = || vec![Test::Other];
        assert_eq!(
            judged(false, vec![rule("a", maybe(), Action::Drop)], vec![]),
            Outcome::Unclear("a".into())
        );
        let accepted = vec![rule("a", maybe(), Action::Accept)];
        assert_eq!(judged(true, accepted.clone(), vec![]), Outcome::Unclear("the policy of base".into()));
        let then = [accepted, vec![rule("b", vec![], Action::Drop)]].concat();
        assert_eq!(judged(false, then, vec![]), Outcome::Unclear("b".into()));
    }

    #[test]
    fn chains_lead_into_others_and_never_for_ever() {
        let jump = || vec![rule("j", vec![], Action::Jump("other".into())), rule("z", vec![], Action::Drop)];
        assert_eq!(judged(false, jump(), vec![rule("a", vec![], Action::Accept)]), Outcome::Passed);
        assert_eq!(
            judged(false, jump(), vec![rule("r", vec![], Action::Return)]),
            Outcome::Dropped("z".into())
        );
        let ahead = vec![rule("g", vec![], Action::Goto("other".into())), rule("z", vec![], Action::Drop)];
        assert_eq!(judged(false, ahead, vec![]), Outcome::Passed);
        let twice = || {
            vec![
                rule("a", vec![], Action::Jump("other".into())),
                rule("b", vec![], Action::Jump("other".into())),
            ]
        };
        let endless = judged(false, twice(), twice());
        assert!(matches!(endless, Outcome::Unclear(_)), "{endless:?}");
    }

    #[test]
    fn tests_know_an_advert() {
        let list = |name: &str| vec![name.to_owned()];
        let net = |net: &str| vec![net.parse::<IpNet>().expect("network")];
        for (test, expected) in [
            (Test::Input(list("eth0"), false), Truth::Yes),
            (Test::Input(list("eth*"), true), Truth::No),
            (Test::Input(list("lo"), false), Truth::No),
            (Test::Output(list("eth0"), false), Truth::No),
            (Test::Family(Family::V6, false), Truth::No),
            (Test::Destination(net("224.0.0.0/4"), false), Truth::Yes),
            (Test::Destination(net("10.0.0.0/8"), false), Truth::No),
            (Test::Multicast(false), Truth::Yes),
            (Test::States(list("established"), false), Truth::No),
            (Test::States(list("established"), true), Truth::Yes),
            (Test::States(list("new"), false), Truth::Maybe),
            (Test::Never, Truth::No),
        ] {
            assert_eq!(test.holds(&advert(Way::In)), expected, "{test:?}");
        }
        let unicast = Advert { group: None, ..advert(Way::Out) };
        assert_eq!(Test::Destination(net("10.0.0.0/8"), false).holds(&unicast), Truth::Maybe);
        assert_eq!(Test::Output(list("eth+"), false).holds(&unicast), Truth::Yes);
    }
}
