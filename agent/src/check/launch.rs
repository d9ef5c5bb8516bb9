//! What a script is: the program, and the user that it runs as.

use std::ffi::{CString, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Group, Uid, User};

/// The user that scripts run as when the configuration names none, if it exists (keepalived's rule).
pub const DEFAULT_USER: &str = "keepalived_script";

/// How a command is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// Directly: the program, searched for in [`super::process::PATH`] unless it has a slash, and its arguments.
    Exec(Vec<String>),
    /// By a shell: `SHELL -c LINE`.
    Shell {
        /// Name or path of the shell.
        shell: String,
        /// The line for it.
        line: String,
    },
}

impl Program {
    /// The words to execute, with `extra` arguments appended.
    ///
    /// A shell line gets them as `$1`, `$2`, …; a line that is a single command, redirected or not, also gets
    /// them behind its own arguments, where a program that is started directly finds them.
    pub fn argv(&self, extra: &[String]) -> Vec<String> {
        match self {
            Program::Exec(words) => words.iter().chain(extra).cloned().collect(),
            Program::Shell { shell, line } => {
                let line = if extra.is_empty() || !is_single_command(line) {
                    line.clone()
                } else {
                    format!("{line} \"$@\"")
                };
                let mut argv = vec![shell.clone(), "-c".to_owned(), line, shell.clone()];
                argv.extend_from_slice(extra);
                argv
            }
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Program::Exec(words) => f.write_str(&words.join(" ")),
            Program::Shell { line, .. } => f.write_str(line),
        }
    }
}

/// Whether `line` is one command, so that words at its end become arguments of that command.
fn is_single_command(line: &str) -> bool {
    let redirections_gone = line.replace(">&", "").replace("&>", "").replace("<&", "");
    let starts_compound = ["if", "for", "while", "until", "case", "[["]
        .iter()
        .any(|word| line.split_whitespace().next() == Some(*word));
    !starts_compound && !redirections_gone.contains([';', '|', '&', '\n', '#', '(', '{'])
}

/// Whom a script runs as, resolved: looking names up in the child would not be safe after a fork.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// User.
    pub uid: Uid,
    /// Primary group.
    pub gid: Gid,
    /// Supplementary groups.
    pub groups: Vec<Gid>,
    /// User name, for `USER` and `LOGNAME`; the number where it has none.
    pub name: String,
    /// Home directory, for `HOME`.
    pub home: PathBuf,
}

/// Why a script cannot run as the user that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// No such user.
    #[error("there is no user `{}`", .0.escape_debug())]
    NoUser(String),
    /// No such group.
    #[error("there is no group `{}`", .0.escape_debug())]
    NoGroup(String),
    /// `enable_script_security` demands a user for scripts, and none was given.
    #[error(
        "enable_script_security needs a user for scripts: create `{DEFAULT_USER}`, or set `script_user` in \
         global_defs"
    )]
    NoDefaultUser,
    /// The user database could not be read.
    #[error("cannot look up `{name}`: {1}", name = .0.escape_debug())]
    Lookup(String, nix::Error),
}

impl Identity {
    /// Whoever the agent itself runs as.
    pub fn own() -> Identity {
        let (uid, gid) = (Uid::effective(), Gid::effective());
        match User::from_uid(uid) {
            Ok(Some(user)) if user.gid == gid => Identity::of(&user, gid),
            _ => Identity { uid, gid, groups: vec![gid], name: uid.to_string(), home: PathBuf::from("/") },
        }
    }

    /// The user `user`, by name or number, in `group` or in its own.
    pub fn resolve(user: &str, group: Option<&str>) -> Result<Identity, IdentityError> {
        let lookup = |error| IdentityError::Lookup(user.to_owned(), error);
        let mut found = User::from_name(user).map_err(lookup)?;
        if let (None, Ok(number)) = (&found, user.parse()) {
            found = User::from_uid(Uid::from_raw(number)).map_err(lookup)?;
        }
        let found = found.ok_or_else(|| IdentityError::NoUser(user.to_owned()))?;
        let gid = match group {
            None => found.gid,
            Some(name) => resolve_group(name)?,
        };
        Ok(Identity::of(&found, gid))
    }

    /// Whom scripts without a user of their own run as: `script_user` if it is set, else [`DEFAULT_USER`] if it
    /// exists, else whoever runs the agent. With `security` (`enable_script_security`) that last step is an
    /// error, as in keepalived.
    pub fn default_for_scripts(
        script_user: Option<(&str, Option<&str>)>,
        security: bool,
    ) -> Result<Identity, IdentityError> {
        if let Some((user, group)) = script_user {
            return Identity::resolve(user, group);
        }
        match Identity::resolve(DEFAULT_USER, None) {
            Err(IdentityError::NoUser(_)) if security => Err(IdentityError::NoDefaultUser),
            Err(IdentityError::NoUser(_)) => Ok(Identity::own()),
            found => found,
        }
    }

    /// Whether scripts of this identity hold root's rights by user or group.
    pub fn is_root(&self) -> bool {
        self.uid.is_root() || self.gid.as_raw() == 0
    }

    fn of(user: &User, gid: Gid) -> Identity {
        // The list may be longer than the system allows, or the database out of reach: the primary group alone
        // is the least that is right.
        let groups = CString::new(user.name.as_str())
            .ok()
            .and_then(|name| nix::unistd::getgrouplist(&name, gid).ok())
            .unwrap_or_else(|| vec![gid]);
        Identity { uid: user.uid, gid, groups, name: user.name.clone(), home: user.dir.clone() }
    }
}

fn resolve_group(name: &str) -> Result<Gid, IdentityError> {
    let found = Group::from_name(name).map_err(|error| IdentityError::Lookup(name.to_owned(), error))?;
    match (found, name.parse()) {
        (Some(group), _) => Ok(group.gid),
        (None, Ok(number)) => Ok(Gid::from_raw(number)),
        (None, Err(_)) => Err(IdentityError::NoGroup(name.to_owned())),
    }
}

/// A program, whom it runs as, and whether it must be safe from others' hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// What to run.
    pub program: Program,
    /// Whom it runs as.
    pub identity: Identity,
    /// `enable_script_security`: refuse to run it with root's rights if anybody else could have changed it.
    pub secure: bool,
}

/// The environment of a script: the agent's own, less what could change the meaning of the script or speaks to
/// the agent alone, with a fixed search path and the user's own `HOME`, `USER` and `LOGNAME`.
pub(super) fn environment(
    identity: &Identity,
    path: &str,
    inherited: impl IntoIterator<Item = (OsString, OsString)>,
) -> Vec<(OsString, OsString)> {
    let own = ["PATH", "HOME", "USER", "LOGNAME"];
    let loaders = ["IFS", "BASH_ENV", "ENV", "SHELLOPTS", "BASHOPTS", "PS4", "CDPATH"];
    let systemd =
        ["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"];
    let dropped = |name: &str| {
        own.contains(&name)
            || loaders.contains(&name)
            || systemd.contains(&name)
            || name.starts_with("LD_")
            || name.starts_with("BASH_FUNC_")
    };
    let mut environment: Vec<(OsString, OsString)> =
        inherited.into_iter().filter(|(name, _)| !dropped(&name.to_string_lossy())).collect();
    environment.push(("PATH".into(), path.into()));
    environment.push(("HOME".into(), Path::as_os_str(&identity.home).to_owned()));
    environment.push(("USER".into(), identity.name.clone().into()));
    environment.push(("LOGNAME".into(), identity.name.clone().into()));
    environment
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(line: &str) -> Program {
        Program::Shell { shell: "sh".into(), line: line.into() }
    }

    #[test]
    fn extra_arguments_reach_direct_commands_and_single_shell_commands() {
        let extra = ["INSTANCE".to_owned(), "VI 1".to_owned()];
        let exec = Program::Exec(vec!["/bin/x".into(), "a".into()]);
        assert_eq!(exec.argv(&extra), ["/bin/x", "a", "INSTANCE", "VI 1"]);
        assert_eq!(
            shell("/bin/x >/tmp/log 2>&1").argv(&extra),
            ["sh", "-c", "/bin/x >/tmp/log 2>&1 \"$@\"", "sh", "INSTANCE", "VI 1"]
        );
        for compound in
            ["a | logger", "if true; then a; fi", "a && b", "a &", "a # why", "{ a; }", "[[ -f $1 ]]"]
        {
            assert_eq!(
                shell(compound).argv(&extra),
                ["sh", "-c", compound, "sh", "INSTANCE", "VI 1"],
                "{compound}"
            );
        }
        assert_eq!(shell("a").argv(&[]), ["sh", "-c", "a", "sh"]);
    }

    #[test]
    fn users_are_found_by_name_and_number() {
        let nobody = Identity::resolve("nobody", None).expect("every system has nobody");
        assert!(!nobody.is_root());
        let by_number = Identity::resolve(&nobody.uid.to_string(), Some("0")).expect("by number");
        assert_eq!(by_number.uid, nobody.uid);
        assert!(by_number.is_root(), "group root is root's right too");
        let missing = Identity::resolve("no-such-user", None).expect_err("no such user");
        assert_eq!(missing.to_string(), "there is no user `no-such-user`");
        assert!(matches!(Identity::resolve("nobody", Some("no-such-group")), Err(IdentityError::NoGroup(_))));
    }

    #[test]
    fn the_default_user_follows_keepalived() {
        let chosen = Identity::default_for_scripts(Some(("nobody", None)), true).expect("nobody");
        assert_eq!(chosen.name, "nobody");
        // What holds without `script_user` depends on whether this machine has keepalived's user.
        let exists = Identity::resolve(DEFAULT_USER, None).is_ok();
        let relaxed = Identity::default_for_scripts(None, false).expect("falls back to the agent's own user");
        assert_eq!(relaxed.name == DEFAULT_USER, exists);
        assert_eq!(Identity::default_for_scripts(None, true).is_ok(), exists);
    }

    #[test]
    fn the_environment_cannot_change_what_a_script_means() {
        let identity = Identity { name: "u".into(), home: "/home/u".into(), ..Identity::own() };
        let inherited =
            [("LD_PRELOAD", "x"), ("IFS", "x"), ("BASH_FUNC_a%%", "x"), ("PATH", "/evil"), ("LANG", "C")];
        let environment =
            environment(&identity, "/bin", inherited.map(|(name, value)| (name.into(), value.into())));
        let expected =
            [("LANG", "C"), ("PATH", "/bin"), ("HOME", "/home/u"), ("USER", "u"), ("LOGNAME", "u")];
        assert_eq!(environment, expected.map(|(name, value)| (name.into(), value.into())));
    }
}
