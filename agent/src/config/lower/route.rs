//! Lines of `virtual_routes` and `static_routes`: the language of `ip route add`, as far as keepalived speaks it.

use crate::config::diagnostic::{Findings, did_you_mean, quoted};
use crate::config::lex::Word;
use crate::config::model::{Family, Hop, Placement, Route, RouteKind};
use crate::config::tree::Node;

use super::address::plain_line;
use super::metrics;
use super::numbers;
use super::values;
use super::words::{Line, OneFamily, everything, number, realms};

/// `RTPROT_KEEPALIVED`: by this, routes and rules are known to be ours and no routing daemon's.
pub(super) const OURS: u8 = 18;
const TABLE_MAIN: u32 = 254;

const KINDS: [(&str, RouteKind); 7] = [
    ("unicast", RouteKind::Unicast),
    ("local", RouteKind::Local),
    ("broadcast", RouteKind::Broadcast),
    ("blackhole", RouteKind::Blackhole),
    ("unreachable", RouteKind::Unreachable),
    ("prohibit", RouteKind::Prohibit),
    ("throw", RouteKind::Throw),
];
/// The other words, for suggestions.
const WORDS: [&str; 30] = [
    "to",
    "via",
    "dev",
    "oif",
    "src",
    "from",
    "table",
    "metric",
    "priority",
    "preference",
    "protocol",
    "proto",
    "scope",
    "tos",
    "dsfield",
    "onlink",
    "nexthop",
    "weight",
    "realms",
    "pref",
    "features",
    "congctl",
    "append",
    "prepend",
    "add",
    "no_track",
    "inet",
    "inet6",
    "default",
    "or",
];
/// What keepalived has besides, and why it is not here.
const REFUSED: [(&str, &str); 6] = [
    ("track_group", "one that somebody removes is put back, whoever is MASTER"),
    ("encap", "tunnels that a route describes are not supported: give the tunnel an interface"),
    (
        "expires",
        "a route that goes by itself contradicts one that is kept for as long as the instance is MASTER",
    ),
    ("ttl-propagate", "MPLS is not supported"),
    ("as", "MPLS is not supported"),
    ("vrf", "name the table of the VRF in `table`"),
];

/// A route being read.
struct Draft {
    route: Route,
    destination: Option<ipnet::IpNet>,
    family: OneFamily,
    hop: Hop,
}

/// One line.
pub(super) fn route(node: &Node, findings: &mut Findings) -> Option<Route> {
    plain_line(node, findings)?;
    let mut line = Line::of(node);
    let mut draft = Draft {
        route: Route {
            text: Line::text(node),
            kind: RouteKind::Unicast,
            destination: everything(Family::V4),
            from: None,
            source: None,
            hops: Vec::new(),
            table: TABLE_MAIN,
            tos: 0,
            metric: None,
            protocol: OURS,
            scope: 0,
            preference: None,
            realms: None,
            metrics: Vec::new(),
            congestion: None,
            placement: Placement::Prepend,
            no_track: false,
            at: node.at().clone(),
        },
        destination: None,
        family: OneFamily::default(),
        hop: Hop { weight: 1, ..Hop::default() },
    };
    let mut protocol = None;
    while let Some(word) = line.next() {
        match word.text.as_str() {
            "protocol" | "proto" => {
                let value = line.value(word, findings)?;
                protocol = Some((byte(numbers::PROTOCOL, value, findings)?, value));
            }
            "no_track" => draft.route.no_track = true,
            "nexthop" => {
                draft.hops(word, &mut line, findings)?;
                break;
            }
            _ => draft.word(word, &mut line, findings)?,
        }
    }
    draft.finish(node, protocol, findings)
}

fn byte(kind: numbers::Kind, word: &Word, findings: &mut Findings) -> Option<u8> {
    numbers::of(kind, word, findings).and_then(|number| u8::try_from(number).ok())
}

impl Draft {
    fn word(&mut self, word: &Word, line: &mut Line<'_>, findings: &mut Findings) -> Option<()> {
        match word.text.as_str() {
            "inet" => self.family.be(Family::V4, &word.at, findings)?,
            "inet6" => self.family.be(Family::V6, &word.at, findings)?,
            "onlink" => self.hop.onlink = true,
            "append" => self.route.placement = Placement::Append,
            "prepend" => self.route.placement = Placement::Prepend,
            "add" => self.route.placement = Placement::Alone,
            _ => return self.option(word, line, findings),
        }
        Some(())
    }

    fn option(&mut self, word: &Word, line: &mut Line<'_>, findings: &mut Findings) -> Option<()> {
        let route = &mut self.route;
        let name = word.text.as_str();
        if let Some(kind) = metrics::named(name) {
            let metric = kind.read(word, line, findings)?;
            route.metrics.retain(|known| known.number != metric.number);
            route.metrics.push(metric);
            return Some(());
        }
        match name {
            "via" | "gw" => self.hop.via = Some(gateway(word, &mut self.family, line, findings)?),
            "dev" | "oif" => self.hop.dev = Some(values::interface(line.value(word, findings)?, findings)?),
            "src" => route.source = Some(self.family.address(line.value(word, findings)?, findings)?),
            "from" => {
                let value = line.value(word, findings)?;
                self.family.be(Family::V6, &value.at, findings)?;
                route.from = Some(self.family.prefix(value, findings)?);
            }
            "table" => route.table = numbers::of(numbers::TABLE, line.value(word, findings)?, findings)?,
            "scope" => route.scope = byte(numbers::SCOPE, line.value(word, findings)?, findings)?,
            "tos" | "dsfield" => route.tos = byte(numbers::TOS, line.value(word, findings)?, findings)?,
            "metric" | "priority" | "preference" => {
                route.metric = Some(number(line.value(word, findings)?, u32::MAX, findings)?);
            }
            "realms" => {
                let value = line.value(word, findings)?;
                self.family.be(Family::V4, &value.at, findings)?;
                route.realms = Some(realms(value, findings)?);
            }
            "pref" => {
                let value = line.value(word, findings)?;
                self.family.be(Family::V6, &value.at, findings)?;
                route.preference = Some(preference(value, findings)?);
            }
            "congctl" => {
                let locked = line.take("lock");
                let value = line.value(word, findings)?;
                route.congestion = Some((value.text.clone(), locked));
            }
            "or" => self.or(word, line, findings)?,
            _ => self.destination(word, line, findings)?,
        }
        Some(())
    }

    /// The destination, perhaps after its type: what is no option is taken for one.
    fn destination(&mut self, word: &Word, line: &mut Line<'_>, findings: &mut Findings) -> Option<()> {
        let mut word = word;
        if let Some((_, why)) = REFUSED.iter().find(|(name, _)| *name == word.text) {
            findings
                .error(&word.at, format!("{} of a route is not supported", quoted(&word.text)))
                .help(*why);
            return None;
        }
        if word.text == "to" {
            word = line.value(word, findings)?;
        }
        if let Some((_, kind)) = KINDS.iter().find(|(name, _)| *name == word.text) {
            self.route.kind = *kind;
            word = line.value(word, findings)?;
        }
        if self.destination.is_some() {
            findings
                .error(&word.at, format!("{} is no option of a route", quoted(&word.text)))
                .maybe_help(|| suggestion(&word.text));
            return None;
        }
        if matches!(word.text.as_str(), "default" | "any" | "all") {
            // Of the family that the rest of the line has.
            self.destination = Some(everything(Family::V4));
            return Some(());
        }
        if !word.text.starts_with(|c: char| c.is_ascii_digit()) && !word.text.contains(':') {
            findings
                .error(
                    &word.at,
                    format!("{} is neither an option nor the destination of a route", quoted(&word.text)),
                )
                .maybe_help(|| suggestion(&word.text));
            return None;
        }
        self.destination = Some(self.family.prefix(word, findings)?);
        Some(())
    }

    /// `via A or B`: keepalived's old way to two gateways.
    fn or(&mut self, word: &Word, line: &mut Line<'_>, findings: &mut Findings) -> Option<()> {
        if self.hop.via.is_none() || !self.route.hops.is_empty() {
            findings
                .error(&word.at, "`or` stands between two gateways, once")
                .help("use `nexthop via … nexthop via …`");
            return None;
        }
        let second = self.family.address(line.value(word, findings)?, findings)?;
        for via in [self.hop.via.take(), Some(second)] {
            self.route.hops.push(Hop { via, weight: 1, ..Hop::default() });
        }
        findings.warning(&word.at, "`or` is keepalived's old word for `nexthop`");
        Some(())
    }

    /// All of `nexthop via A dev B weight N onlink`, to the end of the line.
    fn hops(&mut self, first: &Word, line: &mut Line<'_>, findings: &mut Findings) -> Option<()> {
        if !self.route.hops.is_empty() || self.hop.via.is_some() {
            findings.error(&first.at, "`nexthop` beside another gateway");
            return None;
        }
        let mut hop = Hop { weight: 1, ..Hop::default() };
        while let Some(word) = line.next() {
            match word.text.as_str() {
                "nexthop" => {
                    self.push(
                        std::mem::replace(&mut hop, Hop { weight: 1, ..Hop::default() }),
                        word,
                        findings,
                    )?;
                }
                "via" => hop.via = Some(gateway(word, &mut self.family, line, findings)?),
                "dev" | "oif" => hop.dev = Some(values::interface(line.value(word, findings)?, findings)?),
                "weight" => hop.weight = values::number(line.value(word, findings)?, 1..=256, findings)?,
                "onlink" => hop.onlink = true,
                other => {
                    findings.error(&word.at, format!("{} is no option of a next hop", quoted(other))).help(
                        "via, dev, weight and onlink; options of the route come before the first `nexthop`",
                    );
                    return None;
                }
            }
        }
        self.push(hop, first, findings)
    }

    fn push(&mut self, hop: Hop, word: &Word, findings: &mut Findings) -> Option<()> {
        if hop.via.is_none() && hop.dev.is_none() {
            findings.error(&word.at, "a `nexthop` has neither `via` nor `dev`");
            return None;
        }
        self.route.hops.push(hop);
        Some(())
    }

    fn finish(
        mut self,
        node: &Node,
        protocol: Option<(u8, &Word)>,
        findings: &mut Findings,
    ) -> Option<Route> {
        let Some(destination) = self.destination else {
            findings.error(node.at(), "this route has no destination");
            return None;
        };
        let family = self.family.get();
        let default = destination.prefix_len() == 0;
        self.route.destination = if default { everything(family) } else { destination };
        if self.route.hops.is_empty() && (self.hop.via.is_some() || self.hop.dev.is_some()) {
            self.route.hops.push(self.hop);
        } else if let Some(dev) = self.hop.dev {
            // `via A or B dev C`
            self.route.hops.iter_mut().for_each(|hop| hop.dev = Some(dev.clone()));
        }
        match (self.route.kind, self.route.hops.is_empty()) {
            (RouteKind::Unicast, true) => {
                findings.error(node.at(), "this route leads nowhere").help("it needs `via` or `dev`");
                return None;
            }
            (
                RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit | RouteKind::Throw,
                false,
            ) => {
                findings.error(node.at(), "a route that sends nothing on has no `via` and no `dev`");
                return None;
            }
            _ => {}
        }
        if let Some((number, word)) = protocol {
            if self.route.no_track {
                self.route.protocol = number;
            } else if number != OURS {
                findings
                    .warning(&word.at, "the protocol of a route that is put back is `keepalived`, 18")
                    .help("with `no_track` another one counts, as in keepalived");
            }
        }
        Some(self.route)
    }
}

fn gateway(
    word: &Word,
    family: &mut OneFamily,
    line: &mut Line<'_>,
    findings: &mut Findings,
) -> Option<std::net::IpAddr> {
    for (name, of) in [("inet", Family::V4), ("inet6", Family::V6)] {
        if line.take(name) {
            family.be(of, &word.at, findings)?;
        }
    }
    family.address(line.value(word, findings)?, findings)
}

/// RFC 4191's preference, as the kernel has it.
fn preference(word: &Word, findings: &mut Findings) -> Option<u8> {
    match word.text.as_str() {
        "medium" => Some(0),
        "high" => Some(1),
        "low" => Some(3),
        _ => number(word, 3, findings).and_then(|number| u8::try_from(number).ok()),
    }
}

fn suggestion(word: &str) -> Option<String> {
    did_you_mean(word, WORDS.into_iter().chain(metrics::names()).chain(KINDS.iter().map(|(name, _)| *name)))
}
