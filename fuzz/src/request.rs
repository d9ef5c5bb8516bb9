//! Requests: on the control socket, and for pages.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::runtime::{Builder, Runtime};
use vipward::control::protocol::{ReloadReport, Response};
use vipward::control::server::Handler;
use vipward::control::status::StatusSnapshot;
use vipward::fuzzing::{self, Pages};
use vipward::metrics::observation::{Observation, Observe};

/// Nobody waits as long for an answer that is there at once.
const PATIENCE: Duration = Duration::from_secs(5);

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    static PAGES: Pages = Pages::new(Arc::new(Agent));
}

/// An agent without instances.
struct Agent;

impl Handler for Agent {
    async fn status(&self) -> Result<StatusSnapshot, String> {
        Ok(StatusSnapshot::default())
    }

    async fn reload(&self) -> Result<ReloadReport, String> {
        Err("x.conf:1:1: error: nonsense".into())
    }

    async fn drain(&self, on: bool) -> Result<String, String> {
        Ok(format!("drain {on}"))
    }

    async fn hold(&self, keep: Duration) -> Result<String, String> {
        Ok(format!("hold {keep:?}"))
    }
}

impl Observe for Agent {
    async fn observe(&self) -> Result<Observation, String> {
        Ok(Observation::of_rendering(SystemTime::UNIX_EPOCH, StatusSnapshot::default()))
    }
}

/// Lines on the control socket: each has an answer, and each answer is understood.
pub(crate) fn control(data: &[u8], _: &Path) {
    let heard = RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let answered = tokio::time::timeout(PATIENCE, fuzzing::control(data, Arc::new(Agent))).await;
            answered.expect("an end").expect("a pair of sockets")
        })
    });
    let answers = heard.split_inclusive(|byte| *byte == b'\n');
    let mut count = 0;
    for answer in answers {
        let _: Response = serde_json::from_slice(answer).expect("an answer");
        count += 1;
    }
    assert_eq!(count, data.split(|byte| *byte == b'\n').count() - 1);
}

/// A connection to the pages: at most one answer, and never more than what there is to see.
pub(crate) fn http(data: &[u8], _: &Path) {
    let heard = RUNTIME.with(|runtime| {
        PAGES.with(|pages| {
            runtime
                .block_on(async { tokio::time::timeout(PATIENCE, pages.answer(data)).await.expect("an end") })
        })
    });
    assert!(heard.is_empty() || heard.starts_with(b"HTTP/1."), "{}", String::from_utf8_lossy(&heard));
}
