//! The finished package, put to the test: lintian, a life from installation to purge, and its service under a systemd.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{programs, root, say, workspace};

/// Fails with what is wrong.
pub(super) fn package(deb: &Path) -> Result<()> {
    let mut lintian = Command::new("lintian");
    lintian.args(["--allow-root", "--fail-on", "error,warning"]).arg(deb);
    say::line("check", programs::shown(&lintian));
    programs::run(&mut lintian).context("lintian has something against the package")?;

    root::required("the check mounts file systems and installs a package", "dist --check")?;
    for script in ["packaging/debian/check", "packaging/systemd/check"] {
        let mut check = Command::new(workspace::root().join(script));
        check.arg(deb);
        say::line("check", programs::shown(&check));
        programs::run(&mut check)?;
    }
    Ok(())
}
