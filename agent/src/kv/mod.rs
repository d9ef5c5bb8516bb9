//! `vipward kv`: what curl and etcdctl do with an etcd, for hosts that have neither.

pub mod args;
mod error;
mod show;
mod v2;
mod v3;
mod watch;

use std::io::{Read as _, Write};

use anyhow::Context as _;

use crate::render::keys::canonical;
use crate::render::store::{Backend, Error as StoreError, Options};
use args::{Api, Kv, Verb};
use error::Error;
use show::{Deleted, Lasting, Listing, Show, Stored};

/// Largest value that is read from the standard input; etcd takes less unless it is told otherwise.
const LARGEST: u64 = 64 << 20;

/// Runs the verb, printing to `out`; the exit status.
pub fn run(options: &Kv, out: &mut dyn Write) -> anyhow::Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut show = Show { out, json: options.json };
    runtime.block_on(async {
        if let Verb::Watch { key, count } = &options.verb {
            let backend = match options.connection.backend {
                Api::Etcd => Backend::Etcd,
                Api::V2 => Backend::EtcdV2,
                Api::V3 => Backend::EtcdV3,
            };
            return watch::run(options.connection.options(backend), key, *count, &mut show).await;
        }
        match Box::pin(connect(options)).await? {
            Client::V2(client) => Box::pin(client.run(&options.verb, &mut show)).await,
            Client::V3(mut client) => Box::pin(client.run(&options.verb, &mut show)).await,
        }
        .map_err(anyhow::Error::from)
    })?;
    Ok(0)
}

enum Client {
    V2(Box<v2::Client>),
    V3(Box<v3::Client>),
}

/// A client of the API that is asked for, or of the one that answers.
async fn connect(options: &Kv) -> anyhow::Result<Client> {
    let of = |backend| -> Options { options.connection.options(backend) };
    if options.connection.backend == Api::V2 {
        return Ok(Client::V2(Box::new(v2::Client::connect(&of(Backend::EtcdV2)).await?)));
    }
    match v3::Client::connect(&of(Backend::EtcdV3)).await {
        Ok(client) => Ok(Client::V3(Box::new(client))),
        Err(garbage @ StoreError::Garbage { .. }) if options.connection.backend == Api::Etcd => {
            // The nodes that v3 is looked for at, since v2's own usual place is another.
            let mut options = of(Backend::EtcdV2);
            options.nodes = of(Backend::Etcd).nodes();
            let client = v2::Client::connect(&options).await;
            let client = client.with_context(|| format!("neither API of etcd answers: {garbage}"))?;
            Ok(Client::V2(Box::new(client)))
        }
        Err(error) => Err(error.into()),
    }
}

/// The value to set.
fn value(given: Option<&String>) -> Result<Vec<u8>, Error> {
    if let Some(value) = given {
        return Ok(value.clone().into_bytes());
    }
    let mut value = Vec::new();
    std::io::stdin().lock().take(LARGEST).read_to_end(&mut value).map_err(Error::Input)?;
    Ok(value)
}
