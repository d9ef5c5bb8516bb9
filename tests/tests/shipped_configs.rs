//! The configurations that people see first, through `vipward check`: it must have nothing to say about them.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::fs;
use std::path::Path;
use std::process::Command;

use vipward_tests::lab::{Host, Lab, vipward};

const README: &str = include_str!("../../README.md");
const NOTIFY: &str = include_str!("../lab/notify.sh");

fn is_clean(host: &Host, name: &str, text: &str) {
    // Their scripts are where they would be, in a folder that only root can write to.
    host.write("notify.sh", NOTIFY).unwrap();
    let text = text.replace("/etc/keepalived", &host.folder().display().to_string());
    let file = host.write("checked.conf", &text).unwrap();
    let mut check = Command::new(vipward::binary().unwrap());
    check.args(["check", "-f"]).arg(file);
    let output = host.namespace().enter(|| check.output()).unwrap().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert_eq!(output.status.code(), Some(0), "{name}: {}", String::from_utf8_lossy(&said));
}

#[test]
fn the_readme_s_configuration_is_right() {
    let lab = Lab::new().unwrap();
    let host = lab.host("h").unwrap();
    let blocks = README.split("```").skip(1).step_by(2);
    let configs: Vec<&str> = blocks.filter(|block| block.contains("vrrp_instance")).collect();
    assert_eq!(configs.len(), 1, "the README has one configuration");
    is_clean(&host, "README.md", configs[0]);
}

#[test]
fn the_lab_s_configurations_are_right() {
    let lab = Lab::new().unwrap();
    let host = lab.host("h").unwrap();
    let mut checked = 0;
    for scene in ["master-backup", "dual-master"] {
        for entry in fs::read_dir(Path::new("lab").join(scene)).unwrap() {
            let path = entry.unwrap().path();
            is_clean(&host, &path.display().to_string(), &fs::read_to_string(&path).unwrap());
            checked += 1;
        }
    }
    assert_eq!(checked, 4);
}
