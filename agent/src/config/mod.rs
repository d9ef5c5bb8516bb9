//! keepalived.conf: from bytes to a checked model.
//!
//! * [`diagnostic`]: what there is to say, and where;
//! * `include`, `language`, `lex`: files to lines, what these expand to, and that to statements and braces;
//! * `tree`: statements to blocks;
//! * `keywords`: which keyword works where, and what is said of the others;
//! * `lower`: blocks to the [`model`], with keepalived's defaults;
//! * `check`, `advice`: what takes several blocks;
//! * `programs`, `machine`: what takes a look at this machine;
//! * [`report`]: `vipward check`.
//!
//! Everything here is bounded and linear in the size of the files and of what they expand to, and nothing panics on any input.

mod advice;
mod check;
pub mod diagnostic;
mod include;
mod keywords;
mod language;
mod lex;
mod lower;
mod machine;
pub mod model;
mod programs;
pub mod report;
#[cfg(test)]
mod tests;
mod tree;

use std::path::{Path, PathBuf};

use diagnostic::{Diagnostic, Findings};
use include::Source;
use model::Config;

/// How a configuration is read.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Lines that vipward does not act on, and on which keepalived itself would go on, are warnings and no errors.
    pub lenient: bool,
    /// Whose lines count of those that begin with `@ID`; this host's, up to the first dot of its name, if `None`.
    pub config_id: Option<String>,
}

impl Options {
    fn id(&self) -> String {
        self.config_id.clone().unwrap_or_else(|| {
            let host = nix::unistd::gethostname().unwrap_or_default();
            let host = host.to_string_lossy();
            host.split('.').next().unwrap_or_default().to_owned()
        })
    }
}

/// What came of reading a configuration.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration; `None` if there is any error.
    pub config: Option<Config>,
    /// Everything there is to say, by file, line and column.
    pub diagnostics: Vec<Diagnostic>,
    /// The files that were read, the main file first.
    pub files: Vec<PathBuf>,
}

/// Reads and checks the configuration at `path`. A file that cannot be read is an error among the diagnostics.
pub fn load(path: &Path, options: &Options) -> Loaded {
    let mut findings = Findings::new(options.lenient);
    let source = include::read(path, options.id(), &mut findings);
    finish(source, findings, false)
}

/// [`load`], and a look at this machine: whether the programs that the configuration names are there, executable, and
/// safe from others, and whether its addresses fit this machine's.
pub fn load_and_look(path: &Path, options: &Options) -> Loaded {
    let mut findings = Findings::new(options.lenient);
    let source = include::read(path, options.id(), &mut findings);
    finish(source, findings, true)
}

/// [`load`] of `text` as if it stood in the file `path`, from where includes are resolved.
pub fn load_str(path: &Path, text: &str, options: &Options) -> Loaded {
    let mut findings = Findings::new(options.lenient);
    let source = include::read_str(path, text, options.id(), &mut findings);
    finish(source, findings, false)
}

fn finish(source: Source, mut findings: Findings, look: bool) -> Loaded {
    let Source { tokens, files } = source;
    let nodes = tree::parse(tokens, &mut findings);
    let config = lower::lower(&nodes, &mut findings);
    check::check(&config, &mut findings);
    advice::give(&config, &nodes, &mut findings);
    if look {
        programs::check(&config, &mut findings);
        machine::Machine::look().check(&config, &mut findings);
    }
    Loaded {
        config: (!findings.has_errors()).then_some(config),
        diagnostics: findings.into_sorted(&files),
        files: files.iter().map(|file| file.as_ref().clone()).collect(),
    }
}
