//! What several tests ask about a node.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use vipward_tests::lab::Host;
use vipward_tests::lab::clock::Moment;
use vipward_tests::lab::host::INTERFACE;
use vipward_tests::lab::vipward::{Instance, Vipward};
use vipward_tests::lab::wire::Seen;
use vipward_tests::peers::{Node, Pair, VRID};

/// The agent of a node on which vipward runs.
pub(crate) fn agent(node: &Node) -> Result<&Vipward> {
    node.peer.as_ref().and_then(|peer| peer.agent()).context("no agent runs there")
}

/// Its only instance.
pub(crate) fn instance(node: &Node) -> Result<Instance> {
    agent(node)?.instance().context("the agent gives no status")
}

/// State of its only instance; nothing while the agent does not answer.
pub(crate) fn state(node: &Node) -> Option<String> {
    Some(instance(node).ok()?.state)
}

/// Whether its router has logged `words`.
pub(crate) fn logged(node: &Node, words: &str) -> bool {
    node.peer.as_ref().is_some_and(|peer| peer.log().contains(words))
}

/// Whether `host` has sent an advert of this priority since `from`.
pub(crate) fn advertised(pair: &Pair, host: &Host, priority: u8, from: Moment) -> bool {
    pair.wire.first(from, |sender, seen| sender == host.name() && is_advert(seen, priority)).is_some()
}

fn is_advert(seen: &Seen, wanted: u8) -> bool {
    matches!(seen, Seen::Advert(advert) if advert.vrid == VRID && advert.priority == wanted)
}

/// What `ip` prints on a host, one line per object.
pub(crate) fn ip(host: &Host, words: &[&str]) -> Result<String> {
    let output = Command::new("ip").args(["-n", host.namespace().name(), "-o"]).args(words).output()?;
    ensure!(output.status.success(), "ip {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Makes the interface `lan0` on `host`, up and with the address 10.78.0.1/24. Its other end, `lan1`, is there too.
pub(crate) fn make_lan(host: &Host) -> Result<()> {
    host.ip("link add lan0 type veth peer name lan1\n\
             addr add 10.78.0.1/24 dev lan0\n\
             link set dev lan1 up\n\
             link set dev lan0 up\n")
}

/// Another host on the pair's wire, once the bridge forwards what it sends.
pub(crate) fn newcomer(pair: &Pair) -> Result<Host> {
    let host = pair.lab.host("n3")?;
    let reaches = || {
        let mut arping = Command::new("arping");
        arping.args(["-q", "-c", "1", "-w", "1", "-I", INTERFACE]).arg(pair.b.host.address().to_string());
        host.namespace().enter(|| arping.status()).is_ok_and(|done| done.is_ok_and(|status| status.success()))
    };
    pair.wait("the bridge to forward", reaches)?;
    Ok(host)
}
