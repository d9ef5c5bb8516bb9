//! What is made for the packages: the stripped binary, manual pages, completions.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::{programs, say, workspace};

/// Shells, and the name under which each looks for our completions.
const SHELLS: [(&str, &str); 3] = [("bash", "vipward"), ("zsh", "_vipward"), ("fish", "vipward.fish")];

/// Where it all stands. cargo-deb finds what is below the release folder wherever that is.
pub(super) fn folder() -> PathBuf {
    workspace::target_dir().join("release/dist")
}

/// Makes everything anew from this binary; the folder.
pub(super) fn fill(binary: &Path) -> Result<PathBuf> {
    let folder = folder();
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    strip(binary, &folder.join("vipward"))?;
    completions(binary, &folder.join("completions"))?;
    manual(&folder.join("man"))?;
    Ok(folder)
}

/// Copies a binary without its symbols.
pub(super) fn strip(binary: &Path, to: &Path) -> Result<()> {
    programs::run(Command::new("strip").args(["--remove-section=.comment", "-o"]).arg(to).arg(binary))?;
    fs::set_permissions(to, Permissions::from_mode(0o755))?;
    Ok(())
}

fn completions(binary: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for (shell, name) in SHELLS {
        let mut command = Command::new(binary);
        command.args(["completions", shell]).stdin(Stdio::null());
        let output = command.output().with_context(|| format!("cannot run {}", binary.display()))?;
        ensure!(output.status.success(), "`{}` failed: {}", programs::shown(&command), output.status);
        fs::write(folder.join(name), output.stdout)?;
    }
    Ok(())
}

fn manual(folder: &Path) -> Result<()> {
    let mut cargo = workspace::cargo();
    // By an example, so that the binary need not carry what writes manual pages.
    cargo.args(["run", "--quiet", "--package", "vipward", "--example", "manpages", "--"]).arg(folder);
    say::line("manual", programs::shown(&cargo));
    programs::run(&mut cargo)?;
    let pages = fs::read_dir(folder)?.map(|page| Ok(page?.path())).collect::<std::io::Result<Vec<_>>>()?;
    // As Debian wants them, and without a time, for the same bytes tomorrow.
    programs::run(Command::new("gzip").args(["--best", "--no-name"]).args(pages))
}
