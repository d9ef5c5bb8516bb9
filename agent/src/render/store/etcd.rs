//! `-backend etcd`: whichever API holds the keys.
//!
//! The name meant the v2 API in old confd and v3 in newer ones, and one etcd may serve both, each with keys of its own.
//! So the server is asked: v3 if there are keys at the prefixes, else v2 if there are, and while there are none in either
//! both are looked at until there are. `etcdv2` and `etcdv3` force one.

use std::time::Duration;

use super::error::Error;
use super::etcd2::Etcd2;
use super::etcd3::Etcd3;
use super::follow::Feed;
use super::options::Options;
use super::prefixes::Prefixes;
use crate::render::keys::Keys;

/// Between two looks while neither API has a key.
const LOOK: Duration = Duration::from_millis(500);

/// A follower of etcd through an API that is found out.
#[derive(Clone, Debug)]
pub(super) struct Etcd {
    v3: Etcd3,
    v2: Etcd2,
    chosen: Option<Api>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Api {
    V2,
    V3,
}

impl Etcd {
    pub(super) fn new(options: &Options) -> Result<Etcd, Error> {
        Ok(Etcd { v3: Etcd3::new(options)?, v2: Etcd2::new(options)?, chosen: None })
    }

    /// Reads everything once.
    pub(super) async fn read(&mut self, prefixes: &Prefixes) -> Result<Keys, Error> {
        match self.probe(prefixes).await? {
            Some(Api::V2) => self.v2.read(prefixes).await,
            Some(Api::V3) => self.v3.read(prefixes).await,
            None => Ok(Keys::default()),
        }
    }

    /// Follows until something fails. The choice stays, or an outage could make the keys of the other API appear.
    pub(super) async fn session(&mut self, prefixes: &Prefixes, feed: &mut Feed) -> Error {
        loop {
            match self.chosen {
                Some(Api::V2) => return self.v2.session(prefixes, feed).await,
                Some(Api::V3) => return Box::pin(self.v3.session(prefixes, feed)).await,
                None => {}
            }
            self.chosen = match self.probe(prefixes).await {
                Ok(chosen) => chosen,
                Err(error) => return error,
            };
            if let Some(api) = self.chosen {
                tracing::info!(?api, "keys of etcd are read through this API");
            } else {
                feed.all("etcd, v2 and v3", Keys::default(), 0);
                tokio::time::sleep(LOOK).await;
            }
        }
    }

    /// Which API to use; none while both answer and neither has a key.
    async fn probe(&mut self, prefixes: &Prefixes) -> Result<Option<Api>, Error> {
        let v3 = self.v3.has_keys(prefixes).await;
        if let Ok(true) = v3 {
            return Ok(Some(Api::V3));
        }
        match (v3, self.v2.has_keys(prefixes).await) {
            (_, Ok(true)) | (Err(Error::Garbage { .. }), Ok(false)) => Ok(Some(Api::V2)),
            (Ok(_), Ok(false)) => Ok(None),
            // The server has no v2 API.
            (Ok(_), Err(Error::Garbage { .. })) => Ok(Some(Api::V3)),
            // Whatever the other API would say, it is not known yet.
            (Ok(_), Err(error)) | (Err(error), _) => Err(error),
        }
    }
}
