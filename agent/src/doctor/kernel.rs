//! What the kernel offers.

use std::fs;
use std::path::Path;

use super::finding::Finding;

const CHECK: &str = "kernel";
/// From here on the kernel has timers for XDP programs.
const TIMERS: Release = Release(5, 15);
/// From here on programs see what leaves an interface in a way that others cannot replace.
const TCX: Release = Release(6, 6);

/// Version of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Release(u32, u32);

/// What was seen of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// As `uname -r` prints it.
    pub(super) release: String,
    /// It describes its own types.
    pub(super) btf: bool,
    /// It has a BPF file system.
    pub(super) bpffs: bool,
    /// `/proc/sys/kernel/unprivileged_bpf_disabled` and lockdown are of no interest to root; this one is.
    pub(super) lockdown: Option<String>,
}

/// Looks at the running kernel.
pub(super) fn look() -> Seen {
    let release = nix::sys::utsname::uname()
        .map(|name| name.release().to_string_lossy().into_owned())
        .unwrap_or_default();
    let lockdown =
        fs::read_to_string("/sys/kernel/security/lockdown").ok().and_then(|modes| in_force(&modes));
    let file_systems = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    Seen {
        release,
        btf: Path::new("/sys/kernel/btf/vmlinux").exists(),
        bpffs: file_systems.lines().any(|line| line.split_whitespace().last() == Some("bpf")),
        lockdown,
    }
}

/// The word in brackets of `none [integrity] confidentiality`, unless it is the first.
fn in_force(modes: &str) -> Option<String> {
    let mode = modes.split_once('[')?.1.split_once(']')?.0;
    (mode != "none").then(|| mode.to_owned())
}

/// What to make of it.
pub(super) fn check(seen: &Seen) -> Vec<Finding> {
    let mut findings = Vec::new();
    let release = release(&seen.release);
    let name = &seen.release;
    findings.push(match release {
        Some(release) if release < TIMERS => Finding::warning(
            CHECK,
            format!("Linux {name} has no timers for XDP programs: adverts are received by a raw socket, and wake the agent"),
            "use Linux 5.15 or later",
        ),
        Some(_) => Finding::fine(CHECK, format!("Linux {name}")),
        None => Finding::note(CHECK, format!("a kernel that calls itself {name:?}")),
    });
    if release.is_some_and(|release| TIMERS <= release && release < TCX) {
        findings.push(Finding::warning(
            CHECK,
            "no TCX: a master whose lease has lapsed is kept from hearing requests for its VIPs, and not from sending \
             in their name",
            "use Linux 6.6 or later",
        ));
    }
    if !seen.btf {
        findings.push(Finding::warning(
            CHECK,
            "no BTF in /sys/kernel/btf/vmlinux: the kernel cannot find timers and locks in our maps, and the raw \
             socket is used",
            "use a kernel with CONFIG_DEBUG_INFO_BTF, as distributions ship it",
        ));
    }
    if !seen.bpffs {
        findings.push(Finding::warning(
            CHECK,
            "no BPF file system: leases do not outlive the agent",
            "use a kernel with CONFIG_BPF_SYSCALL; in a container, mount one from the host",
        ));
    }
    if let Some(mode) = seen.lockdown.as_ref().filter(|mode| *mode == "confidentiality") {
        findings.push(Finding::warning(
            CHECK,
            format!("lockdown is in the mode {mode}, which may refuse BPF programs that read kernel memory"),
            "boot with lockdown=integrity, or use --datapath socket",
        ));
    }
    findings
}

fn release(name: &str) -> Option<Release> {
    let mut numbers = name.split(|character: char| !character.is_ascii_digit()).map(str::parse);
    Some(Release(numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity;

    fn seen(release: &str) -> Seen {
        Seen { release: release.to_owned(), btf: true, bpffs: true, lockdown: None }
    }

    #[test]
    fn releases_are_compared_by_number() {
        assert_eq!(release("6.12.9+deb13-amd64"), Some(Release(6, 12)));
        assert_eq!(release("5.4"), Some(Release(5, 4)));
        assert_eq!(release("6"), None);
        assert_eq!(release(""), None);
        assert_eq!(release("99999999999.1"), None);
        assert!(Release(5, 4) < TIMERS && Release(6, 12) > TCX && Release(6, 1) < TCX);
    }

    #[test]
    fn what_is_missing_is_named_with_a_remedy() {
        let fine = check(&seen("6.12.1"));
        assert!(fine.len() == 1 && fine[0].severity == Severity::Fine, "{fine:?}");
        let old = check(&seen("5.10.0-28-amd64"));
        assert!(old.len() == 1 && old[0].message.contains("raw socket"), "{old:?}");
        let middle = check(&seen("6.1.0-18-amd64"));
        assert!(middle.iter().any(|finding| finding.message.contains("TCX")), "{middle:?}");
        let bare = check(&Seen { btf: false, bpffs: false, ..seen("6.12.1") });
        assert_eq!(bare.iter().filter(|finding| finding.remedy.is_some()).count(), 2, "{bare:?}");
    }

    #[test]
    fn lockdown_is_read_from_its_brackets() {
        assert_eq!(in_force("[none] integrity confidentiality\n"), None);
        assert_eq!(in_force("none [integrity] confidentiality\n").as_deref(), Some("integrity"));
        assert_eq!(in_force(""), None);
        let strict = Seen { lockdown: Some("confidentiality".to_owned()), ..seen("6.12.1") };
        assert!(check(&strict).iter().any(|finding| finding.message.contains("confidentiality")));
    }
}
