//! The tarball, for everything that is not Debian: static where this machine can build that.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{build, stage};
use crate::{programs, say, workspace};

/// Files of the repository that go with it, and the folder that each has in it.
const FILES: [(&str, &str); 13] = [
    ("LICENSE", ""),
    ("LICENSE-APACHE", ""),
    ("LICENSE-MIT", ""),
    ("README.md", ""),
    ("CHANGELOG.md", ""),
    ("docs", ""),
    ("packaging/systemd/vipward.service", "systemd"),
    ("packaging/systemd/vipward-render.service", "systemd"),
    ("packaging/systemd/run-vipward-bpf.mount", "systemd"),
    ("packaging/systemd/before-stop", "systemd"),
    ("packaging/systemd/non-root.conf", "systemd"),
    ("packaging/prometheus", ""),
    ("packaging/grafana", ""),
];

/// Makes it from a static build, or from `binary` and says why; its path.
pub(super) fn make(binary: &Path, staged: &Path, out: &Path) -> Result<PathBuf> {
    let (binary, kind) = match musl() {
        Ok(target) => (build(Some(&target))?, "static"),
        Err(why) => {
            say::line("tarball", format_args!("not static, it needs this system's C library: {why}"));
            (binary.to_owned(), "linux")
        }
    };
    let name = format!("vipward-{}-{}-{kind}", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH);
    let folder = out.join(&name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    stage::strip(&binary, &folder.join("vipward"))?;
    copy(&staged.join("man"), &folder)?;
    copy(&staged.join("completions"), &folder)?;
    for (file, below) in FILES {
        let to = folder.join(below);
        fs::create_dir_all(&to)?;
        copy(&workspace::root().join(file), &to)?;
    }
    let tarball = out.join(format!("{name}.tar.gz"));
    let mut tar = Command::new("tar");
    // The same bytes for the same contents, whoever packs them and when.
    tar.args([
        "--create",
        "--gzip",
        "--sort=name",
        "--owner=0",
        "--group=0",
        "--numeric-owner",
        "--mtime=@0",
    ]);
    programs::run(tar.arg("--file").arg(&tarball).arg("--directory").arg(out).arg(&name))?;
    fs::remove_dir_all(&folder)?;
    Ok(tarball)
}

/// The target of static builds on this machine, or what it lacks.
fn musl() -> Result<String, String> {
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    // For the C and assembler in the cryptography.
    if programs::find("musl-gcc").is_none() {
        return Err("there is no musl-gcc (package musl-tools)".to_owned());
    }
    let sysroot = programs::ask("rustc", &["--print", "sysroot"]).unwrap_or_default();
    if !Path::new(sysroot.trim()).join("lib/rustlib").join(&target).exists() {
        return Err(format!("rustc has no {target} (rustup target add {target})"));
    }
    Ok(target)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    programs::run(Command::new("cp").arg("--recursive").arg(from).arg(to))
}
