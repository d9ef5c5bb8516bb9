//! What is not believed, and what one of the two does not understand.

use std::collections::BTreeMap;

use anyhow::Result;
use vipward_tests::lab::clock::Moment;
use vipward_tests::lab::vipward::Instance;
use vipward_tests::peers::{Form, Kind, Node, Pair, Side};

/// Adverts that vipward rejected, by reason.
fn rejected(node: &Node) -> BTreeMap<String, u64> {
    let instance = node.peer.as_ref().and_then(|peer| peer.agent()?.instance());
    instance.map(|Instance { adverts_rejected_by, .. }| adverts_rejected_by).unwrap_or_default()
}

fn logged(node: &Node, words: &str) -> bool {
    node.peer.as_ref().is_some_and(|peer| peer.log().contains(words))
}

/// B hears a master of higher priority with another password: it becomes master all the same, and neither believes
/// the other. keepalived as master may fall silent then, because packets that it rejects delay its own adverts.
fn different_passwords(a: Kind, b: Kind) -> Result<()> {
    let mut pair = Pair::new(Form::V2Pass, a, b)?;
    pair.b.conf = pair.b.conf.clone().password("0ther");
    pair.a.start()?;
    pair.serves(Side::A)?;
    pair.b.start()?;
    pair.wait("B to be master too", || pair.b.host.holds(pair.form.vip()))?;
    for (side, kind) in [(Side::A, a), (Side::B, b)] {
        let node = pair.node(side);
        match kind {
            Kind::Vipward(_) => {
                pair.wait("adverts to be rejected for that alone", || {
                    rejected(node).keys().eq(["auth_data"])
                })?;
                pair.serves(side)?;
            }
            Kind::Keepalived => {
                pair.wait("keepalived to complain", || logged(node, "received an invalid passwd!"))?;
            }
        }
        pair.ensure(node.host.holds(pair.form.vip()), || "one of the two gave way".to_owned())?;
    }
    pair.well_formed()
}

#[test]
fn keepalived_refuses_its_own_like_with_another_password() -> Result<()> {
    different_passwords(Kind::Keepalived, Kind::Keepalived)
}

#[test]
fn another_password_is_refused_by_both() -> Result<()> {
    Kind::by_every_datapath(|kind| {
        different_passwords(kind, Kind::Keepalived)?;
        different_passwords(Kind::Keepalived, kind)
    })
}

/// What keepalived logs of a checksum that it refuses.
const REFUSED: &str = "Invalid VRRPv3 checksum";

/// keepalived 2.2.7 knows only the checksum with a pseudo-header: it must refuse what `v3_checksum_as_v2` sends, or
/// that option did nothing. vipward accepts either form, so the advert of the higher keepalived rules all the same.
fn plain_checksum_from_the_backup(b: Kind) -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Keepalived, b)?;
    pair.b.conf = pair.b.conf.clone().with("v3_checksum_as_v2");
    pair.b.start()?;
    pair.serves(Side::B)?;
    pair.a.start()?;
    pair.settles_on(Side::A)?;
    pair.ensure(logged(&pair.a, REFUSED), || {
        "keepalived accepted a checksum without a pseudo-header".to_owned()
    })?;
    pair.plain_checksums(Side::B)
}

#[test]
fn a_checksum_without_pseudo_header_is_sent_when_asked_for_and_either_is_accepted() -> Result<()> {
    Kind::by_every_datapath(plain_checksum_from_the_backup)
}

/// The other way round keepalived hears nobody whom it believes: it becomes master beside vipward, which goes on
/// because the priority that it hears is lower. `v3_checksum_as_v2` is for peers that know it. keepalived says once
/// that it is master and then next to nothing, for packets that it rejects delay its own adverts.
fn plain_checksum_from_the_master(a: Kind) -> Result<()> {
    let mut pair = Pair::new(Form::V3, a, Kind::Keepalived)?;
    pair.a.conf = pair.a.conf.clone().with("v3_checksum_as_v2");
    pair.a.start()?;
    pair.serves(Side::A)?;
    pair.b.start()?;
    pair.wait("keepalived to be master too", || {
        pair.b.host.holds(pair.form.vip()) && pair.adverts(pair.b.host.name(), Moment::default()) > 0
    })?;
    pair.wait("keepalived to complain", || logged(&pair.b, REFUSED))?;
    pair.serves(Side::A)?;
    pair.ensure(pair.b.host.holds(pair.form.vip()), || "keepalived gave way".to_owned())?;
    pair.ensure(rejected(&pair.a).is_empty(), || "vipward rejected the older form".to_owned())?;
    pair.plain_checksums(Side::A)
}

#[test]
fn keepalived_refuses_a_master_without_pseudo_header() -> Result<()> {
    Kind::by_every_datapath(plain_checksum_from_the_master)
}

/// Two vipwards that send RFC 9568's form agree as any pair does.
fn plain_checksum_between_vipwards(kind: Kind) -> Result<()> {
    let mut pair = Pair::settled(Form::V3Plain, kind, kind)?;
    let event = Moment::now();
    pair.a.kill();
    pair.succeeds_a_dead_master(Side::B, event)?;
    pair.a.start()?;
    pair.settles_on(Side::A)?;
    pair.ensure(rejected(&pair.b).is_empty(), || "an advert was rejected".to_owned())?;
    pair.plain_checksums(Side::A)?;
    pair.plain_checksums(Side::B)
}

#[test]
fn vipwards_agree_on_the_checksum_without_pseudo_header() -> Result<()> {
    Kind::by_every_datapath(plain_checksum_between_vipwards)
}
