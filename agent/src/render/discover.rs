//! Finding a store's nodes by the SRV record that lists them, however long the name service takes to answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::settings::Schedule;
use super::store::{Health, Live, Options, Store};
use super::template::{Lookup, Server};

/// Between two questions without an answer.
const PAUSE: Duration = Duration::from_secs(5);
/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(5);

/// A store whose nodes are those of `record`. Says in `live` why there is none, and asks again; once only if all is to be
/// done once.
pub(super) async fn store(
    record: &str,
    mut options: Options,
    schedule: Schedule,
    lookup: Arc<dyn Lookup>,
    live: &Live,
) -> Option<Store> {
    let since = Instant::now();
    let mut said = None;
    loop {
        let (lookup, name) = (Arc::clone(&lookup), record.to_owned());
        let answer =
            tokio::task::spawn_blocking(move || lookup.servers("", "", &name, Instant::now() + LIMIT)).await;
        let why = match answer {
            Ok(Ok(servers)) if !servers.is_empty() => {
                options.nodes = nodes(servers);
                info!("{record} names {}", options.nodes.join(", "));
                match Store::open(options.clone()) {
                    Ok(store) => return Some(store),
                    Err(error) => error.to_string(),
                }
            }
            Ok(Ok(_)) => "there is no such record".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        let why = format!("no nodes by {record}: {why}");
        if said.as_ref() != Some(&why) {
            warn!("{why}");
            said = Some(why.clone());
        }
        live.set_health(Health::Never { why, since });
        if schedule == Schedule::Once {
            return None;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The most important ones first.
fn nodes(mut servers: Vec<Server>) -> Vec<String> {
    servers.sort_by_key(|server| (server.priority, std::cmp::Reverse(server.weight)));
    servers.iter().map(|server| format!("{}:{}", server.target.trim_end_matches('.'), server.port)).collect()
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::super::store::Backend;
    use super::super::template::LookupError;
    use super::*;

    #[derive(Debug)]
    struct Fixed(Result<Vec<Server>, LookupError>);

    impl Lookup for Fixed {
        fn addresses(&self, _: &str, _: Instant) -> Result<Vec<IpAddr>, LookupError> {
            Ok(Vec::new())
        }

        fn servers(&self, _: &str, _: &str, name: &str, _: Instant) -> Result<Vec<Server>, LookupError> {
            assert_eq!(name, "_etcd._tcp.example.");
            self.0.clone()
        }
    }

    async fn found(answer: Result<Vec<Server>, LookupError>) -> (bool, Option<String>) {
        let (live, options) = (Live::default(), Options::new(Backend::EtcdV3));
        let lookup = Arc::new(Fixed(answer));
        let store = store("_etcd._tcp.example.", options, Schedule::Once, lookup, &live).await;
        (store.is_some(), live.health().why().map(str::to_owned))
    }

    #[tokio::test]
    async fn a_record_names_the_nodes_or_says_why_not() {
        let server =
            |target: &str, priority| Server { target: target.into(), port: 2379, priority, weight: 0 };
        assert_eq!(
            nodes(vec![server("b.example.", 2), server("a.example.", 1)]),
            ["a.example:2379", "b.example:2379"]
        );
        assert_eq!(found(Ok(vec![server("a.example.", 1)])).await, (true, None));
        let (store, why) = found(Ok(Vec::new())).await;
        assert!(
            !store && why.is_some_and(|why| why.contains("_etcd._tcp.example.: there is no such record"))
        );
        assert!(!found(Err(LookupError::Late)).await.0);
    }
}
