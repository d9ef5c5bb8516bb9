//! What an nginx binary was built with: `nginx -V`.

use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::check::process::PATH;
use crate::check::secure;

/// The first version that takes `-e`.
const ERROR_LOG_OPTION: [u32; 3] = [1, 19, 5];

/// An nginx binary and its built-in places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binary {
    /// The binary itself.
    pub path: PathBuf,
    /// `--prefix`.
    pub prefix: PathBuf,
    /// `--conf-path`.
    pub conf: PathBuf,
    /// `--pid-path`.
    pub pid: PathBuf,
    /// `--error-log-path`.
    pub error_log: PathBuf,
    /// Whether it takes `-e`.
    pub(super) takes_error_log: bool,
}

/// Why there is no binary.
#[derive(Debug, thiserror::Error)]
pub enum BinaryError {
    /// Not installed, or not where services are.
    #[error("there is no nginx in {PATH}")]
    None,
    /// It does not run.
    #[error("cannot run {path}: {1}", path = .0.display())]
    Run(PathBuf, #[source] io::Error),
}

impl Binary {
    /// The one that services have. Waits for it to say how it was built.
    pub fn find() -> Result<Binary, BinaryError> {
        let path = secure::find("nginx").ok_or(BinaryError::None)?;
        let output = Command::new(&path).arg("-V").stdin(Stdio::null()).output();
        let output = output.map_err(|error| BinaryError::Run(path.clone(), error))?;
        let mut text = String::from_utf8_lossy(&output.stderr).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stdout));
        Ok(Binary::described(path, &text))
    }

    fn described(path: PathBuf, text: &str) -> Binary {
        let of = |name: &str| {
            text.split_whitespace()
                .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
                .map(PathBuf::from)
        };
        let prefix = of("--prefix").unwrap_or_else(|| "/usr/local/nginx".into());
        let under = |name: &str, default: &str| prefix.join(of(name).unwrap_or_else(|| default.into()));
        Binary {
            conf: under("--conf-path", "conf/nginx.conf"),
            pid: under("--pid-path", "logs/nginx.pid"),
            error_log: under("--error-log-path", "logs/error.log"),
            takes_error_log: version(text).is_some_and(|version| version >= ERROR_LOG_OPTION),
            prefix,
            path,
        }
    }
}

fn version(text: &str) -> Option<[u32; 3]> {
    let (_, after) = text.split_once("version: ")?;
    let (_, number) = after.split_whitespace().next()?.split_once('/')?;
    let mut parts = number.split('.').map(str::parse);
    Some([parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_places_are_read() {
        let text = "nginx version: nginx/1.22.1\nconfigure arguments: --with-cc-opt='-g -O2' --prefix=/usr/share/nginx \
                    --conf-path=/etc/nginx/nginx.conf --pid-path=run/nginx.pid\n";
        let binary = Binary::described("/n".into(), text);
        assert_eq!(binary.conf, PathBuf::from("/etc/nginx/nginx.conf"));
        assert_eq!(binary.pid, PathBuf::from("/usr/share/nginx/run/nginx.pid"));
        assert_eq!(binary.error_log, PathBuf::from("/usr/share/nginx/logs/error.log"));
        assert!(binary.takes_error_log);
        assert_eq!(version("nginx version: nginx/1.9.11 (Ubuntu)"), Some([1, 9, 11]));
        assert!(!Binary::described("/n".into(), "openresty").takes_error_log);
    }
}
