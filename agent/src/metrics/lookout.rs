//! Asking the agent how it stands, once for all who want to know at about the same time.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::observation::{Observation, Observe};

/// For how long an observation is good enough for the next who asks.
pub(super) const FRESH: Duration = Duration::from_millis(50);
/// How long an answer may take: the election does not take that long for anything.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// An observation with what was made of it, so that many readers cost little more than one.
#[derive(Debug)]
pub(super) struct Sight {
    pub(super) observation: Arc<Observation>,
    pub(super) metrics: OnceLock<Bytes>,
    pub(super) page: OnceLock<Bytes>,
}

/// When the answer came, and what it was.
type Answer = (Instant, Result<Arc<Sight>, String>);

/// Asks, and remembers the answer for a moment.
pub(super) struct Lookout<O> {
    observer: Arc<O>,
    patience: Duration,
    /// Held while somebody asks: whoever comes meanwhile gets the same answer.
    last: Mutex<Option<Answer>>,
}

impl<O: Observe> Lookout<O> {
    pub(super) fn new(observer: Arc<O>, patience: Duration) -> Lookout<O> {
        Lookout { observer, patience, last: Mutex::new(None) }
    }

    /// How everything stands, or stood [`FRESH`] ago. The error is for a person.
    pub(super) async fn look(&self) -> Result<Arc<Sight>, String> {
        let asked = Instant::now();
        let mut last = self.last.lock().await;
        if let Some((at, known)) = last.as_ref()
            && (asked <= *at || at.elapsed() < FRESH)
        {
            return known.clone();
        }
        let seen = match timeout(self.patience, self.observer.observe()).await {
            Ok(seen) => seen,
            Err(_) => Err(format!("the election thread did not answer within {:?}", self.patience)),
        };
        let seen = seen.map(|observation| {
            let observation = Arc::new(observation);
            Arc::new(Sight { observation, metrics: OnceLock::new(), page: OnceLock::new() })
        });
        *last = Some((Instant::now(), seen.clone()));
        seen
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::SystemTime;

    use super::*;
    use crate::control::status::StatusSnapshot;

    /// Counts how often it is asked, and never answers if it is to hang.
    struct Counting {
        asked: AtomicU32,
        hangs: bool,
    }

    impl Observe for Counting {
        async fn observe(&self) -> Result<Observation, String> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            if self.hangs {
                std::future::pending::<()>().await;
            }
            tokio::task::yield_now().await;
            Ok(Observation::of_rendering(SystemTime::now(), StatusSnapshot::default()))
        }
    }

    async fn at_once(hangs: bool) -> (u32, usize) {
        let observer = Arc::new(Counting { asked: AtomicU32::new(0), hangs });
        let patience = if hangs { Duration::from_millis(20) } else { PATIENCE };
        let lookout = Arc::new(Lookout::new(Arc::clone(&observer), patience));
        let looks: Vec<_> = (0..100)
            .map(|_| {
                let lookout = Arc::clone(&lookout);
                tokio::spawn(async move { lookout.look().await.is_ok() })
            })
            .collect();
        let mut seen = 0;
        for look in looks {
            seen += usize::from(look.await.expect("no panic"));
        }
        (observer.asked.load(Ordering::Relaxed), seen)
    }

    #[tokio::test]
    async fn a_hundred_who_ask_at_once_ask_once() {
        assert_eq!(at_once(false).await, (1, 100));
    }

    #[tokio::test]
    async fn an_election_that_hangs_is_waited_for_once() {
        assert_eq!(at_once(true).await, (1, 0));
    }
}
