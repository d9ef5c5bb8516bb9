//! Lines of `virtual_rules` and `static_rules`: the language of `ip rule add`, as far as keepalived speaks it.

use std::ops::RangeInclusive;

use crate::config::diagnostic::{Findings, did_you_mean, quoted};
use crate::config::lex::Word;
use crate::config::model::{Family, Rule, RuleAction};
use crate::config::tree::Node;

use super::address::plain_line;
use super::numbers;
use super::route::OURS;
use super::values;
use super::words::{Line, OneFamily, number, realms};

/// What the first rule without a preference gets; each further one gets one less. keepalived's numbers.
const FIRST_ASSIGNED: u32 = 16_384;

/// All words, for suggestions.
const WORDS: [&str; 32] = [
    "from",
    "to",
    "table",
    "lookup",
    "not",
    "preference",
    "priority",
    "order",
    "tos",
    "dsfield",
    "fwmark",
    "realms",
    "suppress_prefixlength",
    "suppress_ifgroup",
    "iif",
    "dev",
    "oif",
    "tunnel-id",
    "uidrange",
    "l3mdev",
    "protocol",
    "ipproto",
    "sport",
    "dport",
    "no_track",
    "goto",
    "nop",
    "blackhole",
    "unreachable",
    "prohibit",
    "inet",
    "inet6",
];
/// Protocols by name; others have numbers.
const IP_PROTOCOLS: [(&str, u8); 7] =
    [("icmp", 1), ("tcp", 6), ("udp", 17), ("ipv6-icmp", 58), ("icmpv6", 58), ("dccp", 33), ("sctp", 132)];

/// The preferences of rules that have none, by family.
#[derive(Debug)]
pub(super) struct Assigned {
    v4: u32,
    v6: u32,
}

impl Default for Assigned {
    fn default() -> Assigned {
        Assigned { v4: FIRST_ASSIGNED, v6: FIRST_ASSIGNED }
    }
}

impl Assigned {
    fn next(&mut self, family: Family) -> u32 {
        let next = match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        };
        let number = *next;
        *next = next.saturating_sub(1);
        number
    }
}

/// A rule being read.
struct Draft {
    rule: Rule,
    family: OneFamily,
    priority: Option<u32>,
    action: Option<RuleAction>,
}

/// One line.
pub(super) fn rule(node: &Node, assigned: &mut Assigned, findings: &mut Findings) -> Option<Rule> {
    plain_line(node, findings)?;
    let mut line = Line::of(node);
    let mut draft = Draft {
        rule: Rule {
            text: Line::text(node),
            family: Family::V4,
            inverted: false,
            from: None,
            to: None,
            iif: None,
            oif: None,
            tos: 0,
            mark: None,
            ip_protocol: None,
            source_ports: None,
            destination_ports: None,
            users: None,
            tunnel: None,
            priority: 0,
            action: RuleAction::Nop,
            suppress_prefix: None,
            suppress_group: None,
            realms: None,
            protocol: OURS,
            no_track: false,
            at: node.at().clone(),
        },
        family: OneFamily::default(),
        priority: None,
        action: None,
    };
    let mut protocol = None;
    while let Some(word) = line.next() {
        match word.text.as_str() {
            "protocol" | "proto" => {
                let value = line.value(word, findings)?;
                protocol = Some((numbers::of(numbers::PROTOCOL, value, findings)?, value));
            }
            "no_track" => draft.rule.no_track = true,
            "not" => draft.rule.inverted = true,
            "inet" => draft.family.be(Family::V4, &word.at, findings)?,
            "inet6" => draft.family.be(Family::V6, &word.at, findings)?,
            "l3mdev" => draft.act(RuleAction::L3mdev, word, findings)?,
            "nop" => draft.act(RuleAction::Nop, word, findings)?,
            "blackhole" => draft.act(RuleAction::Blackhole, word, findings)?,
            "unreachable" => draft.act(RuleAction::Unreachable, word, findings)?,
            "prohibit" => draft.act(RuleAction::Prohibit, word, findings)?,
            "type" => {}
            _ => {
                if word.text == "track_group" {
                    findings
                        .error(&word.at, "`track_group` of a rule is not supported")
                        .help("one that somebody removes is put back, whoever is MASTER");
                    return None;
                }
                if !WORDS.contains(&word.text.as_str())
                    && !matches!(word.text.as_str(), "sup_pl" | "sup_group")
                {
                    findings
                        .error(&word.at, format!("{} is no option of a rule", quoted(&word.text)))
                        .maybe_help(|| did_you_mean(&word.text, WORDS));
                    return None;
                }
                let value = line.value(word, findings)?;
                draft.option(word, value, findings)?;
            }
        }
    }
    if let Some((number, word)) = protocol {
        match u8::try_from(number) {
            Ok(number) if draft.rule.no_track => draft.rule.protocol = number,
            Ok(OURS) => {}
            _ => {
                findings
                    .warning(&word.at, "the protocol of a rule that is put back is `keepalived`, 18")
                    .help("with `no_track` another one counts, as in keepalived");
            }
        }
    }
    draft.finish(node, assigned, findings)
}

impl Draft {
    fn act(&mut self, action: RuleAction, word: &Word, findings: &mut Findings) -> Option<()> {
        if self.action.replace(action).is_some() {
            findings.error(&word.at, format!("{} is a second action of this rule", quoted(&word.text)));
            return None;
        }
        Some(())
    }

    fn option(&mut self, option: &Word, value: &Word, findings: &mut Findings) -> Option<()> {
        let rule = &mut self.rule;
        match option.text.as_str() {
            "from" | "to" => {
                let prefix = match value.text.as_str() {
                    // Everything is what is meant without the word, too.
                    "all" | "any" | "default" => None,
                    _ => Some(self.family.prefix(value, findings)?),
                };
                if option.text == "from" {
                    rule.from = prefix;
                } else {
                    rule.to = prefix;
                }
            }
            "table" | "lookup" => {
                let table = numbers::of(numbers::TABLE, value, findings)?;
                if table == 0 {
                    findings.error(&value.at, "there is no table 0");
                    return None;
                }
                return self.act(RuleAction::Table(table), option, findings);
            }
            "goto" => {
                let target = number(value, u32::MAX, findings)?;
                return self.act(RuleAction::Goto(target), option, findings);
            }
            "preference" | "priority" | "order" => self.priority = Some(number(value, u32::MAX, findings)?),
            "tos" | "dsfield" => {
                rule.tos =
                    numbers::of(numbers::TOS, value, findings).and_then(|tos| u8::try_from(tos).ok())?;
            }
            "fwmark" => rule.mark = Some(mark(value, findings)?),
            "realms" => {
                self.family.be(Family::V4, &value.at, findings)?;
                rule.realms = Some(realms(value, findings)?);
            }
            "suppress_prefixlength" | "sup_pl" => rule.suppress_prefix = Some(number(value, 128, findings)?),
            "suppress_ifgroup" | "sup_group" => {
                rule.suppress_group = Some(numbers::of(numbers::GROUP, value, findings)?);
            }
            "iif" | "dev" => rule.iif = Some(values::interface(value, findings)?),
            "oif" => rule.oif = Some(values::interface(value, findings)?),
            "uidrange" => rule.users = Some(range(value, 0..=u32::MAX, findings)?),
            "ipproto" => rule.ip_protocol = Some(ip_protocol(value, findings)?),
            "sport" => rule.source_ports = Some(ports(value, findings)?),
            "dport" => rule.destination_ports = Some(ports(value, findings)?),
            _ => {
                let id = value.text.parse().ok();
                if id.is_none() {
                    findings.error(&value.at, format!("{} is no number of a tunnel", quoted(&value.text)));
                }
                rule.tunnel = Some(id?);
            }
        }
        Some(())
    }

    fn finish(mut self, node: &Node, assigned: &mut Assigned, findings: &mut Findings) -> Option<Rule> {
        let Some(action) = self.action else {
            findings
                .error(node.at(), "this rule does nothing")
                .help("`table N`, `goto N` or `blackhole`, for instance");
            return None;
        };
        let rule = &mut self.rule;
        rule.action = action;
        rule.family = self.family.get();
        let tabled = matches!(action, RuleAction::Table(_) | RuleAction::L3mdev);
        if !tabled
            && (rule.suppress_prefix.is_some() || rule.suppress_group.is_some() || rule.realms.is_some())
        {
            findings.error(node.at(), "realms and suppressors are for rules that look into a table");
            return None;
        }
        if let RuleAction::Goto(target) = action
            && self.priority.is_none_or(|priority| priority >= target)
        {
            findings.error(
                node.at(),
                "`goto` leads to a later rule: give this one a preference below the target's",
            );
            return None;
        }
        rule.priority = self.priority.unwrap_or_else(|| {
            let number = assigned.next(rule.family);
            findings
                .warning(node.at(), format!("this rule has no preference, and gets {number}"))
                .help("rules without one change their order from takeover to takeover");
            number
        });
        Some(self.rule)
    }
}

/// `MARK` or `MARK/MASK`
fn mark(word: &Word, findings: &mut Findings) -> Option<(u32, Option<u32>)> {
    let (mark, bits) = match word.text.split_once('/') {
        Some((mark, bits)) => (mark, Some(bits)),
        None => (word.text.as_str(), None),
    };
    let parsed = numbers::number(mark).and_then(|mark| match bits {
        None => Some((mark, None)),
        Some(bits) => Some((mark, Some(numbers::number(bits)?))),
    });
    if parsed.is_none() {
        findings.error(&word.at, format!("{} is no mark", quoted(&word.text))).help("`MARK` or `MARK/MASK`");
    }
    parsed
}

/// `LEAST-MOST`
fn range(word: &Word, allowed: RangeInclusive<u32>, findings: &mut Findings) -> Option<(u32, u32)> {
    let parsed = word.text.split_once('-').and_then(|(least, most)| {
        let (least, most) = (numbers::number(least)?, numbers::number(most)?);
        (least <= most && allowed.contains(&least) && allowed.contains(&most)).then_some((least, most))
    });
    if parsed.is_none() {
        findings.error(&word.at, format!("{} is no range like 10-20", quoted(&word.text)));
    }
    parsed
}

/// A port, or a range of them. keepalived 2.2.7 only takes the range.
fn ports(word: &Word, findings: &mut Findings) -> Option<(u16, u16)> {
    if let Ok(port) = word.text.parse::<u16>()
        && port > 0
    {
        return Some((port, port));
    }
    let (least, most) = range(word, 1..=u32::from(u16::MAX), findings)?;
    Some((u16::try_from(least).ok()?, u16::try_from(most).ok()?))
}

fn ip_protocol(word: &Word, findings: &mut Findings) -> Option<u8> {
    let lower = word.text.to_ascii_lowercase();
    let named = IP_PROTOCOLS.iter().find(|(name, _)| *name == lower).map(|(_, number)| *number);
    match named {
        Some(number) => Some(number),
        None => number(word, 255, findings).and_then(|number| u8::try_from(number).ok()),
    }
}
