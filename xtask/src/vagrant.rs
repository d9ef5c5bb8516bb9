//! `cargo xtask vagrant-test`: the two-node demonstration in virtual machines, with every result checked.

mod results;
mod summary;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::{programs, say, workspace};
use results::Results;

/// A command that brings machines up in its own way: it is given a folder with a Vagrantfile, the name of the box, and a
/// command to run in that folder or a copy of it; it removes the machines and exits as the command did.
const WRAPPER_VARIABLE: &str = "VAGRANT_UP";
/// The box that the Vagrantfile names.
const BOX: &str = "debian/trixie64";

/// What to run.
#[derive(Args)]
pub(crate) struct Options {
    /// Scenes of `vagrant/demo.sh --list`, instead of all.
    scenes: Vec<String>,
    /// A finished binary for the package, in place of a release build.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Also write the results to this file, as docs/vagrant.md has them.
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
}

/// Runs the verb.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let folder = workspace::root().join("vagrant");
    let expected = steps(&folder, &options.scenes)?;
    let mut build = Command::new(folder.join("build.sh"));
    if let Some(binary) = &options.binary {
        build.arg("--binary").arg(std::path::absolute(binary)?);
    }
    say::line("package", programs::shown(&build));
    programs::run(&mut build)?;

    let mut demo = vec!["./demo.sh".to_owned(), "--report".to_owned()];
    demo.extend(options.scenes.iter().cloned());
    let (text, succeeded) = match env::var_os(WRAPPER_VARIABLE) {
        Some(wrapper) => {
            let wrapper = wrapper.into_string().ok().context("VAGRANT_UP is not UTF-8")?;
            let mut words = wrapper.split_whitespace();
            let mut up =
                Command::new(words.next().context("VAGRANT_UP is empty: name a command, or unset it")?);
            up.args(words).arg(&folder).arg(BOX).args(&demo);
            shown_and_kept(&mut up)?
        }
        None => with_vagrant(&folder, &demo)?,
    };
    let results = Results::read(&text)?;
    if let Some(path) = &options.summary {
        fs::write(path, summary::markdown(&results))
            .with_context(|| format!("cannot write {}", path.display()))?;
        say::line("summary", path.display());
    }
    let mut wrong = results.wrong(&expected);
    if !succeeded {
        wrong.push("the demonstration, or what brought the machines up, failed".to_owned());
    }
    for line in &wrong {
        say::line("vagrant", line);
    }
    if wrong.is_empty() {
        say::line("vagrant", format_args!("{} results, each as it should be", results.count()));
    }
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The steps that must have results.
fn steps(folder: &Path, scenes: &[String]) -> Result<BTreeSet<String>> {
    let listed =
        programs::ask(folder.join("demo.sh"), &["--list"]).context("vagrant/demo.sh --list fails")?;
    let all: Vec<(&str, &str)> = listed.lines().filter_map(|line| line.split_once(' ')).collect();
    for scene in scenes {
        ensure!(
            all.iter().any(|(name, _)| name == scene),
            "there is no scene {scene}; vagrant/demo.sh --list shows them"
        );
    }
    let chosen =
        all.into_iter().filter(|(name, _)| scenes.is_empty() || scenes.iter().any(|scene| scene == name));
    Ok(chosen.map(|(_, step)| step.to_owned()).collect())
}

/// Machines of this host's own vagrant, which are removed if it was us who brought them up.
fn with_vagrant(folder: &Path, demo: &[String]) -> Result<(String, bool)> {
    if programs::find("vagrant").is_none() {
        bail!(
            "there is no vagrant: install it, or name a command in VAGRANT_UP that brings machines up (vagrant/README.md)"
        );
    }
    let vagrant = |words: &[&str]| {
        let mut vagrant = Command::new("vagrant");
        vagrant.args(words).current_dir(folder);
        vagrant
    };
    programs::run(&mut vagrant(&["up"]))?;
    let (program, arguments) = demo.split_first().context("a command")?;
    let shown = shown_and_kept(Command::new(folder.join(program)).args(arguments).current_dir(folder));
    programs::run(&mut vagrant(&["destroy", "--force"]))?;
    shown
}

/// Runs a command whose output the user sees while it comes; that output, and whether it succeeded.
fn shown_and_kept(command: &mut Command) -> Result<(String, bool)> {
    let line = programs::shown(command);
    say::line("run", &line);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run `{line}`"))?;
    let mut kept = String::new();
    if let Some(output) = child.stdout.take() {
        let mut output = BufReader::new(output);
        let mut bytes = Vec::new();
        // Bytes, for a console may write anything.
        while output.read_until(b'\n', &mut bytes)? > 0 {
            let text = String::from_utf8_lossy(&bytes);
            if !results::is_for_programs(&text) {
                print!("{text}");
            }
            kept.push_str(&text);
            bytes.clear();
        }
    }
    Ok((kept, child.wait()?.success()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vagrantfile_names_the_box() {
        let text = include_str!("../../vagrant/Vagrantfile");
        assert!(text.contains(&format!("\"{BOX}\"")));
    }

    #[test]
    fn scenes_have_steps() {
        let folder = workspace::root().join("vagrant");
        let all = steps(&folder, &[]).unwrap();
        let one = steps(&folder, &["machine".to_owned()]).unwrap();
        assert!(one.contains("halt") && !one.contains("drain"), "{one:?}");
        assert!(all.contains("drain") && all.is_superset(&one), "{all:?}");
        assert!(steps(&folder, &["nonsense".to_owned()]).is_err());
    }

    #[test]
    fn a_failure_is_seen_and_output_kept() {
        let (kept, succeeded) =
            shown_and_kept(Command::new("sh").args(["-c", "printf 'margin\\t5\\n'; exit 3"])).unwrap();
        assert_eq!((kept.as_str(), succeeded), ("margin\t5\n", false));
    }
}
