//! The names that confd gives the stores.

use std::str::FromStr;

use crate::render::store::Backend;

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
