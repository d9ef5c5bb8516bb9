//! A confd directory of one's own, and the processes that render from it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use vipward::control::status::StatusSnapshot;
use vipward::render::engine::{ResourceReport, State};
use vipward_tests::lab::{vipward::binary, wait};
use vipward_tests::servers::Daemon;

/// How long anything may take on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

/// Prints every key below `/k` with its value.
pub(crate) const ALL: &str = "{{range gets \"/k/*\"}}{{.Key}}={{.Value}}\n{{end}}";

pub(crate) struct Site {
    dir: tempfile::TempDir,
}

impl Site {
    pub(crate) fn new() -> Site {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["conf.d", "templates", "out"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        Site { dir }
    }

    /// With one resource `a`, which prints all below `/k`, and more lines for it.
    pub(crate) fn with(more: &str) -> Site {
        let site = Site::new();
        site.resource("a", ALL, "/k", more);
        site
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn name(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// A resource `NAME.toml` with a template of its own, rendered to `out/NAME`.
    pub(crate) fn resource(&self, name: &str, template: &str, key: &str, more: &str) {
        fs::write(self.path("templates").join(format!("{name}.tmpl")), template).unwrap();
        let dest = self.name(&format!("out/{name}"));
        let text = format!("[template]\nsrc='{name}.tmpl'\ndest='{dest}'\nkeys=['{key}']\n{more}\n");
        fs::write(self.path("conf.d").join(format!("{name}.toml")), text).unwrap();
    }

    /// What is rendered, or nothing.
    pub(crate) fn out(&self, name: &str) -> String {
        fs::read_to_string(self.path("out").join(name)).unwrap_or_default()
    }

    pub(crate) fn shows(&self, name: &str, text: &str) {
        until(&format!("{name} to show {text:?}"), || self.out(name).contains(text));
    }

    /// Lines of a file that commands write to.
    pub(crate) fn lines(&self, name: &str) -> usize {
        fs::read_to_string(self.path(name)).unwrap_or_default().lines().count()
    }

    /// `vipward confd` with these flags, which ends by itself.
    pub(crate) fn confd(&self, flags: &[&str]) -> Output {
        let mut command = Command::new(binary().unwrap());
        command.arg("confd").args(self.flags()).args(flags);
        command.output().unwrap()
    }

    fn flags(&self) -> [String; 4] {
        ["-confdir".to_owned(), self.name(""), "-run-dir".to_owned(), self.name("run")]
    }

    /// `vipward confd` with these flags, which goes on.
    pub(crate) fn confd_on(&self, flags: &[&str]) -> Daemon {
        let words = ["confd".to_owned()].into_iter().chain(self.flags());
        start(words.chain(flags.iter().map(ToString::to_string)).collect())
    }

    /// `vipward run` on this directory.
    pub(crate) fn agent(&self, backend: &str, nodes: &[String]) -> Agent {
        let mut words: Vec<String> =
            ["run", "--confdir", &self.name(""), "--run-dir", &self.name("run")].map(str::to_owned).to_vec();
        words.extend(["--backend".to_owned(), backend.to_owned()]);
        words.extend(nodes.iter().flat_map(|node| ["--node".to_owned(), node.clone()]));
        Agent { process: start(words), run_dir: self.path("run") }
    }
}

fn start(arguments: Vec<String>) -> Daemon {
    let mut process = Daemon::new(binary().unwrap()).unwrap();
    process.set_arguments(arguments);
    process.start(|| true).unwrap();
    process
}

/// A running agent that only renders.
pub(crate) struct Agent {
    pub(crate) process: Daemon,
    run_dir: PathBuf,
}

impl Agent {
    /// `vipward VERB` with its run directory.
    pub(crate) fn ask(&self, words: &[&str]) -> Output {
        let mut command = Command::new(binary().unwrap());
        command.args(words).arg("--run-dir").arg(&self.run_dir).output().unwrap()
    }

    pub(crate) fn status(&self) -> Option<StatusSnapshot> {
        let output = self.ask(&["status", "--json"]);
        output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
    }

    pub(crate) fn resource(&self, name: &str) -> Option<ResourceReport> {
        let file = format!("{name}.toml");
        self.status()?.resources.into_iter().find(|resource| resource.name == file)
    }

    /// Waits until a resource is reported so.
    pub(crate) fn reports(&self, name: &str, what: &str, is: impl Fn(&ResourceReport) -> bool) {
        let mut last = None;
        let waited = wait::until(what, LIMIT, || {
            last = self.resource(name);
            last.as_ref().is_some_and(&is)
        });
        assert!(waited.is_ok(), "{}: {last:?}", waited.unwrap_err());
    }

    pub(crate) fn is(&self, name: &str, state: State) {
        self.reports(name, &format!("{name} to be {state:?}"), |report| report.state == state);
    }

    /// Lines of the log that have this in them.
    pub(crate) fn logged(&self, what: &str) -> Vec<String> {
        self.process.log().lines().filter(|line| line.contains(what)).map(str::to_owned).collect()
    }

    /// CPU time so far.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.pid().unwrap())).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let ticks = fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap());
        Duration::from_millis(ticks.sum::<u64>() * 10)
    }
}

pub(crate) fn until(what: &str, condition: impl FnMut() -> bool) {
    wait::until(what, LIMIT, condition).unwrap();
}

/// What a command printed, both streams.
pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned()
}
