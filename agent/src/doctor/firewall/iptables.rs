//! Rules as iptables-save prints them. What is not known there is a test that may hold.

use ipnet::IpNet;
use std::net::IpAddr;

use vipward_common::wire::IPPROTO_VRRP;
use vipward_vrrp::types::Family;

use super::ruleset::{Action, Chain, Dialect, Hook, Rule, Ruleset, Test, Way};

/// Targets that decide nothing. Any other that is no chain's name is taken for one of these too.
const FATES: [(&str, Action); 4] = [
    ("ACCEPT", Action::Accept),
    ("DROP", Action::Drop),
    ("REJECT", Action::Drop),
    ("RETURN", Action::Return),
];

/// Reads what was printed. Lines that make no sense are passed over.
pub(super) fn parse(text: &str, family: Family) -> Ruleset {
    let mut rules = Ruleset { dialect: Dialect::Iptables, ..Ruleset::default() };
    let mut table = "";
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = name.trim();
        } else if let Some(chain) = line.strip_prefix(':') {
            let mut words = chain.split_whitespace();
            if let (Some(name), Some(policy)) = (words.next(), words.next()) {
                rules.chains.insert(key(table, name), chain_of(table, name, policy, family));
            }
        } else if let Some((name, rest)) = line.strip_prefix("-A ").and_then(|rest| rest.split_once(' '))
            && let Some(chain) = rules.chains.get_mut(&key(table, name))
        {
            chain.rules.push(rule(table, line, &words(rest)));
        }
    }
    rules
}

fn key(table: &str, chain: &str) -> String {
    format!("{table} {chain}")
}

fn chain_of(table: &str, name: &str, policy: &str, family: Family) -> Chain {
    let way = match name {
        "INPUT" | "PREROUTING" => Some(Way::In),
        "OUTPUT" | "POSTROUTING" => Some(Way::Out),
        _ => None,
    };
    Chain {
        name: format!("chain {name} in table {table}"),
        families: vec![family],
        hook: way.map(|way| Hook { way, interface: None, drops: policy == "DROP" }),
        rules: Vec::new(),
    }
}

fn rule(table: &str, line: &str, words: &[String]) -> Rule {
    let mut tests = Vec::new();
    let mut action = Action::Nothing;
    let mut not = false;
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let opposite = std::mem::take(&mut not);
        match word {
            "!" => not = true,
            "-p" => tests.push(protocol(words.next().unwrap_or_default(), opposite)),
            "-i" => tests.push(Test::Input(words.next().map(str::to_owned).into_iter().collect(), opposite)),
            "-o" => tests.push(Test::Output(words.next().map(str::to_owned).into_iter().collect(), opposite)),
            "-d" => tests.push(destination(words.next().unwrap_or_default(), opposite)),
            "--ctstate" | "--state" => {
                let states = words.next().unwrap_or_default().to_ascii_lowercase();
                tests.push(Test::States(states.split(',').map(str::to_owned).collect(), opposite));
            }
            "--pkt-type" if words.clone().next() == Some("multicast") => {
                words.next();
                tests.push(Test::Multicast(opposite));
            }
            "-j" | "-g" => {
                let target = words.next().unwrap_or_default();
                action = fate(table, target, word == "-g");
                // The rest is the target's own.
                break;
            }
            "-m" | "--comment" => _ = words.next(),
            _ => {
                tests.push(Test::Other);
                // Its value, if it has one.
                if words.clone().next().is_some_and(|next| !next.starts_with('-') && next != "!") {
                    words.next();
                }
            }
        }
    }
    Rule { name: format!("`{line}` in table {table}"), tests, action }
}

fn fate(table: &str, target: &str, ahead: bool) -> Action {
    match FATES.into_iter().find(|(name, _)| *name == target) {
        Some((_, action)) => action,
        // Targets such as LOG are no chain's name, and lead nowhere.
        None if ahead => Action::Goto(key(table, target)),
        None => Action::Jump(key(table, target)),
    }
}

fn protocol(name: &str, not: bool) -> Test {
    match name {
        "all" | "0" | "vrrp" | "carp" => Test::Protocol(vec![IPPROTO_VRRP], not),
        // Any other name is any other protocol.
        name => Test::Protocol(name.parse().into_iter().collect(), not),
    }
}

fn destination(text: &str, not: bool) -> Test {
    let net = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    net.map_or(Test::Other, |net| Test::Destination(vec![net], not))
}

/// Words; what stands in quotes is one.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = None::<String>;
    let mut quoted = false;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '\\' if quoted => word.get_or_insert_default().extend(characters.next()),
            ' ' if !quoted => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::super::ruleset::{Advert, Outcome};
    use super::*;

    fn judged(way: Way, lines: &str) -> Outcome {
        let text = format!("# Generated by iptables-save\n*filter\n{lines}\nCOMMIT\n");
        let advert =
            Advert { way, family: Family::V4, group: Some([224, 0, 0, 18].into()), interface: "eth0".into() };
        parse(&text, Family::V4).judge(&advert)
    }

    #[test]
    fn rules_and_policies() {
        let drop = ":INPUT DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n";
        assert_eq!(
            judged(Way::In, drop),
            Outcome::Dropped("the policy of chain INPUT in table filter".into())
        );
        assert_eq!(judged(Way::Out, drop), Outcome::Passed);
        for accept in [
            "-A INPUT -p vrrp -j ACCEPT",
            "-A INPUT -p 112 -j ACCEPT",
            "-A INPUT -i eth+ -j ACCEPT",
            "-A INPUT -d 224.0.0.0/8 -m comment --comment \"-j DROP this\" -j ACCEPT",
            "-A INPUT ! -p tcp -j ACCEPT",
            "-A INPUT -m pkttype --pkt-type multicast -j ACCEPT",
        ] {
            assert_eq!(judged(Way::In, &format!("{drop}{accept}")), Outcome::Passed, "{accept}");
        }
        for not in [
            "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT",
            "-A INPUT -i lo -j ACCEPT",
            "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            "-A INPUT -j LOG --log-prefix \"x -j ACCEPT\"",
        ] {
            assert!(matches!(judged(Way::In, &format!("{drop}{not}")), Outcome::Dropped(_)), "{not}");
        }
        assert!(matches!(
            judged(Way::In, &format!("{drop}-A INPUT -s 10.0.0.0/8 -j ACCEPT")),
            Outcome::Unclear(_)
        ));
    }

    #[test]
    fn chains_and_the_rule_itself_in_the_message() {
        let text = ":INPUT ACCEPT [0:0]\n:FW - [0:0]\n-A INPUT -j FW\n-A FW -p vrrp -j REJECT --reject-with icmp-port-unreachable";
        let Outcome::Dropped(by) = judged(Way::In, text) else { panic!("not dropped") };
        assert_eq!(by, "`-A FW -p vrrp -j REJECT --reject-with icmp-port-unreachable` in table filter");
        for odd in ["-A", "-A INPUT", ":", ":X", "*", "-A INPUT -p", "-A INPUT -j", "-A INPUT \"unfinished"] {
            assert_eq!(judged(Way::In, &format!(":INPUT ACCEPT [0:0]\n{odd}")), Outcome::Passed, "{odd}");
        }
    }
}
