//! What this kernel offers the XDP data path. Nothing here is fatal: the agent falls back to a raw socket.

use std::fs;
use std::path::Path;

use crate::say;

/// First kernel with bpf_timer.
const BPF_TIMER: (u32, u32) = (5, 15);

/// Says what the kernel lacks, or that it lacks nothing.
pub(crate) fn report() {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    if version(release).is_none_or(|version| version < BPF_TIMER) {
        say::line(
            "kernel",
            format_args!("{release}: no bpf_timer before 5.15, so only the socket data path"),
        );
    } else if Path::new("/sys/kernel/btf/vmlinux").exists() {
        say::line("kernel", format_args!("{release}, with BTF and bpf_timer"));
    } else {
        say::line(
            "kernel",
            format_args!("{release}: no BTF (CONFIG_DEBUG_INFO_BTF), so only the socket data path"),
        );
    }
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_as_distributions_write_them() {
        assert_eq!(version("6.18.44-fc-v782"), Some((6, 18)));
        assert_eq!(version("5.4.0-200-generic"), Some((5, 4)));
        assert_eq!(version("unknown"), None);
        assert!(version("5.10.0-21-amd64") < Some(BPF_TIMER));
    }
}
