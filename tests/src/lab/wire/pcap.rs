//! Captured frames as a pcap file, and what an independent dissector has to say about them.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::Frame;

/// pcap with nanoseconds (draft-ietf-opsawg-pcap §4), little-endian, version 2.4, Ethernet.
const MAGIC: u32 = 0xa1b2_3c4d;
const SNAP_LENGTH: u32 = 65_535;
const ETHERNET: u32 = 1;
/// What tshark should find nothing of.
const WRONG: &str = "_ws.malformed || vrrp.checksum_bad.expert || (ip.checksum.status == 0 && vrrp)";

/// Writes `frames` to `path` and returns tshark's complaints about them: malformed packets and wrong checksums.
/// tshark knows RFC 5798's checksum with its pseudo-header; RFC 9568's without one it calls bad.
pub fn complaints(frames: &[Frame], path: &Path) -> Result<Vec<String>> {
    fs::write(path, file(frames)).with_context(|| format!("cannot write {}", path.display()))?;
    let mut tshark = Command::new("tshark");
    tshark.args(["-n", "-o", "ip.check_checksum:TRUE", "-Y", WRONG, "-r"]).arg(path).stdin(Stdio::null());
    let output = tshark.output().context("cannot run tshark (package tshark)")?;
    if !output.status.success() {
        bail!("tshark: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

fn file(frames: &[Frame]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut words = |words: &[u32], bytes: &[u8]| {
        for word in words {
            out.extend(word.to_le_bytes());
        }
        out.extend(bytes);
    };
    words(&[MAGIC, 0x0004_0002, 0, 0, SNAP_LENGTH, ETHERNET], &[]);
    for frame in frames {
        let length = u32::try_from(frame.bytes.len()).unwrap_or(SNAP_LENGTH);
        let part = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        let (seconds, nanoseconds) = (part(frame.at.0 / 1_000_000_000), part(frame.at.0 % 1_000_000_000));
        words(&[seconds, nanoseconds, length, length], &frame.bytes);
    }
    out
}
