//! Stores: where the keys are kept, and how a local copy of them is kept current.
//!
//! A [`Store`] is opened with [`Options`] and then either read once or followed into a [`Live`] tree. Following reads
//! everything, then applies the store's own events, and survives whatever happens to the store: see [`follow`].

mod backoff;
pub(crate) mod consul;
mod env;
mod error;
mod etcd;
pub(crate) mod etcd2;
pub(crate) mod etcd3;
pub(crate) mod file;
mod follow;
mod health;
pub(crate) mod http;
mod live;
mod options;
pub(crate) mod prefixes;
pub(crate) mod redis;
mod tls;
mod zookeeper;

use std::convert::Infallible;
use std::time::Duration;

pub use error::Error;
pub use health::Health;
pub use live::{Batch, Change, Changed, Changes, Live, View};
pub use options::{Backend, Options, Secret, Timeouts};

use crate::render::keys::Keys;
use follow::Follower;
use prefixes::Prefixes;

/// A store that can be read and followed. Opening one talks to nobody.
#[derive(Clone, Debug)]
pub struct Store {
    options: Options,
    follower: Follower,
}

impl Store {
    /// Checks the options and reads the certificates that they name.
    pub fn open(options: Options) -> Result<Store, Error> {
        options.check()?;
        let follower = Follower::new(&options)?;
        Ok(Store { options, follower })
    }

    /// The kind of store.
    pub fn backend(&self) -> Backend {
        self.options.backend
    }

    /// Reads all keys at and below `prefixes`, from the first node that answers.
    pub async fn read_once<S: AsRef<str>>(&self, prefixes: &[S]) -> Result<Keys, Error> {
        self.follower.clone().read(&Prefixes::new(prefixes)).await
    }

    /// Fills `live` with all keys at and below `prefixes`, or says in its health why not.
    pub async fn load<S: AsRef<str>>(&self, prefixes: &[S], live: &Live) {
        follow::once(self.follower.clone(), &Prefixes::new(prefixes), live.clone(), self.backend()).await;
    }

    /// Fills `live` anew every so often, and sooner while that fails, until the future is dropped.
    pub async fn poll<S: AsRef<str>>(&self, prefixes: &[S], live: &Live, every: Duration) -> Infallible {
        let (follower, prefixes) = (self.follower.clone(), Prefixes::new(prefixes));
        follow::poll(follower, prefixes, live.clone(), self.backend(), every).await
    }

    /// Keeps `live` equal to what the store holds at and below `prefixes`, until the future is dropped. What is in
    /// `live` already is replaced by the first read, so following can be restarted with other prefixes.
    pub async fn follow<S: AsRef<str>>(&self, prefixes: &[S], live: &Live) -> Infallible {
        follow::forever(self.follower.clone(), Prefixes::new(prefixes), live.clone(), self.backend()).await
    }
}
