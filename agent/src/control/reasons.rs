//! Why adverts were rejected, in words for whoever has to put it right.

use vipward_common::reason::Reason;

use super::status::Stranger;
use crate::election::message::{OTHER_ADDRESSES, OTHER_INTERVAL};

/// What to suspect where no setting explains it.
const BROKEN_SENDER: &str = "its sender is broken, or somebody forges adverts";

/// A rejection by its name in the status, as a person reads it: `wrong password (auth_data)`.
pub fn explain(label: &str) -> String {
    find(label).map_or_else(|| label.to_owned(), |reason| format!("{} ({label})", words(reason).0))
}

/// What to look at to be rid of it.
pub fn remedy(label: &str) -> Option<&'static str> {
    find(label).map(|reason| words(reason).1)
}

/// Who is behind it, and when that was: `last wrong password (auth_data): 192.0.2.9 (02:00:00:00:00:09), 4 s ago`.
pub fn who(stranger: &Stranger) -> String {
    let what = match stranger.what.as_str() {
        OTHER_ADDRESSES => "other addresses than ours".to_owned(),
        OTHER_INTERVAL => "another interval than ours".to_owned(),
        label => explain(label),
    };
    format!("last {what}: {}, {:.0} s ago", sender(stranger), stranger.seconds_ago)
}

/// Address, MAC and, where it matters, the VRRP version.
pub fn sender(stranger: &Stranger) -> String {
    let mac = stranger.mac.as_ref().map(|mac| format!(" ({mac})")).unwrap_or_default();
    let version = match stranger.what.as_str() {
        "version" => format!(", with version {}", stranger.version),
        _ => String::new(),
    };
    format!("{}{mac}{version}", stranger.address)
}

/// Agents of other versions may have other reasons.
fn find(label: &str) -> Option<Reason> {
    Reason::ALL.into_iter().find(|reason| reason.label() == label)
}

fn words(reason: Reason) -> (&'static str, &'static str) {
    match reason {
        Reason::Ttl => (
            "wrong TTL or hop limit",
            "adverts are not routed; `min_ttl` of a unicast peer must allow for it",
        ),
        Reason::Version => ("another VRRP version", "compare `version` on all nodes"),
        Reason::Type => ("unknown type of message", BROKEN_SENDER),
        Reason::Length => ("wrong length", BROKEN_SENDER),
        Reason::Checksum => ("wrong checksum", BROKEN_SENDER),
        Reason::OwnPacket => ("our own adverts come back", "look for a loop in the network"),
        Reason::AuthType => ("another type of authentication", "compare `auth_type` on all nodes"),
        Reason::AuthData => ("wrong password", "compare `auth_pass` on all nodes"),
        Reason::Interval => ("another interval", "compare `advert_int` on all nodes"),
        Reason::IntervalZero => ("an interval of zero", BROKEN_SENDER),
        Reason::NoAddresses => ("no address listed", BROKEN_SENDER),
        Reason::UnknownPeer => (
            "sender not among the peers",
            "if it is one of this router's, name it in `unicast_peer` or `vipward_peers`; if not, it needs another \
             `virtual_router_id`",
        ),
        Reason::Destination => (
            "wrong destination",
            "one node uses unicast and another multicast, or sends to an address that is not `unicast_src_ip`",
        ),
        Reason::Fragment => ("fragmented", BROKEN_SENDER),
        Reason::PeerMac => (
            "a peer's address from another MAC",
            "somebody forges adverts, or the MAC in `vipward_peers` is out of date",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_reasons_are_explained_and_others_are_named() {
        assert_eq!(explain("auth_data"), "wrong password (auth_data)");
        assert_eq!(remedy("auth_data"), Some("compare `auth_pass` on all nodes"));
        assert_eq!((explain("of_tomorrow").as_str(), remedy("of_tomorrow")), ("of_tomorrow", None));
    }
}
