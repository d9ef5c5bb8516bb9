//! `vipward nginx-check`: would nginx take this file, standing where it shall stand?

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::Installation;
use super::binary::{Binary, BinaryError};
use super::copy::Copy;
use super::tree::{self, Substitute, TreeError};
use crate::check::launch::{Identity, Launch, Program};
use crate::check::process::{self, Exit};
use crate::cli::NginxCheck;

/// How long `nginx -t` may take; it may have to ask a name server.
pub const TIMEOUT: Duration = Duration::from_mins(1);

/// Why the file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// No nginx to ask.
    #[error(transparent)]
    Binary(#[from] BinaryError),
    /// The rest of the configuration cannot be read.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The new file cannot be read.
    #[error("cannot read {path}: {1}", path = .0.display())]
    Source(PathBuf, #[source] std::io::Error),
    /// Nothing includes it: nginx would never see it, and so a check of it would mean nothing.
    #[error(
        "{dest} is not part of {conf}: no include reaches it, so nginx would never read it",
        dest = .0.display(), conf = .1.display()
    )]
    NotReached(PathBuf, PathBuf),
    /// The copy could not be made.
    #[error("cannot copy the configuration to a private folder: {0}")]
    Copy(#[source] std::io::Error),
    /// nginx says no.
    #[error("nginx refuses {dest}: {1}", dest = .0.display())]
    Refused(PathBuf, String),
    /// It could not be asked, or did not answer.
    #[error("nginx -t: {0}: {1}")]
    Run(Exit, String),
}

/// Checks the file `src` as if it stood at `dest`, in the configuration of `installation`.
pub async fn check(
    src: &Path,
    dest: &Path,
    installation: &Installation,
    cancel: &mut watch::Receiver<bool>,
) -> Result<(), CheckError> {
    let binary = Binary::find()?;
    let conf = installation.conf(&binary);
    let copy = copy(src, dest, &conf)?;
    let mut argv = vec![binary.path.display().to_string(), "-t".to_owned()];
    if binary.takes_error_log {
        // Or it would open the log that is built in before it has read that there is another one.
        argv.extend(["-e".to_owned(), "stderr".to_owned()]);
    }
    argv.extend(["-p".to_owned(), installation.prefix(&binary).display().to_string()]);
    argv.extend(["-c".to_owned(), copy.main.display().to_string()]);
    let launch = Launch { program: Program::Exec(argv), identity: Identity::own(), secure: false };
    let finished = process::run(&launch, &[], TIMEOUT, cancel).await;
    let said = copy.translate(&finished.output);
    match finished.exit {
        Exit::Status(0) => Ok(()),
        Exit::Status(_) => Err(CheckError::Refused(dest.to_owned(), said)),
        exit => Err(CheckError::Run(exit, said)),
    }
}

/// `vipward nginx-check`: says on stderr what nginx says. Gives the exit status.
pub fn command(options: &NginxCheck) -> io::Result<u8> {
    let conf = options.conf.as_ref().map(std::path::absolute).transpose()?;
    let installation = Installation { conf, prefix: options.prefix.clone() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let checked = runtime.block_on(async {
        let (stop, mut cancel) = watch::channel(false);
        let mut terminate = signal(SignalKind::terminate())?;
        // Whoever gives up on us must not leave the private folder behind.
        tokio::spawn(async move {
            terminate.recv().await;
            let _ = stop.send(true);
        });
        io::Result::Ok(check(&options.src, &options.dest, &installation, &mut cancel).await)
    })?;
    Ok(match checked {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("vipward nginx-check: {error}");
            1
        }
    })
}

fn copy(src: &Path, dest: &Path, conf: &Path) -> Result<Copy, CheckError> {
    let content = tree::contents(src).map_err(|error| CheckError::Source(src.to_owned(), error))?;
    let dest = std::path::absolute(dest).map_err(|error| CheckError::Source(dest.to_owned(), error))?;
    let tree = tree::read(conf, Some(&Substitute { dest: dest.clone(), content }))?;
    if !tree.reached {
        return Err(CheckError::NotReached(dest, conf.to_owned()));
    }
    Copy::of(&tree).map_err(CheckError::Copy)
}
