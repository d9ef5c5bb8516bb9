//! The lines of `virtual_ipaddress`, `virtual_ipaddress_excluded` and `unicast_peer`.

use std::net::{IpAddr, Ipv4Addr};

use crate::config::diagnostic::{Findings, did_you_mean, quoted};
use crate::config::lex::Word;
use crate::config::model::{Broadcast, Peer, Vip, VipOptions};
use crate::config::tree::Node;

use super::values;

/// Options of an address that have a value.
const OPTIONS: [&str; 7] = ["dev", "label", "brd", "broadcast", "scope", "peer", "preferred_lft"];
/// Options that have none.
const FLAGS: [&str; 5] = ["-nodad", "home", "mngtmpaddr", "noprefixroute", "no_track"];
/// keepalived's others, with the number of words that follow, and what is said of them.
const REFUSED_OPTIONS: [(&str, usize, &str); 3] = [
    ("track_group", 1, "is not supported: one that somebody removes is put back, whoever is MASTER"),
    ("autojoin", 0, "is for multicast addresses: the kernel refuses it for any other"),
    ("use_vmac", 0, "is not supported: the instance's `use_vmac` is for VIPs without a `dev`"),
];
/// rtnetlink's scopes by name.
const SCOPES: [(&str, u8); 5] =
    [("global", 0), ("site", 200), ("link", 253), ("host", 254), ("nowhere", 255)];

/// Reports a block after a line that takes none.
pub(super) fn plain_line(node: &Node, findings: &mut Findings) -> Option<()> {
    if node.block.is_some() {
        findings.error(node.at(), format!("{} takes no block", quoted(&node.keyword().text)));
        return None;
    }
    Some(())
}

/// `ADDRESS[/LENGTH] [OPTION …]`
pub(super) fn vip(node: &Node, in_adverts: bool, findings: &mut Findings) -> Option<Vip> {
    plain_line(node, findings)?;
    let word = node.keyword();
    let (address, prefix_len) = address_and_length(word, findings)?;
    if address.is_unspecified() || address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST) {
        findings.error(&word.at, format!("{} cannot be the address of a host", quoted(&word.text)));
        return None;
    }
    let mut vip = Vip {
        address,
        prefix_len,
        dev: None,
        label: None,
        brd: None,
        scope: None,
        options: VipOptions::default(),
        in_adverts,
        at: word.at.clone(),
    };
    let mut words = node.args().iter();
    let mut unknown = false;
    while let Some(option) = words.next() {
        if OPTIONS.contains(&option.text.as_str()) {
            let Some(value) = words.next() else {
                findings.error(&option.at, format!("{} needs a value", quoted(&option.text)));
                return None;
            };
            set_option(&mut vip, option, value, findings)?;
        } else if FLAGS.contains(&option.text.as_str()) {
            set_flag(&mut vip, option, findings);
        } else if let Some((name, values, why)) =
            REFUSED_OPTIONS.iter().find(|(name, ..)| *name == option.text)
        {
            findings.strict(&option.at, format!("`{name}` of an address {why}"));
            words = words.as_slice().get(*values..).unwrap_or_default().iter();
        } else if !std::mem::replace(&mut unknown, true) {
            // Only the first: the next word is likely to be its value.
            let options = || OPTIONS.into_iter().chain(FLAGS);
            findings
                .strict(&option.at, format!("{} is no option of an address", quoted(&option.text)))
                .maybe_help(|| own_line(&option.text).or_else(|| did_you_mean(&option.text, options())));
        }
    }
    if vip.options.peer.is_some() {
        // What the length belongs to on such a link is the peer, and keepalived gives it none.
        if word.text.contains('/') {
            findings.warning(&word.at, "an address with a `peer` has no prefix length: it is ignored");
        }
        vip.prefix_len = if address.is_ipv4() { 32 } else { 128 };
    }
    Some(vip)
}

fn set_flag(vip: &mut Vip, option: &Word, findings: &mut Findings) {
    let options = &mut vip.options;
    let only_ipv6 = match option.text.as_str() {
        "noprefixroute" => {
            options.noprefixroute = true;
            false
        }
        "no_track" => {
            options.no_track = true;
            false
        }
        "-nodad" => {
            options.dad = true;
            true
        }
        "home" => {
            options.home = true;
            true
        }
        _ => {
            options.mngtmpaddr = true;
            true
        }
    };
    if only_ipv6 && vip.address.is_ipv4() {
        findings.warning(&option.at, format!("{} means nothing to an IPv4 address", quoted(&option.text)));
        vip.options = VipOptions { dad: false, home: false, mngtmpaddr: false, ..vip.options };
    }
    if vip.options.dad && option.text == "-nodad" {
        findings
            .warning(
                &option.at,
                "with `-nodad` the address serves only once nobody else was found to have it",
            )
            .help("that takes a second or more after each takeover: leave it away");
    }
}

/// Advice for who writes a second address behind the first.
fn own_line(word: &str) -> Option<String> {
    let address = word.split('/').next().unwrap_or_default();
    address.parse::<IpAddr>().ok().map(|_| "each address has a line of its own".to_owned())
}

fn set_option(vip: &mut Vip, option: &Word, value: &Word, findings: &mut Findings) -> Option<()> {
    match option.text.as_str() {
        "dev" => vip.dev = Some(values::interface(value, findings)?),
        "scope" if vip.address.is_ipv6() => {
            findings
                .warning(&option.at, "the kernel knows the scope of an IPv6 address: this one is ignored");
        }
        "scope" => vip.scope = Some(scope(value, findings)?),
        "label" if vip.address.is_ipv6() => {
            findings.warning(&option.at, "a label means nothing to an IPv6 address");
        }
        "label" => vip.label = Some(values::label(value, findings)?),
        "peer" => {
            let peer = values::address(value, findings)?;
            if peer.is_ipv4() != vip.address.is_ipv4() {
                findings.error(&value.at, format!("{peer} is not of the family of {}", vip.address));
                return None;
            }
            vip.options.peer = Some(peer);
        }
        "preferred_lft" => {
            let seconds = match value.text.as_str() {
                "forever" => u32::MAX,
                _ => values::number(value, 0..=u32::MAX, findings)?,
            };
            if vip.address.is_ipv6() {
                vip.options.preferred_lft = Some(seconds);
            } else {
                findings.warning(&option.at, "keepalived sets no lifetime of an IPv4 address: it is ignored");
            }
        }
        _ if vip.address.is_ipv6() => {
            findings.error(&option.at, "an IPv6 address has no broadcast address");
            return None;
        }
        _ => vip.brd = Some(broadcast(vip.prefix_len, value, findings)?),
    }
    Some(())
}

fn broadcast(prefix_len: u8, value: &Word, findings: &mut Findings) -> Option<Broadcast> {
    let computed = match value.text.as_str() {
        "+" => Broadcast::AllOnes,
        "-" => Broadcast::AllZeros,
        text => {
            let address = text.parse().ok().map(Broadcast::Address);
            if address.is_none() {
                findings.error(&value.at, format!("{} is no IPv4 address, `+` or `-`", quoted(text)));
            }
            return address;
        }
    };
    if prefix_len > 30 {
        findings.error(&value.at, format!("a /{prefix_len} has no broadcast address to compute"));
        return None;
    }
    Some(computed)
}

fn scope(value: &Word, findings: &mut Findings) -> Option<u8> {
    let named = SCOPES.iter().find(|(name, _)| *name == value.text).map(|(_, number)| *number);
    let scope = named.or_else(|| value.text.parse().ok());
    if scope.is_none() {
        findings
            .error(&value.at, format!("{} is no scope", quoted(&value.text)))
            .help("global, site, link, host, nowhere or a number up to 255");
    }
    scope
}

fn address_and_length(word: &Word, findings: &mut Findings) -> Option<(IpAddr, u8)> {
    let (address, length) = word
        .text
        .split_once('/')
        .map_or((word.text.as_str(), None), |(address, length)| (address, Some(length)));
    let Ok(address) = address.parse::<IpAddr>() else {
        findings.error(&word.at, format!("{} is no IP address", quoted(address)));
        return None;
    };
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let Some(length) = length else { return Some((address, longest)) };
    let parsed = length.parse().ok().filter(|length| *length <= longest);
    if parsed.is_none() {
        findings
            .error(&word.at, format!("{} is no prefix length from 0 to {longest}", quoted(length)))
            .maybe_help(|| {
                length.parse::<Ipv4Addr>().ok().and_then(|mask| {
                    let ones = u32::from(mask).leading_ones();
                    (u32::from(mask).count_ones() == ones).then(|| format!("did you mean `/{ones}`?"))
                })
            });
    }
    parsed.map(|length| (address, length))
}

/// `ADDRESS [min_ttl N] [max_ttl N]`, and whether a bound was given.
pub(super) fn peer(node: &Node, findings: &mut Findings) -> Option<(Peer, bool)> {
    plain_line(node, findings)?;
    let address = values::address(node.keyword(), findings)?;
    let mut peer = Peer { address, min_ttl: 0, max_ttl: u8::MAX, at: node.at().clone() };
    for option in node.args().chunks(2) {
        let Some(name) = option.first() else { continue };
        let bound = match name.text.as_str() {
            "min_ttl" => &mut peer.min_ttl,
            "max_ttl" => &mut peer.max_ttl,
            other => {
                findings
                    .error(&name.at, format!("{} is no option of a peer", quoted(other)))
                    .maybe_help(|| own_line(other).or_else(|| did_you_mean(other, ["min_ttl", "max_ttl"])));
                return None;
            }
        };
        let Some(value) = option.get(1) else {
            findings.error(&name.at, format!("{} needs a value", quoted(&name.text)));
            return None;
        };
        *bound = values::number(value, 0..=u8::MAX, findings)?;
    }
    if peer.min_ttl > peer.max_ttl {
        findings.error(node.at(), "min_ttl is above max_ttl: no advert could pass");
    }
    Some((peer, !node.args().is_empty()))
}
