//! `vipward kv watch`: the same following as rendering does, printed.

use serde::Serialize;

use super::error::Error;
use super::show::{Show, Value};
use crate::render::keys::Keys;
use crate::render::store::{Changed, Live, Options, Store};

#[derive(Serialize)]
struct Event {
    action: &'static str,
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    revision: u64,
}

/// Prints changes until `count` of them are printed, or for ever.
pub(super) async fn run(
    options: Options,
    key: &str,
    count: Option<usize>,
    show: &mut Show<'_>,
) -> anyhow::Result<()> {
    let store = Store::open(options)?;
    let live = Live::default();
    let mut health = live.watch_health();
    let printed = async {
        // What is there at the start is no change.
        health.wait_for(|health| health.connected() || health.why().is_some()).await?;
        if let Some(why) = live.health().why() {
            anyhow::bail!("{why}");
        }
        let mut changes = live.subscribe();
        eprintln!("watching {key}");
        let mut left = count;
        loop {
            let change = changes.next().await;
            let events = events(&live.keys(), &change.paths, change.revision);
            for event in events {
                if left == Some(0) {
                    return Ok(());
                }
                show.answer(&event, |event, out| match &event.value {
                    Some(Value(value)) => {
                        writeln!(out, "{} {} {}", event.action, event.key, String::from_utf8_lossy(value))
                    }
                    None => writeln!(out, "{} {}", event.action, event.key),
                })
                .map_err(Error::Output)?;
                left = left.map(|left| left - 1);
            }
            if left == Some(0) {
                return Ok(());
            }
        }
    };
    let prefixes = [key];
    tokio::select! {
        never = store.follow(&prefixes, &live) => match never {},
        printed = printed => printed,
    }
}

fn events(keys: &Keys, changed: &Changed, revision: u64) -> Vec<Event> {
    let event = |key: &str| {
        let value = keys.get(key).map(|value| Value(value.as_bytes().to_vec()));
        let action = if value.is_some() { "PUT" } else { "DELETE" };
        Event { action, key: key.to_owned(), value, revision }
    };
    match changed {
        Changed::All => keys.iter().map(|(path, _)| event(path)).collect(),
        Changed::Paths(paths) => paths.iter().map(|path| event(path)).collect(),
    }
}
