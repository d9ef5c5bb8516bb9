//! How a store is reached: what confd's flags say.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use super::error::Error;

/// The kinds of store, under confd's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// etcd through whichever API holds the keys: v3 is preferred, v2 is used if only it has any
    #[value(name = "etcd")]
    Etcd,
    /// etcd through its v2 HTTP API
    #[value(name = "etcdv2")]
    EtcdV2,
    /// etcd through its v3 API
    #[value(name = "etcdv3")]
    EtcdV3,
    /// Consul's key-value store
    #[value(name = "consul")]
    Consul,
    /// Redis: strings, and hashes whose fields become /key/field
    #[value(name = "redis")]
    Redis,
    /// ZooKeeper
    #[value(name = "zookeeper")]
    Zookeeper,
    /// Files in YAML, JSON or TOML
    #[value(name = "file")]
    File,
    /// The environment: A_B is /a/b
    #[value(name = "env")]
    Env,
}

impl Backend {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Backend::Etcd => "etcd",
            Backend::EtcdV2 => "etcdv2",
            Backend::EtcdV3 => "etcdv3",
            Backend::Consul => "consul",
            Backend::Redis => "redis",
            Backend::Zookeeper => "zookeeper",
            Backend::File => "file",
            Backend::Env => "env",
        }
    }

    /// Where it is looked for when no node is given.
    pub(crate) fn default_node(self) -> Option<&'static str> {
        match self {
            Backend::EtcdV2 => Some("http://127.0.0.1:4001"),
            Backend::Etcd | Backend::EtcdV3 => Some("127.0.0.1:2379"),
            Backend::Consul => Some("127.0.0.1:8500"),
            Backend::Redis => Some("127.0.0.1:6379"),
            Backend::Zookeeper => Some("127.0.0.1:2181"),
            Backend::File | Backend::Env => None,
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A password or token: never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for the store alone.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Secret {
        Secret(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Secret {
        Secret(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// How long a node may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For the answer to one request.
    pub request: Duration,
    /// Between two looks at whether the store is still the one that we follow.
    pub check: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            connect: Duration::from_secs(3),
            request: Duration::from_secs(10),
            check: Duration::from_secs(10),
        }
    }
}

/// How a store is reached. Start with [`Options::new`] and set what differs.
#[derive(Clone, Debug)]
pub struct Options {
    /// The kind of store.
    pub backend: Backend,
    /// Its nodes; those of [`Options::nodes`] if empty.
    pub nodes: Vec<String>,
    /// `http` or `https`, for nodes that do not say it themselves.
    pub scheme: Option<String>,
    /// User name (etcd, consul behind a proxy, redis ACL, zookeeper digest).
    pub username: Option<String>,
    /// Password.
    pub password: Option<Secret>,
    /// Token (consul ACL; redis password).
    pub auth_token: Option<Secret>,
    /// File with the CA certificates that the server's is checked against; the system's if absent.
    pub client_ca: Option<PathBuf>,
    /// Our certificate.
    pub client_cert: Option<PathBuf>,
    /// Its key. With redis it is the password, as in confd.
    pub client_key: Option<PathBuf>,
    /// Domain for discovery by DNS.
    pub srv_domain: Option<String>,
    /// Record for discovery by DNS.
    pub srv_record: Option<String>,
    /// What stands for `/` in redis keys.
    pub separator: String,
    /// Files or folders of the file store.
    pub files: Vec<PathBuf>,
    /// Which files of a folder count, as a glob pattern on their names.
    pub filter: String,
    /// How long a node may take.
    pub timeouts: Timeouts,
}

impl Options {
    /// A store of this kind at its usual place.
    pub fn new(backend: Backend) -> Options {
        Options {
            backend,
            nodes: Vec::new(),
            scheme: None,
            username: None,
            password: None,
            auth_token: None,
            client_ca: None,
            client_cert: None,
            client_key: None,
            srv_domain: None,
            srv_record: None,
            separator: "/".to_owned(),
            files: Vec::new(),
            filter: "*".to_owned(),
            timeouts: Timeouts::default(),
        }
    }

    /// The nodes: those given, or where such a store usually is.
    pub fn nodes(&self) -> Vec<String> {
        if self.nodes.is_empty() {
            self.backend.default_node().map(str::to_owned).into_iter().collect()
        } else {
            self.nodes.clone()
        }
    }

    /// Whether anything asks for TLS.
    pub(super) fn tls_wanted(&self) -> bool {
        self.client_ca.is_some()
            || self.client_cert.is_some()
            || self.scheme.as_deref().is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"))
            || self.nodes.iter().any(|node| node.starts_with("https://"))
    }

    /// What can be found wrong without a network.
    pub(super) fn check(&self) -> Result<(), Error> {
        let option = |option, why: &str| Err(Error::Option { option, why: why.to_owned() });
        if self.srv_domain.is_some() || self.srv_record.is_some() {
            return option(
                "--srv-domain, --srv-record",
                "discovery by DNS is not supported; name the nodes with --node (a name with several addresses is one node)",
            );
        }
        if let Some(scheme) = &self.scheme
            && !["http", "https"].contains(&scheme.to_ascii_lowercase().as_str())
        {
            return option("--scheme", &format!("`{scheme}` is neither http nor https"));
        }
        if self.client_cert.is_some() != self.client_key.is_some() && self.backend != Backend::Redis {
            return option("--client-cert, --client-key", "one is of no use without the other");
        }
        if self.separator.is_empty() {
            return option("--separator", "it is empty; the usual one is /");
        }
        match self.backend {
            Backend::File if self.files.is_empty() => {
                option("--file", "the file store needs at least one file or folder")
            }
            Backend::Zookeeper if self.tls_wanted() => option(
                "--scheme, --client-…",
                "TLS to ZooKeeper is not supported; use a local proxy such as stunnel",
            ),
            _ => Ok(()),
        }
    }

    /// The nodes as URLs without a slash at the end.
    pub(crate) fn urls(&self) -> Result<Vec<String>, Error> {
        let scheme = match &self.scheme {
            Some(scheme) => scheme.to_ascii_lowercase(),
            None if self.client_ca.is_some() || self.client_cert.is_some() => "https".to_owned(),
            None => "http".to_owned(),
        };
        self.nodes().iter().map(|node| url(node, &scheme)).collect()
    }
}

fn url(node: &str, scheme: &str) -> Result<String, Error> {
    let wrong = |why: &str| Error::Option { option: "--node", why: format!("`{node}`: {why}") };
    let full = if node.contains("://") { node.to_owned() } else { format!("{scheme}://{node}") };
    let uri: hyper::Uri = full.parse().map_err(|error| wrong(&format!("{error}; write http://HOST:PORT")))?;
    match uri.scheme_str() {
        Some("http" | "https") => {}
        _ => return Err(wrong("the scheme is neither http nor https")),
    }
    if uri.host().is_none_or(str::is_empty) {
        return Err(wrong("there is no host; write http://HOST:PORT"));
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(wrong("give user and password as options, not in the URL"));
    }
    if uri.path() != "/" && !uri.path().is_empty() || uri.query().is_some() {
        return Err(wrong("a node has no path; write http://HOST:PORT"));
    }
    Ok(full.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_become_urls_or_are_named() {
        let mut options = Options::new(Backend::EtcdV3);
        assert_eq!(options.urls().unwrap(), ["http://127.0.0.1:2379"]);
        options.nodes = vec!["https://a:1/".into(), "b:2".into(), "[::1]:3".into()];
        assert_eq!(options.urls().unwrap(), ["https://a:1", "http://b:2", "http://[::1]:3"]);
        options.scheme = Some("https".into());
        assert_eq!(options.urls().unwrap()[1], "https://b:2");
        for node in ["ftp://a:1", "http://", "http://a b", "http://u:p@a:1", "http://a:1/v2", ""] {
            options.nodes = vec![node.into()];
            let error = options.urls().unwrap_err().to_string();
            assert!(error.contains("--node") && error.contains(&format!("`{node}`")), "{error}");
        }
    }

    #[test]
    fn what_is_not_supported_is_refused_and_secrets_are_not_shown() {
        let mut options = Options::new(Backend::EtcdV3);
        options.password = Some("hunter2".into());
        assert!(!format!("{options:?}").contains("hunter2"));
        assert!(options.check().is_ok());
        options.srv_domain = Some("example.com".into());
        assert!(options.check().unwrap_err().to_string().contains("--srv-domain"));
        options.srv_domain = None;
        options.client_cert = Some("/c".into());
        assert!(options.check().is_err());
        assert!(Options::new(Backend::File).check().unwrap_err().to_string().contains("--file"));
    }
}
