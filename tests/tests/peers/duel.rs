//! One story for every form of the protocol: an election, then the master's link drops and returns, it stops and
//! returns, it is killed and returns. The same is told of keepalived on both sides, and of vipward on either side by
//! every data path.

use anyhow::{Context, Result};
use vipward_tests::lab::clock::Moment;
use vipward_tests::peers::{Form, Kind, Pair, Side};

fn story(form: Form, a: Kind, b: Kind) -> Result<()> {
    let mut pair = Pair::new(form, a, b)?;
    tell(&mut pair)?;
    pair.well_formed()
}

fn tell(pair: &mut Pair) -> Result<()> {
    pair.a.start()?;
    pair.b.start()?;
    pair.wait("both to take part", || pair.a.ready() && pair.b.ready())?;
    pair.settles_on(Side::A).context("election by priority")?;
    link_drops(pair).context("the master's link drops")?;
    stops(pair).context("the master stops")?;
    killed(pair).context("the master is killed")
}

fn link_drops(pair: &Pair) -> Result<()> {
    let event = Moment::now();
    pair.a.host.unplug()?;
    pair.succeeds_a_dead_master(Side::B, event)?;
    pair.wait("a host without a link to give up the VIP", || !pair.a.host.holds(pair.form.vip()))?;
    pair.a.host.plug()?;
    pair.settles_on(Side::A).context("preemption when the link returns")
}

fn stops(pair: &mut Pair) -> Result<()> {
    let event = Moment::now();
    pair.a.stop()?;
    pair.ensure(!pair.a.host.holds(pair.form.vip()), || "the VIP stayed after SIGTERM".to_owned())?;
    pair.succeeds_a_resigned_master(Side::B, event)?;
    pair.a.start()?;
    pair.settles_on(Side::A).context("preemption when it is started again")
}

fn killed(pair: &mut Pair) -> Result<()> {
    let event = Moment::now();
    pair.a.kill();
    pair.succeeds_a_dead_master(Side::B, event)?;
    pair.a.start()?;
    pair.settles_on(Side::A).context("preemption when it is started again")
}

/// A test per role.
macro_rules! stories {
    ($($name:ident: $form:expr;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn keepalived_agrees_with_what_is_expected() -> Result<()> {
                story($form, Kind::Keepalived, Kind::Keepalived)
            }

            #[test]
            fn vipward_is_the_master() -> Result<()> {
                Kind::by_every_datapath(|kind| story($form, kind, Kind::Keepalived))
            }

            #[test]
            fn vipward_is_the_backup() -> Result<()> {
                Kind::by_every_datapath(|kind| story($form, Kind::Keepalived, kind))
            }
        }
    )*};
}

stories! {
    version_2_with_a_password: Form::V2Pass;
    version_3_over_ipv4: Form::V3;
    version_3_over_ipv6: Form::V3Ipv6;
    version_3_unicast: Form::V3Unicast;
}

/// The backup's checksums have no pseudo-header, which keepalived 2.2.7 refuses whenever it should hear them: it
/// has its VIP back all the same, because the backup believes either form and yields.
#[test]
fn vipward_is_the_backup_of_a_keepalived_that_refuses_its_checksum() -> Result<()> {
    Kind::by_every_datapath(|kind| {
        let mut pair = Pair::new(Form::V3, Kind::Keepalived, kind)?;
        pair.b.conf = pair.b.conf.clone().with("v3_checksum_as_v2");
        tell(&mut pair)?;
        pair.plain_checksums(Side::B)
    })
}
