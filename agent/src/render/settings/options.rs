//! The table of all options: their flag, their environment variables and their key in `confd.toml`.

/// What kind of value an option has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Given or not; the flag needs no value.
    Switch,
    /// Text.
    Text,
    /// Text that may be given more than once.
    List,
    /// A whole number.
    Number,
}

/// One option.
#[derive(Debug)]
pub(super) struct OptionSpec {
    /// The flag without its dash, which also names the option everywhere here.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// The key in `confd.toml`, if it may stand there; `-` and `_` mean the same.
    pub(super) key: Option<&'static str>,
    /// Variables besides `CONFD_` and the name in capitals.
    pub(super) env: &'static [&'static str],
    /// One line of help.
    pub(super) help: &'static str,
}

const fn option(
    name: &'static str,
    kind: Kind,
    key: Option<&'static str>,
    env: &'static [&'static str],
    help: &'static str,
) -> OptionSpec {
    OptionSpec { name, kind, key, env, help }
}

/// All of them.
#[rustfmt::skip]
pub(super) const OPTIONS: [OptionSpec; 28] = [
    option("auth-token", Kind::Text, Some("auth_token"), &[], "token for the store (consul)"),
    option("backend", Kind::Text, Some("backend"), &[], "store to read: etcd, etcdv2, etcdv3, consul, redis, zookeeper, file or env"),
    option("basic-auth", Kind::Switch, Some("basic_auth"), &[], "send user and password by HTTP basic authentication"),
    option("client-ca-keys", Kind::Text, Some("client_cakeys"), &["CONFD_CLIENT_CAKEYS"], "file with the certificates to trust"),
    option("client-cert", Kind::Text, Some("client_cert"), &[], "file with our certificate"),
    option("client-key", Kind::Text, Some("client_key"), &[], "file with its key"),
    option("client-insecure", Kind::Switch, Some("client_insecure"), &[], "refused: name the CA with -client-ca-keys"),
    option("confdir", Kind::Text, Some("confdir"), &[], "folder with conf.d and templates"),
    option("config-file", Kind::Text, None, &[], "confd.toml to read"),
    option("file", Kind::List, Some("file"), &[], "file or folder of the file store; may be repeated"),
    option("filter", Kind::Text, Some("filter"), &[], "names that are read in a folder of the file store"),
    option("interval", Kind::Number, Some("interval"), &[], "seconds from one reading of the store to the next"),
    option("keep-stage-file", Kind::Switch, Some("keep_stage_file"), &[], "leave staged files where they are"),
    option("log-level", Kind::Text, Some("log_level"), &[], "error, warn, info, debug or trace"),
    option("node", Kind::List, Some("nodes"), &["CONFD_NODES"], "address of the store; may be repeated"),
    option("noop", Kind::Switch, Some("noop"), &[], "show what would change, and change nothing"),
    option("onetime", Kind::Switch, None, &[], "render once and exit: 1 if anything failed"),
    option("password", Kind::Text, Some("password"), &[], "password of the user"),
    option("prefix", Kind::Text, Some("prefix"), &[], "prefix of all keys, in place of a resource's own"),
    option("run-dir", Kind::Text, None, &["VIPWARD_RUN_DIR"], "where reloads still to be done are remembered"),
    option("scheme", Kind::Text, Some("scheme"), &[], "http or https, for nodes from SRV records"),
    option("separator", Kind::Text, Some("separator"), &[], "what separates the parts of a key (redis)"),
    option("srv-domain", Kind::Text, Some("srv_domain"), &[], "domain whose SRV records list the nodes"),
    option("srv-record", Kind::Text, Some("srv_record"), &[], "SRV record that lists the nodes"),
    option("sync-only", Kind::Switch, Some("sync_only"), &[], "write files, and run neither checks nor reloads"),
    option("username", Kind::Text, Some("username"), &[], "user of the store"),
    option("wait", Kind::Text, None, &[], "how long to wait for further changes, as in 50ms:1s"),
    option("watch", Kind::Switch, Some("watch"), &[], "render whenever the store changes"),
];

/// confd's flags and keys for stores that are not here.
pub(super) const FOREIGN: [&str; 11] = [
    "app-id",
    "auth-type",
    "user-id",
    "role-id",
    "secret-id",
    "path",
    "role",
    "table",
    "secret-keyring",
    "acm-export-private-key",
    "pprof",
];

/// The option called `name`.
pub(super) fn find(name: &str) -> Option<&'static OptionSpec> {
    OPTIONS.iter().find(|option| option.name == name)
}

impl OptionSpec {
    /// The variables that give it.
    pub(super) fn variables(&self) -> Vec<String> {
        let own = format!("CONFD_{}", self.name.to_uppercase().replace('-', "_"));
        self.env.iter().map(|name| (*name).to_owned()).chain([own]).collect()
    }
}
