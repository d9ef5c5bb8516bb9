//! `enable_script_security`: a script that runs with root's rights must not be changeable by anybody else.
//!
//! Every component of the path, as written and with links followed, must belong to root and be writable by
//! nobody else; a directory with the sticky bit (`/tmp`) is accepted for its own sake, as its entries still
//! have to pass.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::launch::{Launch, Program};
use super::process::PATH;

/// Why a script is not run.
#[derive(Debug, thiserror::Error)]
pub enum Insecure {
    /// A component belongs to somebody else than root.
    #[error("`{}` does not belong to root", .0.display())]
    Owner(PathBuf),
    /// A component can be written by others.
    #[error("others can write to `{}`", .0.display())]
    Writable(PathBuf),
    /// A component could not be looked at.
    #[error("cannot look at `{path}`: {1}", path = .0.display())]
    Unreadable(PathBuf, io::Error),
}

/// Checks what `launch` would execute, if it is [`Launch::secure`]: what fails here is not run.
pub fn check(launch: &Launch) -> Result<(), Insecure> {
    if launch.secure { look(launch) } else { Ok(()) }
}

/// Whether anybody else than root can change what `launch` would do with root's rights; without these it may be
/// anybody's.
///
/// Of a shell line, the shell and every absolute path of an executable file in it are looked at.
pub fn look(launch: &Launch) -> Result<(), Insecure> {
    if !launch.identity.is_root() {
        return Ok(());
    }
    match &launch.program {
        Program::Exec(words) => words.first().map_or(Ok(()), |program| check_program(program)),
        Program::Shell { shell, line } => {
            check_program(shell)?;
            line.split(|c: char| c.is_whitespace() || ";|&()<>'\"`$={}".contains(c))
                .filter(|word| word.starts_with('/') && is_executable(Path::new(word)))
                .try_for_each(check_program)
        }
    }
}

/// A program that is not found is left for the attempt to run it, which says so better.
fn check_program(program: &str) -> Result<(), Insecure> {
    find(program).map_or(Ok(()), |path| check_path(&path))
}

/// The file that is run for `program`: as named if it has a slash, else the first executable one in [`PATH`].
pub fn find(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        Some(PathBuf::from(program)).filter(|path| path.exists())
    } else {
        PATH.split(':').map(|dir| Path::new(dir).join(program)).find(|path| is_executable(path))
    }
}

fn check_path(path: &Path) -> Result<(), Insecure> {
    let resolved = path.canonicalize().map_err(|error| Insecure::Unreadable(path.to_owned(), error))?;
    path.ancestors()
        .chain(resolved.ancestors())
        .filter(|part| !part.as_os_str().is_empty())
        .try_for_each(check_part)
}

fn check_part(part: &Path) -> Result<(), Insecure> {
    let metadata = part.symlink_metadata().map_err(|error| Insecure::Unreadable(part.to_owned(), error))?;
    if metadata.uid() != 0 {
        return Err(Insecure::Owner(part.to_owned()));
    }
    if others_can_write(&metadata) {
        return Err(Insecure::Writable(part.to_owned()));
    }
    Ok(())
}

fn others_can_write(metadata: &Metadata) -> bool {
    // A link has no permissions of its own.
    if metadata.is_symlink() {
        return false;
    }
    let mode = metadata.permissions().mode();
    let sticky = metadata.is_dir() && mode & 0o1000 != 0;
    let by_group = metadata.gid() != 0 && mode & 0o020 != 0;
    !sticky && (by_group || mode & 0o002 != 0)
}

/// Whether `path` is a file that somebody may execute.
pub fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{chown, symlink};

    use super::super::launch::Identity;
    use super::*;

    fn launch(program: Program) -> Launch {
        let root = Identity::resolve("root", None).expect("root exists");
        Launch { program, identity: root, secure: true }
    }

    fn exec(path: &Path) -> Launch {
        launch(Program::Exec(vec![path.display().to_string()]))
    }

    #[test]
    fn only_roots_own_scripts_run_as_root() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let script = dir.path().join("script");
        fs::write(&script, "#!/bin/sh\n").expect("written");
        let mode = |mode| fs::set_permissions(&script, fs::Permissions::from_mode(mode)).expect("chmod");

        mode(0o755);
        check(&exec(&script)).expect("root's own file under the sticky /tmp");
        check(&launch(Program::Exec(vec!["true".into()]))).expect("a program from PATH");

        mode(0o757);
        assert!(matches!(check(&exec(&script)), Err(Insecure::Writable(path)) if path == script));
        let link = dir.path().join("link");
        symlink(&script, &link).expect("link");
        assert!(matches!(check(&exec(&link)), Err(Insecure::Writable(path)) if path == script));
        let shell_line =
            Program::Shell { shell: "sh".into(), line: format!("if {} ; then true; fi", script.display()) };
        assert!(matches!(check(&launch(shell_line)), Err(Insecure::Writable(_))));

        mode(0o755);
        chown(&script, Some(65534), None).expect("chown");
        assert!(matches!(check(&exec(&script)), Err(Insecure::Owner(path)) if path == script));
        let nobody = Identity::resolve("nobody", None).expect("nobody exists");
        check(&Launch { identity: nobody, ..exec(&script) }).expect("not root's business");
        check(&Launch { secure: false, ..exec(&script) }).expect("not asked for");
    }
}
