//! The page as it changes: server-sent events, one sender for all who listen.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use super::super::observation::Observe;
use super::super::routes::App;

/// Pages that are kept up to date at a time.
pub(in super::super) const MAX_SUBSCRIBERS: usize = 16;
/// From one look at everything to the next, while anybody listens.
const PERIOD: Duration = Duration::from_millis(250);
/// How long one may listen; browsers connect again by themselves.
pub(in super::super) const LIFETIME: Duration = Duration::from_mins(10);

/// Who listens, and what they see. A slow one misses what was overtaken, and holds nothing up.
pub(in super::super) struct Live {
    /// The part of the page that changes; empty while nobody listens.
    shown: watch::Sender<Arc<str>>,
    seats: Arc<Semaphore>,
    joined: Notify,
}

impl Live {
    pub(in super::super) fn new() -> Live {
        Live {
            shown: watch::Sender::new(Arc::from("")),
            seats: Arc::new(Semaphore::new(MAX_SUBSCRIBERS)),
            joined: Notify::new(),
        }
    }

    /// How many listen.
    pub(in super::super) fn subscribers(&self) -> usize {
        self.shown.receiver_count()
    }

    /// An answer without an end; `None` if too many listen.
    pub(in super::super) fn subscribe(&self) -> Option<Response> {
        let seat = Arc::clone(&self.seats).try_acquire_owned().ok()?;
        let mut shown = self.shown.subscribe();
        // What is shown at present is news to whoever comes.
        shown.mark_changed();
        self.joined.notify_one();
        let listener = Listener { shown, until: Instant::now() + LIFETIME, _seat: seat };
        let events = stream::unfold(listener, |mut listener| async {
            Some((Ok::<_, Infallible>(listener.next().await?), listener))
        });
        Some(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
    }
}

struct Listener {
    shown: watch::Receiver<Arc<str>>,
    until: Instant,
    _seat: OwnedSemaphorePermit,
}

impl Listener {
    async fn next(&mut self) -> Option<Event> {
        loop {
            tokio::select! {
                changed = self.shown.changed() => changed.ok()?,
                () = tokio::time::sleep_until(self.until) => return None,
            }
            let shown = Arc::clone(&self.shown.borrow_and_update());
            if !shown.is_empty() {
                return Some(Event::default().data(shown));
            }
        }
    }
}

/// Looks at everything for as long as anybody listens.
pub(in super::super) async fn pump<O: Observe>(app: Arc<App<O>>) {
    let live = app.live();
    loop {
        if live.subscribers() == 0 {
            live.shown.send_replace(Arc::from(""));
            live.joined.notified().await;
        }
        let fragment = match app.look().await {
            Ok(sight) => super::fragment(&sight.observation),
            Err(why) => super::silence(&why),
        };
        live.shown.send_if_modified(|shown| {
            let differs = **shown != *fragment;
            if differs {
                *shown = Arc::from(fragment);
            }
            differs
        });
        tokio::time::sleep(PERIOD).await;
    }
}
