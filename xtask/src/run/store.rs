//! The lab's configuration store, a file that both nodes see or an etcd on a host of its own, and what they render from it:
//! a page that says which release the store asks for.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use vipward_tests::lab::process::Process;
use vipward_tests::lab::{Host, Lab, http, wait};

/// The page that is rendered.
const PAGE: &str = "/release";
/// How long a store may take to start.
const READY: Duration = Duration::from_secs(30);
/// How long a page may take.
const LIMIT: Duration = Duration::from_millis(500);

/// In Go's syntax, as confd's users have it.
const TEMPLATE: &str = "location = /release { return 200 \"{{getv \"/release\"}}\\n\"; }\n";

/// A running store.
pub(super) enum Store {
    File(PathBuf),
    Etcd {
        host: Host,
        _process: Process,
        /// The agent's binary, which also writes keys.
        agent: PathBuf,
    },
}

impl Store {
    /// Starts one that asks for the first release.
    pub(super) fn start(lab: &Lab, etcd: bool, agent: &Path) -> Result<Store> {
        let store = if etcd { Store::etcd(lab, agent)? } else { Store::File(lab.dir().join("store.yaml")) };
        if etcd {
            wait::until("etcd to take a key", READY, || store.ask_for(1).is_ok())?;
        }
        store.ask_for(1)?;
        Ok(store)
    }

    fn etcd(lab: &Lab, agent: &Path) -> Result<Store> {
        let host = lab.host("store")?;
        let url = url(&host);
        let mut command = Command::new("etcd");
        command.arg("--data-dir").arg(host.folder().join("etcd")).args(["--log-level", "error"]);
        command.args(["--listen-client-urls", &url, "--advertise-client-urls", &url]);
        let process = host.spawn("etcd", &mut command)?;
        Ok(Store::Etcd { host, _process: process, agent: agent.to_owned() })
    }

    /// What it is, for a heading.
    pub(super) fn name(&self) -> String {
        match self {
            Store::File(path) => path.display().to_string(),
            Store::Etcd { host, .. } => format!("etcd at {}", url(host)),
        }
    }

    /// Changes the key to this number.
    pub(super) fn ask_for(&self, release: u32) -> Result<()> {
        match self {
            Store::File(path) => {
                let new = path.with_extension("new");
                fs::write(&new, format!("release: \"{release}\"\n"))?;
                Ok(fs::rename(&new, path)?)
            }
            Store::Etcd { host, agent, .. } => {
                let mut command = Command::new(agent);
                command.args(["kv", "set", PAGE, &release.to_string(), "--node", &url(host)]);
                let output = host.namespace().enter(|| command.output())?.context("cannot run vipward kv")?;
                if !output.status.success() {
                    bail!("vipward kv: {}", String::from_utf8_lossy(&output.stderr).trim());
                }
                Ok(())
            }
        }
    }

    /// What the agent on `host` is started with, with a confd directory beside it.
    pub(super) fn equip(&self, host: &Host) -> Result<Vec<String>> {
        let confd = host.folder().join("confd");
        for folder in ["conf.d", "templates"] {
            fs::create_dir_all(confd.join(folder))?;
        }
        fs::write(confd.join("templates/release.tmpl"), TEMPLATE)?;
        let folder = host.folder().display();
        let resource = format!(
            "[template]\nsrc = \"release.tmpl\"\ndest = \"{folder}/nginx.d/release.conf\"\nkeys = [\"{PAGE}\"]\n\
             create_dest_dirs = true\nreload_cmd = \"nginx -s reload -c {folder}/nginx.conf -p {folder} -e stderr\"\n"
        );
        fs::write(confd.join("conf.d/release.toml"), resource)?;
        let store = match self {
            Store::File(path) => {
                ["--backend", "file", "--store-file", &path.display().to_string()].map(str::to_owned)
            }
            Store::Etcd { host, .. } => ["--backend", "etcd", "--node", &url(host)].map(str::to_owned),
        };
        let confdir = ["--confdir".to_owned(), confd.display().to_string()];
        Ok(confdir.into_iter().chain(store).collect())
    }
}

/// The release that the nginx of `host` tells, if it tells one.
pub(super) fn release(host: &Host) -> Option<u32> {
    http::get_path(host, IpAddr::V4(host.address()), PAGE, LIMIT).ok()?.parse().ok()
}

fn url(host: &Host) -> String {
    format!("http://{}:2379", host.address())
}
