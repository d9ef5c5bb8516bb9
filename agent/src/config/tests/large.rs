//! Files of tens of thousands of lines: what takes the square of their number does not come to an end here.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use crate::config::{Loaded, Options, load_str};

/// Lines or blocks of a kind.
const MANY: usize = 40_000;
/// A hundred times what is needed, and a fraction of what the square of [`MANY`] takes.
const DEADLINE: Duration = Duration::from_mins(1);

fn load(text: String) -> Loaded {
    let (done, wait) = mpsc::channel();
    std::thread::spawn(move || {
        // Nobody waits for one that is too late.
        let _ = done.send(load_str(Path::new("f"), &text, &Options::default()));
    });
    wait.recv_timeout(DEADLINE).expect("an end")
}

/// The numbers up to [`MANY`], each as `line` writes it.
fn lines(line: impl Fn(usize) -> String) -> String {
    (0..MANY).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "{}", line(number));
        text
    })
}

fn instance(name: &str, content: &str) -> String {
    format!(
        "vrrp_instance {name} {{\ninterface {name}\nvirtual_router_id 1\n{content}\n\
         virtual_ipaddress {{ 10.0.0.1 }}\n}}"
    )
}

#[test]
fn virtual_macs_of_one_vrid_are_named() {
    let loaded = load(lines(|number| instance(&format!("i{number}"), "use_vmac")));
    let config = loaded.config.expect("no error");
    let last = config.instances.last().and_then(|instance| instance.vmac.as_ref());
    assert_eq!(last.map(|vmac| vmac.name.clone()), Some(format!("vrrp{}.1", MANY - 1)));
}

#[test]
fn routers_that_are_trusted_are_compared() {
    let address = |number: usize| format!("10.{}.{}.{}", number >> 14, number >> 7 & 127, number & 127);
    let peers = (0..3 * MANY).map(address).collect::<Vec<_>>().join(" ");
    let loaded = load(instance("i", &format!("vipward_peers {peers}")));
    assert!(loaded.config.is_some(), "{:?}", loaded.diagnostics.first());
}

#[test]
fn members_track_what_their_group_does() {
    let script = |number| format!("vrrp_script s{number} {{\nscript \"/bin/true\"\n}}");
    let tracked = lines(|number| format!("s{number}"));
    let group = format!("vrrp_sync_group g {{\ngroup {{\na\nb\n}}\ntrack_script {{\n{tracked}}}\n}}\n");
    let members = [instance("a", &format!("track_script {{\n{tracked}}}")), instance("b", "")].join("\n");
    let loaded = load(lines(script) + &group + &members);
    let config = loaded.config.expect("no error");
    assert!(config.instances.iter().all(|instance| instance.track_scripts.len() == MANY));
}

#[test]
fn what_groups_multiply_is_bounded() {
    let tracked = lines(|number| format!("if{number}"));
    let members = lines(|number| format!("i{number}"));
    let group = format!("vrrp_sync_group g {{\ngroup {{\n{members}}}\ntrack_interface {{\n{tracked}}}\n}}\n");
    let loaded = load(lines(|number| instance(&format!("i{number}"), "")) + &group);
    let bounded = |text: &str| text.contains("track more than");
    assert!(loaded.diagnostics.iter().any(|found| bounded(&found.message)));
}
