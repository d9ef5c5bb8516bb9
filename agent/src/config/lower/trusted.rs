//! `vipward_peers`, our own keyword: from whom multicast adverts are accepted. keepalived warns of a line that it does
//! not know and passes over it, but takes the end of an unknown block for the end of the instance: so the routers may
//! all stand in the keyword's line, and a block is for who has no keepalived to share the file with.

use std::collections::HashSet;
use std::net::IpAddr;

use crate::config::diagnostic::{Findings, did_you_mean, quoted};
use crate::config::lex::Word;
use crate::config::model::{Family, Trusted};
use crate::config::tree::Node;

use super::address::plain_line;
use super::instance::Draft;
use super::values;

/// `vipward_peers ADDRESS [mac MAC] …`, or a block of lines `ADDRESS [mac MAC]`.
pub(super) fn read(node: &Node, findings: &mut Findings) -> Vec<Trusted> {
    if node.block.is_none() {
        return routers(node.args(), findings);
    }
    if !node.children().is_empty() {
        findings.warning(node.at(), "keepalived would take the end of this block for the end of the instance").help(
            "if it is to read this file too, write `vipward_peers ADDRESS ADDRESS …` in one line, which it ignores",
        );
    }
    let mut all = Vec::new();
    for line in node.children() {
        if plain_line(line, findings).is_some() {
            let words: Vec<Word> = std::iter::once(line.keyword()).chain(line.args()).cloned().collect();
            all.extend(routers(&words, findings));
        }
    }
    all
}

/// Addresses, each with `mac MAC` behind it or not.
fn routers(words: &[Word], findings: &mut Findings) -> Vec<Trusted> {
    let mut all: Vec<Trusted> = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word.text != "mac" {
            match word.text.parse::<IpAddr>() {
                Ok(address) => all.push(Trusted { address, mac: None, at: word.at.clone() }),
                Err(_)
                    if word.text.starts_with(|c: char| c.is_ascii_alphabetic())
                        && !word.text.contains(':') =>
                {
                    findings
                        .error(&word.at, format!("{} is neither an address nor `mac`", quoted(&word.text)))
                        .maybe_help(|| did_you_mean(&word.text, ["mac"]));
                }
                Err(_) => _ = values::address(word, findings),
            }
            continue;
        }
        let mac = words.next();
        match (mac, all.last_mut()) {
            (None, _) => {
                findings.error(&word.at, "`mac` needs a value");
            }
            (Some(_), None) => {
                findings.error(&word.at, "`mac` stands behind the address that it belongs to");
            }
            (Some(text), Some(router)) => match parse_mac(&text.text) {
                Some(mac) => router.mac = Some(mac),
                None => {
                    findings.error(&text.at, format!("{} is no MAC of a host", quoted(&text.text))).help(
                        "six pairs of hexadecimal digits with colons between them, as `ip link` shows it",
                    );
                }
            },
        }
    }
    all
}

/// `None` also for group addresses and for zero, which no frame comes from.
fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = text.split([':', '-']);
    for byte in &mut mac {
        let digits = |part: &&str| part.bytes().all(|digit| digit.is_ascii_hexdigit());
        let part = parts.next().filter(|part| matches!(part.len(), 1 | 2)).filter(digits)?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    let [first, ..] = mac;
    (parts.next().is_none() && first & 1 == 0 && mac != [0; 6]).then_some(mac)
}

/// What follows from the rest of the instance.
pub(super) fn settle(draft: &Draft, family: Family, findings: &mut Findings) {
    let Some(at) = &draft.trusts else { return };
    if draft.unicast.is_some() {
        findings
            .error(at, "`vipward_peers` is for multicast")
            .help("with unicast only the routers of `unicast_peer` are heard in any case");
    }
    if draft.trusted.is_empty() && !findings.has_errors() {
        findings.error(at, "no router is named: nobody would be heard, and every node be master");
    }
    for router in draft.trusted.iter().filter(|router| Family::of(router.address) != family) {
        let message = format!("{} is not of the family of the instance's virtual addresses", router.address);
        findings.error(&router.at, message);
    }
    let mut named = HashSet::new();
    for router in &draft.trusted {
        if !named.insert(router.address) {
            findings.error(&router.at, format!("{} is named already", router.address));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{Options, load_str};

    /// Addresses with MACs, and what was said.
    type Read = (Vec<(String, Option<[u8; 6]>)>, Vec<String>);

    fn load(lines: &str) -> Read {
        let text = format!(
            "vrrp_instance i {{\n interface e\n virtual_router_id 1\n version 3\n{lines}\n \
             virtual_ipaddress {{ 10.0.0.1 }}\n}}"
        );
        let loaded = load_str(Path::new("f"), &text, &Options::default());
        let config = loaded.config.into_iter().flat_map(|config| config.instances);
        let trusted = config.flat_map(|instance| instance.trusted).map(|it| (it.address.to_string(), it.mac));
        (trusted.collect(), loaded.diagnostics.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn one_line_several_lines_and_a_block_mean_the_same() {
        let expected =
            vec![("10.0.0.2".to_owned(), None), ("10.0.0.3".to_owned(), Some([2, 0, 0, 0, 0xab, 3]))];
        let (trusted, said) = load("vipward_peers 10.0.0.2 10.0.0.3 mac 02:00:00:00:AB:03");
        assert_eq!((trusted, said.len()), (expected.clone(), 0), "{said:?}");
        let (trusted, said) = load("vipward_peers 10.0.0.2\n vipward_peers 10.0.0.3 mac 2-0-0-0-ab-3");
        assert_eq!((trusted, said.len()), (expected.clone(), 0), "{said:?}");
        let (trusted, said) = load("vipward_peers {\n 10.0.0.2\n 10.0.0.3 mac 02:00:00:00:ab:03\n }");
        assert_eq!(trusted, expected);
        assert!(said.len() == 1 && said.concat().contains("the end of the instance"), "{said:?}");
    }

    #[test]
    fn what_would_trust_nobody_or_the_wrong_ones_is_refused() {
        for (lines, word) in [
            ("vipward_peers {\n }", "no router is named"),
            ("vipward_peers", "needs a value"),
            ("vipward_peers 10.0.0.300", "no IP address"),
            ("vipward_peers 10.0.0.0/24", "no IP address"),
            ("vipward_peers fe80::1", "family"),
            ("vipward_peers 10.0.0.2 10.0.0.2", "named already"),
            ("vipward_peers 10.0.0.2 mac", "needs a value"),
            ("vipward_peers mac 02:00:00:00:00:01", "behind the address"),
            ("vipward_peers 10.0.0.2 mca 02:00:00:00:00:01", "did you mean `mac`"),
            ("vipward_peers 10.0.0.2 mac 02:00:00:00:00", "no MAC"),
            ("vipward_peers 10.0.0.2 mac 02:00:00:00:00:01:02", "no MAC"),
            ("vipward_peers 10.0.0.2 mac 01:00:5e:00:00:12", "no MAC"),
            ("vipward_peers 10.0.0.2 mac +2:00:00:00:00:01", "no MAC"),
            ("vipward_peers 10.0.0.2\n unicast_peer { 10.0.0.2 }", "is for multicast"),
        ] {
            let (trusted, said) = load(lines);
            assert!(trusted.is_empty() && said.iter().any(|said| said.contains(word)), "{lines}: {said:?}");
        }
    }
}
