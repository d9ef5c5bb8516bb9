//! The words of a line one after the other, as routes and rules have them.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::config::diagnostic::{Findings, quoted};
use crate::config::lex::Word;
use crate::config::model::{Family, Location};
use crate::config::tree::Node;

use super::numbers;

/// What is left of a line.
pub(super) struct Line<'n> {
    first: Option<&'n Word>,
    rest: &'n [Word],
}

impl<'n> Line<'n> {
    /// A line from its first word on.
    pub(super) fn of(node: &'n Node) -> Line<'n> {
        Line { first: Some(node.keyword()), rest: node.args() }
    }

    /// The line, for messages.
    pub(super) fn text(node: &Node) -> String {
        let words: Vec<&str> =
            std::iter::once(node.keyword()).chain(node.args()).map(|word| word.text.as_str()).collect();
        words.join(" ")
    }

    /// The next word, if there is one.
    pub(super) fn next(&mut self) -> Option<&'n Word> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let (word, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(word)
    }

    /// The next word if it is `wanted`.
    pub(super) fn take(&mut self, wanted: &str) -> bool {
        let next = self.first.or_else(|| self.rest.first());
        next.is_some_and(|word| word.text == wanted) && self.next().is_some()
    }

    /// The word that must follow `option`.
    pub(super) fn value(&mut self, option: &Word, findings: &mut Findings) -> Option<&'n Word> {
        let word = self.next();
        if word.is_none() {
            findings.error(&option.at, format!("{} needs a value", quoted(&option.text)));
        }
        word
    }
}

/// The family of a line, which its first address or a word decides.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OneFamily(Option<Family>);

impl OneFamily {
    /// Decides it, or complains about a second one.
    pub(super) fn be(&mut self, family: Family, at: &Location, findings: &mut Findings) -> Option<()> {
        let known = *self.0.get_or_insert(family);
        if known != family {
            findings.error(at, "IPv4 and IPv6 in one line");
            return None;
        }
        Some(())
    }

    /// IPv4 where nothing says otherwise, as in keepalived.
    pub(super) fn get(self) -> Family {
        self.0.unwrap_or(Family::V4)
    }

    /// An address of it.
    pub(super) fn address(&mut self, word: &Word, findings: &mut Findings) -> Option<IpAddr> {
        let address = super::values::address(word, findings)?;
        self.be(Family::of(address), &word.at, findings)?;
        Some(address)
    }

    /// A prefix of it. The kernel refuses a route with bits beyond the length, and passes over those of a rule.
    pub(super) fn prefix(&mut self, word: &Word, findings: &mut Findings) -> Option<IpNet> {
        let prefix = prefix(&word.text);
        let Some(prefix) = prefix else {
            findings.error(&word.at, format!("{} is no address or prefix", quoted(&word.text)));
            return None;
        };
        self.be(Family::of(prefix.addr()), &word.at, findings)?;
        if prefix.trunc() != prefix {
            findings.warning(&word.at, format!("{prefix} is taken for {}", prefix.trunc()));
        }
        Some(prefix.trunc())
    }
}

fn prefix(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// All addresses of a family.
pub(super) fn everything(family: Family) -> IpNet {
    match family {
        Family::V4 => IpNet::V4(Ipv4Net::default()),
        Family::V6 => IpNet::V6(Ipv6Net::default()),
    }
}

/// A number in decimal or hexadecimal.
pub(super) fn number(word: &Word, most: u32, findings: &mut Findings) -> Option<u32> {
    let number = numbers::number(&word.text).filter(|number| *number <= most);
    if number.is_none() {
        findings.error(&word.at, format!("{} is no number up to {most}", quoted(&word.text)));
    }
    number
}

/// `FROM/TO` or `TO`: two numbers of 16 bits in one.
pub(super) fn realms(word: &Word, findings: &mut Findings) -> Option<u32> {
    let part = |text: &str, findings: &mut Findings| {
        numbers::of(numbers::REALM, &Word { text: text.to_owned(), at: word.at.clone() }, findings)
    };
    match word.text.split_once('/') {
        Some((from, to)) => Some(part(from, findings)? << 16 | part(to, findings)?),
        None => part(&word.text, findings),
    }
}
