//! Which capabilities this process has.

use std::fs;

/// A capability: its name, its number, and the number of one that implies it (its own if none does).
pub type Capability = (&'static str, u32, u32);

const CAP_SYS_ADMIN: u32 = 21;
/// Addresses and links.
pub const NET_ADMIN: Capability = ("CAP_NET_ADMIN", 12, 12);
/// Raw and packet sockets.
pub const NET_RAW: Capability = ("CAP_NET_RAW", 13, 13);
/// Loading a BPF program that is allowed to do what XDP programs do.
pub const BPF: Capability = ("CAP_BPF", 39, CAP_SYS_ADMIN);
/// Loading a BPF program that the verifier trusts with pointers.
pub const PERFMON: Capability = ("CAP_PERFMON", 38, CAP_SYS_ADMIN);

/// The names of those of `wanted` that the calling thread lacks. Empty when that cannot be found out: what follows
/// will tell.
pub fn missing(wanted: &[Capability]) -> Vec<&'static str> {
    let Some(effective) = effective() else { return Vec::new() };
    lacking(effective, wanted)
}

fn lacking(effective: u64, wanted: &[Capability]) -> Vec<&'static str> {
    let lacks = |(_, own, implied_by): &&Capability| effective & (1 << own | 1 << implied_by) == 0;
    wanted.iter().filter(lacks).map(|(name, ..)| *name).collect()
}

fn effective() -> Option<u64> {
    let status = fs::read_to_string("/proc/thread-self/status").ok()?;
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(set.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn implied_capabilities_count() {
        let wanted = [NET_ADMIN, BPF, PERFMON];
        assert_eq!(lacking(0, &wanted), ["CAP_NET_ADMIN", "CAP_BPF", "CAP_PERFMON"]);
        assert_eq!(lacking(1 << 21, &wanted), ["CAP_NET_ADMIN"]);
        assert_eq!(lacking(1 << 12 | 1 << 39, &wanted), ["CAP_PERFMON"]);
    }
}
