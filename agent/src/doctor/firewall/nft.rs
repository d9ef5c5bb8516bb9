//! Rules as `nft -j list ruleset` prints them (libnftables-json(5)). What is not known there is a test that may hold.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Map, Value};
use vipward_common::wire::IPPROTO_VRRP;
use vipward_vrrp::types::Family;

use super::ruleset::{Action, Chain, Dialect, Hook, Rule, Ruleset, Test, Way};

/// Protocols whose fields no advert has.
const OTHERS: [&str; 12] =
    ["tcp", "udp", "udplite", "icmp", "icmpv6", "sctp", "dccp", "esp", "ah", "comp", "igmp", "arp"];

/// Reads what nft printed; the error is for a person.
pub(super) fn parse(text: &str) -> Result<Ruleset, String> {
    let all: Value =
        serde_json::from_str(text).map_err(|error| format!("what nft printed is not JSON: {error}"))?;
    let objects = all.get("nftables").and_then(Value::as_array).ok_or("what nft printed has no rule set")?;
    let mut rules = Ruleset { dialect: Dialect::Nft, ..Ruleset::default() };
    for chain in objects.iter().filter_map(|object| object.get("chain")) {
        if let Some((key, chain)) = base(chain) {
            rules.chains.insert(key, chain);
        }
    }
    for rule in objects.iter().filter_map(|object| object.get("rule")) {
        let (Some(key), Some(expressions)) = (key(rule, "chain"), rule.get("expr").and_then(Value::as_array))
        else {
            continue;
        };
        if let Some(chain) = rules.chains.get_mut(&key) {
            let handle = rule.get("handle").and_then(Value::as_u64).unwrap_or_default();
            let name = format!("rule {handle} of {}", chain.name);
            chain.rules.extend(statements(rule, &name, expressions));
        }
    }
    Ok(rules)
}

fn word<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str()
}

/// Chains are known by family, table and name.
fn key(object: &Value, chain: &str) -> Option<String> {
    named(object, word(object, chain)?)
}

fn named(object: &Value, chain: &str) -> Option<String> {
    Some(format!("{} {} {chain}", word(object, "family")?, word(object, "table")?))
}

fn base(chain: &Value) -> Option<(String, Chain)> {
    let (family, table, name) = (word(chain, "family")?, word(chain, "table")?, word(chain, "name")?);
    let families = match family {
        "ip" => vec![Family::V4],
        "ip6" => vec![Family::V6],
        "inet" | "netdev" => Vec::new(),
        // A bridge's own frames and ARP are another matter.
        _ => return None,
    };
    let way = match word(chain, "hook") {
        Some("input" | "prerouting" | "ingress") => Some(Way::In),
        Some("output" | "postrouting" | "egress") => Some(Way::Out),
        _ => None,
    };
    let hook = way.map(|way| Hook {
        way,
        interface: word(chain, "dev").map(str::to_owned),
        drops: word(chain, "policy") == Some("drop"),
    });
    let title = format!("chain {name} in table {family} {table}");
    Some((key(chain, "name")?, Chain { name: title, families, hook, rules: Vec::new() }))
}

/// A rule, as one of ours or, where it has a map of verdicts, as several.
fn statements(rule: &Value, name: &str, expressions: &[Value]) -> Vec<Rule> {
    let mut tests = Vec::new();
    for expression in expressions {
        let Some((kind, content)) = expression.as_object().and_then(|object| object.iter().next()) else {
            continue;
        };
        match kind.as_str() {
            "match" => tests.push(test(content)),
            "limit" | "quota" | "xt" | "ct count" | "connlimit" => tests.push(Test::Other),
            "vmap" => {
                let map = verdicts(rule, content);
                let made = |(test, action)| Rule {
                    name: name.to_owned(),
                    tests: [tests.clone(), vec![test]].concat(),
                    action,
                };
                return map.into_iter().map(made).collect();
            }
            _ => {
                if let Some(action) = action(rule, kind, content) {
                    return vec![Rule { name: name.to_owned(), tests, action }];
                }
            }
        }
    }
    Vec::new()
}

fn action(rule: &Value, kind: &str, content: &Value) -> Option<Action> {
    let target = || word(content, "target").and_then(|target| named(rule, target));
    Some(match kind {
        "accept" => Action::Accept,
        "drop" | "reject" => Action::Drop,
        "return" => Action::Return,
        "jump" => Action::Jump(target()?),
        "goto" => Action::Goto(target()?),
        _ => return None,
    })
}

/// `KEY vmap { VALUE : VERDICT, … }`; one in a named map is not followed.
fn verdicts(rule: &Value, content: &Value) -> Vec<(Test, Action)> {
    let entries = content.get("data").and_then(|data| data.get("set")).and_then(Value::as_array);
    let Some((entries, left)) = entries.zip(content.get("key")) else {
        return vec![(Test::Other, Action::Drop)];
    };
    let entry = |entry: &Value| {
        let [value, verdict] = entry.as_array()?.as_slice() else { return None };
        let (kind, content) = verdict.as_object()?.iter().next()?;
        Some((compare(left, value, false), action(rule, kind, content)?))
    };
    entries.iter().filter_map(entry).collect()
}

fn test(content: &Value) -> Test {
    let (Some(left), Some(right)) = (content.get("left"), content.get("right")) else { return Test::Other };
    match word(content, "op") {
        Some("==" | "in") => compare(left, right, false),
        Some("!=") => compare(left, right, true),
        _ => Test::Other,
    }
}

/// `left == right`, or the opposite with `not`.
fn compare(left: &Value, right: &Value, not: bool) -> Test {
    let Some(values) = values(right) else { return Test::Other };
    let texts = || values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect::<Vec<_>>();
    let Some((kind, content)) = left.as_object().and_then(|object: &Map<String, Value>| object.iter().next())
    else {
        return Test::Other;
    };
    match (kind.as_str(), word(content, "key").or(word(content, "field")).unwrap_or_default()) {
        ("meta", "l4proto") => protocols(&values, not),
        ("meta", "iifname" | "iif") => Test::Input(texts(), not),
        ("meta", "oifname" | "oif") => Test::Output(texts(), not),
        ("meta", "nfproto" | "protocol") => family(&texts(), not),
        ("meta", "pkttype") if texts().iter().any(|text| text == "multicast") => Test::Multicast(not),
        ("ct", "state") => Test::States(texts(), not),
        ("payload", field) => match (word(content, "protocol"), field) {
            (Some("ip"), "protocol") | (Some("ip6"), "nexthdr") => protocols(&values, not),
            (Some("ip" | "ip6"), "daddr") => destinations(&values, not),
            (Some(protocol), _) if OTHERS.contains(&protocol) => Test::Never,
            _ => Test::Other,
        },
        _ => Test::Other,
    }
}

/// The values of a set, or the one; `None` for a named set.
fn values(right: &Value) -> Option<Vec<Value>> {
    match right {
        Value::String(text) if text.starts_with('@') => None,
        Value::Object(object) => match object.get("set") {
            Some(Value::Array(values)) => Some(values.clone()),
            _ => Some(vec![right.clone()]),
        },
        Value::Array(values) => Some(values.clone()),
        one => Some(vec![one.clone()]),
    }
}

fn protocols(values: &[Value], not: bool) -> Test {
    let mut numbers = Vec::new();
    for value in values {
        match value {
            Value::Number(number) => {
                numbers.extend(number.as_u64().and_then(|number| u8::try_from(number).ok()));
            }
            // Any other name is any other protocol.
            Value::String(name) if name == "vrrp" || name == "carp" => numbers.push(IPPROTO_VRRP),
            Value::String(_) => {}
            _ => return Test::Other,
        }
    }
    Test::Protocol(numbers, not)
}

fn family(names: &[String], not: bool) -> Test {
    match names {
        [name] if name == "ipv4" || name == "ip" => Test::Family(Family::V4, not),
        [name] if name == "ipv6" || name == "ip6" => Test::Family(Family::V6, not),
        _ => Test::Other,
    }
}

fn destinations(values: &[Value], not: bool) -> Test {
    let nets: Option<Vec<IpNet>> = values.iter().map(net).collect();
    nets.map_or(Test::Other, |nets| Test::Destination(nets, not))
}

fn net(value: &Value) -> Option<IpNet> {
    if let Some(text) = value.as_str() {
        return text.parse::<IpAddr>().ok().map(IpNet::from);
    }
    let prefix = value.get("prefix")?;
    let length = u8::try_from(prefix.get("len")?.as_u64()?).ok()?;
    IpNet::new(word(prefix, "addr")?.parse().ok()?, length).ok()
}

#[cfg(test)]
mod tests {
    use super::super::ruleset::{Advert, Outcome};
    use super::*;

    /// What becomes of an incoming advert in a chain of these rules.
    fn judged(policy: &str, rules: &str) -> Outcome {
        let text = format!(
            r#"{{"nftables":[{{"metainfo":{{"version":"1.0.6"}}}},{{"table":{{"family":"inet","name":"f","handle":1}}}},
            {{"chain":{{"family":"inet","table":"f","name":"input","handle":1,"type":"filter","hook":"input","prio":0,"policy":"{policy}"}}}},
            {{"chain":{{"family":"inet","table":"f","name":"extra","handle":2}}}}{rules}]}}"#
        );
        let advert = Advert {
            way: Way::In,
            family: Family::V4,
            group: Some([224, 0, 0, 18].into()),
            interface: "eth0".into(),
        };
        parse(&text).expect("parsed").judge(&advert)
    }

    fn rule(chain: &str, expressions: &str) -> String {
        format!(
            r#",{{"rule":{{"family":"inet","table":"f","chain":"{chain}","handle":7,"expr":[{expressions}]}}}}"#
        )
    }

    const RULE: &str = "rule 7 of chain input in table inet f";

    #[test]
    fn rules_about_the_protocol() {
        for right in ["112", "\"vrrp\"", r#"{"set":["tcp",112]}"#] {
            for left in
                [r#"{"meta":{"key":"l4proto"}}"#, r#"{"payload":{"protocol":"ip","field":"protocol"}}"#]
            {
                let expressions = format!(
                    r#"{{"match":{{"op":"==","left":{left},"right":{right}}}}},{{"counter":{{"packets":0,"bytes":0}}}},{{"drop":null}}"#
                );
                assert_eq!(
                    judged("accept", &rule("input", &expressions)),
                    Outcome::Dropped(RULE.into()),
                    "{expressions}"
                );
            }
        }
        let accepted =
            r#"{"match":{"op":"==","left":{"meta":{"key":"l4proto"}},"right":"vrrp"}},{"accept":null}"#;
        assert_eq!(judged("drop", &rule("input", accepted)), Outcome::Passed);
        assert_eq!(judged("drop", ""), Outcome::Dropped("the policy of chain input in table inet f".into()));
    }

    /// The example that Debian's wiki and nftables' own have.
    #[test]
    fn a_usual_server_drops_by_its_policy() {
        let usual = [
            rule("input", r#"{"match":{"op":"==","left":{"meta":{"key":"iif"}},"right":"lo"}},{"accept":null}"#),
            rule("input", r#"{"vmap":{"key":{"ct":{"key":"state"}},"data":{"set":[["invalid",{"drop":null}],["established",{"accept":null}],["related",{"accept":null}]]}}}"#),
            rule("input", r#"{"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":{"set":[22,80]}}},{"accept":null}"#),
            rule("input", r#"{"match":{"op":"==","left":{"meta":{"key":"l4proto"}},"right":{"set":["icmp","ipv6-icmp"]}}},{"accept":null}"#),
        ]
        .concat();
        assert_eq!(
            judged("drop", &usual),
            Outcome::Dropped("the policy of chain input in table inet f".into())
        );
        let group = r#"{"match":{"op":"==","left":{"payload":{"protocol":"ip","field":"daddr"}},"right":{"prefix":{"addr":"224.0.0.0","len":4}}}},{"accept":null}"#;
        assert_eq!(judged("drop", &[usual, rule("input", group)].concat()), Outcome::Passed);
    }

    #[test]
    fn other_chains_and_named_sets() {
        let jump = rule("input", r#"{"jump":{"target":"extra"}}"#);
        let dropped = rule(
            "extra",
            r#"{"match":{"op":"!=","left":{"meta":{"key":"iifname"}},"right":"lo"}},{"reject":null}"#,
        );
        let expected = "rule 7 of chain extra in table inet f";
        assert_eq!(judged("accept", &[jump, dropped].concat()), Outcome::Dropped(expected.into()));
        let named = r#"{"match":{"op":"==","left":{"payload":{"protocol":"ip","field":"saddr"}},"right":"@good"}},{"accept":null}"#;
        assert!(matches!(judged("drop", &rule("input", named)), Outcome::Unclear(_)));
    }

    #[test]
    fn garbage_is_an_error_or_nothing() {
        for bad in ["", "[]", "{}", r#"{"nftables":1}"#] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        for odd in
            [r#"{"nftables":[1,{"rule":1},{"chain":{}},{"rule":{"expr":[1,{}]}}]}"#, r#"{"nftables":[]}"#]
        {
            assert!(parse(odd).is_ok_and(|rules| rules.chains.is_empty()), "{odd}");
        }
        assert_eq!(
            judged("accept", &rule("input", r#"1,{},{"match":{}},{"drop":null}"#)),
            Outcome::Unclear(RULE.into())
        );
    }
}
