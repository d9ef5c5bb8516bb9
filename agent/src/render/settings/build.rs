//! The layers to one [`Settings`].

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::flags::{self, Invocation};
use super::layer::{Layer, environment};
use super::options::find;
use super::{Credentials, DEFAULT_CONFDIR, DEFAULT_INTERVAL, Schedule, Settings, SettingsError, Tls, file};
use crate::cli::{DEFAULT_RUN_DIR, RenderOptions};
use crate::render::apply;
use crate::render::resource::{PrefixRule, Wait};
use crate::render::store::{Backend, Secret};

/// The settings of `vipward confd`, from confd's command line, the environment and `confd.toml`.
pub fn for_confd(
    arguments: impl IntoIterator<Item = String>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Invocation<Settings>, SettingsError> {
    let flags = match flags::parse(arguments)? {
        Invocation::Run(flags, _) => flags,
        Invocation::Version => return Ok(Invocation::Version),
        Invocation::Help => return Ok(Invocation::Help),
    };
    let above = flags.over(environment(&variable));
    let (layer, warnings) = with_file(above)?;
    let mut settings = settings(&layer, &variable, Schedule::Every(DEFAULT_INTERVAL))?;
    settings.prefix_rule = PrefixRule::Replace;
    Ok(Invocation::Run(settings, warnings))
}

/// The settings of the rendering half of `vipward run`, if it is asked for, with warnings.
pub fn for_run(
    options: &RenderOptions,
    run_dir: &Path,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<(Settings, Vec<String>)>, SettingsError> {
    if options.confdir.is_none() && options.backend.is_none() {
        return Ok(None);
    }
    let (layer, warnings) = with_file(of_options(options))?;
    let mut settings = settings(&layer, &variable, Schedule::Watch)?;
    run_dir.clone_into(&mut settings.run_dir);
    if settings.schedule == Schedule::Once {
        // An agent that renders once would be a master without anybody to keep its files.
        settings.schedule = Schedule::Watch;
    }
    Ok(Some((settings, warnings)))
}

/// clap has put the command line over the environment already.
fn of_options(options: &RenderOptions) -> Layer {
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let on = |on: bool| on.then(|| "true".to_owned());
    let single = [
        ("confdir", path(&options.confdir)),
        ("config-file", path(&options.config_file)),
        ("backend", options.backend.clone()),
        ("prefix", options.prefix.clone()),
        ("interval", options.interval.map(|seconds| seconds.to_string())),
        ("wait", options.wait.clone()),
        ("scheme", options.scheme.clone()),
        ("srv-domain", options.srv_domain.clone()),
        ("srv-record", options.srv_record.clone()),
        ("username", options.username.clone()),
        ("password", options.password.clone()),
        ("basic-auth", on(options.basic_auth)),
        ("auth-token", options.auth_token.clone()),
        ("client-ca-keys", path(&options.client_ca_keys)),
        ("client-cert", path(&options.client_cert)),
        ("client-key", path(&options.client_key)),
        ("separator", options.separator.clone()),
        ("filter", options.filter.clone()),
        ("noop", on(options.noop)),
        ("sync-only", on(options.sync_only)),
        ("keep-stage-file", on(options.keep_stage_file)),
    ];
    let mut layer = Layer::default();
    let single = single.into_iter().filter_map(|(name, text)| Some((name, text?)));
    let nodes = options.node.iter().map(|node| ("node", node.clone()));
    let files = options.store_file.iter().map(|file| ("file", file.clone()));
    for (name, text) in single.chain(nodes).chain(files) {
        if let Some(option) = find(name) {
            layer.add(option, text, format!("--{name}"));
        }
    }
    layer
}

/// The text that `-help` prints.
pub fn help() -> String {
    flags::help()
}

/// `above`, over what the file says that it names. Without a name, there need not be a file.
fn with_file(above: Layer) -> Result<(Layer, Vec<String>), SettingsError> {
    let confdir = above.text("confdir").unwrap_or_else(|| DEFAULT_CONFDIR.to_owned());
    let named = above.text("config-file").map(PathBuf::from);
    let path = named.clone().unwrap_or_else(|| Path::new(&confdir).join("confd.toml"));
    if named.is_none() && !path.exists() {
        return Ok((above, Vec::new()));
    }
    let (below, warnings) = file::read(&path)?;
    Ok((above.over(below), warnings))
}

fn settings(
    layer: &Layer,
    variable: &impl Fn(&str) -> Option<String>,
    default_schedule: Schedule,
) -> Result<Settings, SettingsError> {
    let files: Vec<PathBuf> = layer.list("file").into_iter().map(PathBuf::from).collect();
    let backend = layer.parsed("backend", str::parse)?.unwrap_or(Backend::Etcd);
    if let (Backend::File, true, Some(given)) = (backend, files.is_empty(), layer.get("backend")) {
        return Err(given.error("the file store needs -file with a file or a folder"));
    }
    let srv_record = srv_record(layer, backend);
    let mut nodes = layer.list("node");
    if nodes.is_empty() && srv_record.is_none() {
        let peers = variable("ETCDCTL_PEERS").filter(|_| backend.is_etcd()).unwrap_or_default();
        nodes = peers.split(',').map(str::trim).filter(|node| !node.is_empty()).map(str::to_owned).collect();
        if nodes.is_empty() {
            nodes = backend.default_node().map(str::to_owned).into_iter().collect();
        }
    }
    let path = |name| layer.text(name).map(PathBuf::from);
    if let (Some(given), true) = (layer.get("client-insecure"), layer.is_on("client-insecure")?) {
        return Err(given.error("vipward trusts no unknown certificate: name its CA with -client-ca-keys"));
    }
    let tls = Tls { ca: path("client-ca-keys"), cert: path("client-cert"), key: path("client-key") };
    if let (Some(given), true) = (layer.get("client-cert"), tls.key.is_none()) {
        return Err(given.error("a certificate needs its key: give -client-key as well"));
    }
    let scheme = layer.parsed("scheme", |text| match text {
        "http" | "https" => Ok(text.to_owned()),
        _ => Err("write http or https".to_owned()),
    })?;
    let password = layer.text("password").unwrap_or_default();
    let credentials = layer
        .text("username")
        .map(|username| Credentials { username, password: Secret::from(password.clone()) })
        // redis knows passwords without users.
        .or_else(|| {
            (!password.is_empty())
                .then(|| Credentials { username: String::new(), password: Secret::from(password) })
        });
    Ok(Settings {
        confdir: path("confdir").unwrap_or_else(|| DEFAULT_CONFDIR.into()),
        backend,
        nodes,
        srv_record,
        scheme,
        credentials,
        basic_auth: layer.is_on("basic-auth")?,
        auth_token: layer.text("auth-token").map(Secret::from),
        tls,
        separator: layer.text("separator").unwrap_or_else(|| "/".to_owned()),
        files,
        filter: layer.text("filter").unwrap_or_else(|| "*".to_owned()),
        prefix: layer.text("prefix").unwrap_or_default(),
        prefix_rule: PrefixRule::Join,
        schedule: schedule(layer, default_schedule)?,
        apply: apply::Options {
            noop: layer.is_on("noop")?,
            sync_only: layer.is_on("sync-only")?,
            keep_stage_file: layer.is_on("keep-stage-file")?,
        },
        log_level: layer.parsed("log-level", level)?,
        wait: layer.parsed("wait", str::parse)?.unwrap_or_else(Wait::default),
        run_dir: path("run-dir").unwrap_or_else(|| DEFAULT_RUN_DIR.into()),
    })
}

fn schedule(layer: &Layer, default: Schedule) -> Result<Schedule, SettingsError> {
    let interval = layer.parsed("interval", |text| match text.parse::<u32>() {
        Ok(seconds @ 1..) => Ok(Duration::from_secs(seconds.into())),
        _ => Err("write a number of seconds, at least 1".to_owned()),
    })?;
    Ok(if layer.is_on("onetime")? {
        Schedule::Once
    } else if layer.is_on("watch")? {
        Schedule::Watch
    } else {
        interval.map_or(default, Schedule::Every)
    })
}

/// The name to look up: as given, or made of the store's name and the domain, as confd makes it.
fn srv_record(layer: &Layer, backend: Backend) -> Option<String> {
    let made = |domain| match backend {
        Backend::Etcd | Backend::EtcdV2 | Backend::EtcdV3 => format!("_etcd._tcp.{domain}."),
        other => format!("_{}._tcp.{domain}.", other.name()),
    };
    layer.text("srv-record").or_else(|| layer.text("srv-domain").map(made))
}

/// confd says `warning` and `panic` where others say `warn` and `error`.
fn level(text: &str) -> Result<tracing::Level, String> {
    match text.to_lowercase().as_str() {
        "warning" => Ok(tracing::Level::WARN),
        "panic" | "fatal" => Ok(tracing::Level::ERROR),
        other => other.parse().map_err(|_| "write error, warn, info, debug or trace".to_owned()),
    }
}
