//! Long polls and the events that end them.

use std::time::Duration;

use hyper::Method;

use super::super::error::Error;
use super::super::live::Batch;
use super::api::{Action, Api, code, garbage, judge, target};

/// How many checks long a poll waits before it is asked anew, on whatever connection works then.
const CHECKS: u32 = 6;
/// After an answer that brought nothing, which a sound server does not give at once.
const PAUSE: Duration = Duration::from_millis(200);

/// How a poll ended.
pub(super) enum Polled<'a> {
    /// Something happened.
    Event {
        /// The prefix that was polled.
        prefix: &'a str,
        event: Box<Event>,
    },
    /// Nothing happened.
    Nothing {
        /// The prefix that was polled.
        prefix: &'a str,
        /// The index up to which nothing has happened.
        seen: u64,
        /// How long to wait before the next poll.
        pause: Duration,
    },
    /// Polls alone cannot tell the whole.
    Reread(&'static str),
}

/// Polls once for what happens at and below `prefix` after the index `seen`.
pub(super) async fn once<'a>(
    api: &'a Api,
    url: &'a str,
    prefix: &'a str,
    seen: u64,
    cluster: Option<&'a str>,
    pause: Duration,
) -> Result<Polled<'a>, Error> {
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
    let target = format!("{}?wait=true&recursive=true&waitIndex={}", target(prefix), seen + 1);
    let head = api.http.begin(url, "a poll", Method::GET, &target, None, Duration::ZERO).await?;
    let good = head.status() == 200;
    // The head comes at once, and tells which store this is and how far it is.
    let now = head.number("x-etcd-index");
    if good && now.is_none() {
        return Err(garbage(url, "there is no X-Etcd-Index"));
    }
    if now.is_some_and(|now| now < seen)
        || cluster.is_some_and(|id| head.header("x-etcd-cluster-id") != Some(id))
    {
        return Ok(Polled::Reread("this is not the store that we followed: wiped or restored?"));
    }
    // All that had happened when the poll began would have ended it, so it need not be asked for again.
    let asked = seen;
    let seen = now.filter(|_| good).unwrap_or(seen).max(seen);
    let Some(answer) = head.finish(api.http.timeouts.check * CHECKS).await? else {
        return Ok(Polled::Nothing { prefix, seen, pause: Duration::ZERO });
    };
    if good && answer.body.is_empty() {
        return Ok(Polled::Nothing { prefix, seen, pause: PAUSE });
    }
    match judge(url, &answer)? {
        Ok(action) if action.node.modified_index <= asked => {
            Err(garbage(url, "it tells an event that is older than was asked for"))
        }
        Ok(action) => Ok(Polled::Event { prefix, event: Box::new(Event(action)) }),
        Err(fault) if fault.error_code == code::EVENT_INDEX_CLEARED => {
            Ok(Polled::Reread("events that we have not seen are gone"))
        }
        Err(fault) => Err(fault.error(url)),
    }
}

/// An event.
pub(crate) struct Event(pub(crate) Action);

impl Event {
    pub(super) fn index(&self) -> u64 {
        self.0.node.modified_index
    }

    pub(crate) fn apply(&self, batch: &mut Batch<'_>) {
        let Some(key) = &self.0.node.key else { return };
        let gone = matches!(self.0.kind.as_str(), "delete" | "expire" | "compareAndDelete");
        match self.0.node.dir {
            // The directory may lie above what we follow, and takes all below it along.
            true if gone => batch.delete_tree(key),
            // One that takes the place of a key, or is given another time to live.
            true => batch.delete(key),
            false if gone => batch.delete(key),
            false => batch.put(key, self.0.node.value.as_deref().unwrap_or_default().as_bytes()),
        }
    }
}
