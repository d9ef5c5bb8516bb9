//! Templates, from text to text.

mod corpus;

use super::*;

/// Keys from pairs.
fn keys(pairs: &[(&str, &str)]) -> Keys {
    let mut keys = Keys::default();
    for (key, value) in pairs {
        keys.set(key, value);
    }
    keys
}

/// A resolver that knows nobody.
#[derive(Debug)]
struct Nobody;

impl Lookup for Nobody {
    fn addresses(&self, host: &str, _: std::time::Instant) -> Result<Vec<std::net::IpAddr>, LookupError> {
        Ok(host.parse().into_iter().collect())
    }

    fn servers(&self, _: &str, _: &str, _: &str, _: std::time::Instant) -> Result<Vec<Server>, LookupError> {
        Ok(Vec::new())
    }
}

/// Without the network.
fn context() -> Context {
    Context { lookup: Arc::new(Nobody), limits: Limits::default() }
}
