//! Names to addresses and servers, for the `lookup…` functions: behind a trait, for tests need no network.

mod dns;

use std::fmt::Debug;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use dns_lookup::LookupErrorKind;
use thiserror::Error;

pub use super::value::Server;

/// How long one question may take.
pub(super) const DEADLINE: Duration = Duration::from_secs(2);
/// Questions under way: the resolver cannot be interrupted, so a thread outlives a deadline that passed.
const UNDER_WAY: usize = 16;

/// Answers questions about names. A name that does not exist has no addresses and no servers and is no error; an error
/// is that nobody knows.
pub trait Lookup: Debug + Send + Sync {
    /// The addresses of a host.
    fn addresses(&self, host: &str, deadline: Instant) -> Result<Vec<IpAddr>, LookupError>;
    /// The servers of `_service._protocol.name`, or of `name` itself if service and protocol are empty.
    fn servers(
        &self,
        service: &str,
        protocol: &str,
        name: &str,
        deadline: Instant,
    ) -> Result<Vec<Server>, LookupError>;
}

/// Why nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LookupError {
    /// The deadline passed.
    #[error("no answer in time")]
    Late,
    /// Earlier questions are still without an answer.
    #[error("{UNDER_WAY} earlier questions are still without an answer")]
    Busy,
    /// The resolver says so.
    #[error("{0}")]
    Failed(String),
}

/// The host's own resolver.
#[derive(Clone, Debug, Default)]
pub struct SystemLookup {
    under_way: Arc<AtomicUsize>,
}

impl Lookup for SystemLookup {
    fn addresses(&self, host: &str, deadline: Instant) -> Result<Vec<IpAddr>, LookupError> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        if host.is_empty() || is_invalid(host) {
            return Ok(Vec::new());
        }
        let host = host.to_owned();
        self.ask(deadline, move || match dns_lookup::lookup_host(&host) {
            Ok(addresses) => {
                let mut addresses: Vec<IpAddr> = addresses.collect();
                addresses.sort_unstable();
                addresses.dedup();
                Ok(addresses)
            }
            Err(error) => match error.kind() {
                LookupErrorKind::NoName | LookupErrorKind::NoData => Ok(Vec::new()),
                _ => Err(LookupError::Failed(std::io::Error::from(error).to_string())),
            },
        })
    }

    fn servers(
        &self,
        service: &str,
        protocol: &str,
        name: &str,
        deadline: Instant,
    ) -> Result<Vec<Server>, LookupError> {
        if is_invalid(name) {
            return Ok(Vec::new());
        }
        let name = match (service, protocol) {
            ("", "") => name.to_owned(),
            _ => format!("_{service}._{protocol}.{name}"),
        };
        self.ask(deadline, move || dns::servers(&name, deadline))
    }
}

impl SystemLookup {
    /// Asks on a thread of its own and waits until the deadline.
    fn ask<T: Send + 'static>(
        &self,
        deadline: Instant,
        question: impl FnOnce() -> Result<T, LookupError> + Send + 'static,
    ) -> Result<T, LookupError> {
        if self.under_way.fetch_add(1, Ordering::Relaxed) >= UNDER_WAY {
            self.under_way.fetch_sub(1, Ordering::Relaxed);
            return Err(LookupError::Busy);
        }
        let (answer, wait) = mpsc::sync_channel(1);
        let under_way = self.under_way.clone();
        let thread = std::thread::Builder::new().name("lookup".into()).spawn(move || {
            // Nobody listens any more after the deadline.
            let _ = answer.send(question());
            under_way.fetch_sub(1, Ordering::Relaxed);
        });
        if let Err(error) = thread {
            self.under_way.fetch_sub(1, Ordering::Relaxed);
            return Err(LookupError::Failed(error.to_string()));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        wait.recv_timeout(left).map_err(|_| LookupError::Late)?
    }
}

/// Whether a name is in the domain of names that never exist (RFC 6761, section 6.4).
fn is_invalid(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name.eq_ignore_ascii_case("invalid")
        || name.len() > 8
            && name.is_char_boundary(name.len() - 8)
            && name[name.len() - 8..].eq_ignore_ascii_case(".invalid")
}
