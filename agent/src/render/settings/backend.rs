//! The stores, by the names that confd gives them.

use std::str::FromStr;

/// A kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// etcd, by whichever API the server answers.
    Etcd,
    /// etcd's v2 HTTP API.
    EtcdV2,
    /// etcd's v3 API.
    EtcdV3,
    /// consul.
    Consul,
    /// redis.
    Redis,
    /// zookeeper.
    Zookeeper,
    /// Files and folders.
    File,
    /// Our own environment.
    Env,
}

/// Every name, the first of each store being its proper one.
const NAMES: [(&str, Backend); 9] = [
    ("etcd", Backend::Etcd),
    ("etcdv2", Backend::EtcdV2),
    ("etcdv3", Backend::EtcdV3),
    ("consul", Backend::Consul),
    ("redis", Backend::Redis),
    ("zookeeper", Backend::Zookeeper),
    ("file", Backend::File),
    ("env", Backend::Env),
    ("zk", Backend::Zookeeper),
];
/// confd's other stores.
const FOREIGN: [&str; 7] = ["vault", "dynamodb", "rancher", "ssm", "acm", "secretsmanager", "stackengine"];

impl Backend {
    /// The names of all stores, for messages.
    pub fn list() -> String {
        let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).filter(|name| *name != "zk").collect();
        names.join(", ")
    }

    /// Its proper name.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, backend)| *backend == self).map_or("", |(name, _)| name)
    }

    /// Where it is if nobody says; nothing for a store without an address.
    pub fn default_nodes(self) -> Vec<String> {
        let node = match self {
            // The v3 port: servers answer the v2 API there too, since 2.0 of etcd.
            Backend::Etcd | Backend::EtcdV3 => "127.0.0.1:2379",
            Backend::EtcdV2 => "http://127.0.0.1:4001",
            Backend::Consul => "127.0.0.1:8500",
            Backend::Redis => "127.0.0.1:6379",
            Backend::Zookeeper => "127.0.0.1:2181",
            Backend::File | Backend::Env => return Vec::new(),
        };
        vec![node.to_owned()]
    }

    /// Whether `ETCDCTL_PEERS` means this store.
    pub(super) fn is_etcd(self) -> bool {
        matches!(self, Backend::Etcd | Backend::EtcdV2 | Backend::EtcdV3)
    }
}

impl FromStr for Backend {
    type Err = String;

    fn from_str(text: &str) -> Result<Backend, String> {
        let found = NAMES.iter().find(|(name, _)| *name == text).map(|(_, backend)| *backend);
        found.ok_or_else(|| {
            let shown = text.escape_debug();
            if FOREIGN.contains(&text) {
                format!("vipward has no store `{shown}`; it has {}", Backend::list())
            } else {
                format!("there is no store `{shown}`: use one of {}", Backend::list())
            }
        })
    }
}
