//! Without the rights that it wants: it says which, uses what is left, and never pretends.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use vipward_tests::lab::clock::Moment;
use vipward_tests::lab::vipward::{Vipward, binary};
use vipward_tests::peers::{Form, Kind, Pair, Peer, Side};

use crate::seen::{instance, state};

/// Longest time for giving up.
const LIMIT: Duration = Duration::from_secs(10);
/// The user nobody.
const NOBODY: u32 = 65_534;

/// A program that runs the agent with less than root has.
fn wrapped(pair: &Pair, side: Side, with: &str) -> Result<PathBuf> {
    let text = format!("#!/bin/sh\nexec {with} {} \"$@\"\n", binary()?.display());
    pair.node(side).host.write("vipward-without", &text)
}

/// As in a container without CAP_BPF, CAP_PERFMON and CAP_SYS_ADMIN.
fn without_bpf(pair: &Pair, side: Side, datapath: &str) -> Result<Vipward> {
    let binary =
        wrapped(pair, side, "capsh --drop=cap_bpf,cap_perfmon,cap_sys_admin -- -c 'exec \"$0\" \"$@\"'")?;
    let node = pair.node(side);
    Vipward::start_binary(&binary, &node.host, &node.conf.to_string(), &["--datapath", datapath])
}

#[test]
fn without_bpf_it_receives_by_a_socket_and_says_so() -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Keepalived, Kind::Vipward("auto"))?;
    pair.a.start()?;
    pair.b.peer = Some(Peer::Vipward(without_bpf(&pair, Side::B, "auto")?));
    pair.settles_on(Side::A)?;
    pair.wait("BACKUP", || state(&pair.b).as_deref() == Some("BACKUP"))?;
    let now = instance(&pair.b)?;
    pair.ensure(now.datapath.as_deref() == Some("socket"), || format!("{now:?}"))?;
    let reason = now.datapath_reason.unwrap_or_default();
    pair.ensure(reason.contains("CAP_BPF"), || format!("the reason does not help: {reason:?}"))?;
    pair.ensure(crate::seen::logged(&pair.b, &reason), || "the reason is not in the log".to_owned())?;
    let event = Moment::now();
    pair.a.kill();
    pair.succeeds_a_dead_master(Side::B, event)
}

#[test]
fn a_data_path_that_was_asked_for_is_not_replaced_in_silence() -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Keepalived, Kind::Vipward("xdp"))?;
    pair.a.start()?;
    pair.serves(Side::A)?;
    let start = Moment::now();
    pair.b.peer = Some(Peer::Vipward(without_bpf(&pair, Side::B, "xdp")?));
    pair.wait("an explanation", || pair.b.peer.as_ref().is_some_and(|peer| peer.log().contains("CAP_BPF")))?;
    pair.ensure(state(&pair.b).is_none_or(|state| state == "FAULT"), || "it pretends to watch".to_owned())?;
    pair.settles_on(Side::A)?;
    pair.ensure(pair.adverts("n2", start) == 0, || "it took over from a master that lived".to_owned())
}

/// A failover agent that can neither listen nor set addresses must not look as if it ran.
#[test]
fn without_any_privilege_it_ends_with_an_explanation() -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    // Everything is there for it to read; only the rights are missing.
    fs::set_permissions(pair.lab.dir(), Permissions::from_mode(0o711))?;
    let run_dir = pair.a.host.folder().join("vipward");
    fs::create_dir(&run_dir)?;
    chown(&run_dir, Some(NOBODY), Some(NOBODY))?;
    let setpriv = format!("setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups --no-new-privs");
    let binary = wrapped(&pair, Side::A, &setpriv)?;
    let mut agent = Vipward::start_binary(&binary, &pair.a.host, &pair.a.conf.to_string(), &[])?;
    let ended = agent.process().ended(LIMIT);
    let log = agent.log();
    pair.a.peer = Some(Peer::Vipward(agent));
    let status = pair.explain(ended)?;
    assert!(!status.success() && status.code().is_some(), "{status}: {log}");
    assert!(log.contains("CAP_NET_ADMIN") && log.contains("CAP_NET_RAW") && log.contains("root"), "{log}");
    assert!(!log.contains("panicked"), "{log}");
    Ok(())
}
