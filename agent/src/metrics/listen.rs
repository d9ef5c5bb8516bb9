//! Where metrics are served: addresses from the command line, bound before the agent touches the network.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::str::FromStr;
use std::sync::Arc;

use super::Compat;
use super::observation::Observe;
use super::server::Metrics;

/// An address of `--metrics`, or its absence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsAddress {
    /// `off`.
    Off,
    /// `ADDRESS:PORT`.
    At(SocketAddr),
}

impl FromStr for MetricsAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<MetricsAddress, String> {
        if text == "off" {
            return Ok(MetricsAddress::Off);
        }
        let local = text.strip_prefix("localhost:").or_else(|| text.strip_prefix(':'));
        let at = match local {
            // No look-up: what the name stands for must not depend on a resolver.
            Some(port) => port.parse().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))).ok(),
            None => text.parse().ok(),
        };
        at.map(MetricsAddress::At)
            .ok_or_else(|| "off, or ADDRESS:PORT such as 127.0.0.1:9650 or [::1]:9650".to_owned())
    }
}

impl fmt::Display for MetricsAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MetricsAddress::Off => f.pad("off"),
            MetricsAddress::At(address) => address.fmt(f),
        }
    }
}

/// Why an address cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve metrics at {address} (--metrics): {}", remedy(.error))]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// What the system said.
    pub error: io::Error,
}

/// The error with what to do about it.
fn remedy(error: &io::Error) -> String {
    let remedy = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "somebody else listens there (`ss -tlnp` shows who); end that, or name another port"
        }
        io::ErrorKind::AddrNotAvailable => {
            "this host has no such address now; use 127.0.0.1, an address of its own and no VIP, or 0.0.0.0"
        }
        io::ErrorKind::PermissionDenied => "ports below 1024 need CAP_NET_BIND_SERVICE; name a higher one",
        _ => "name another address",
    };
    format!("{error}; {remedy}")
}

/// Sockets that listen. Nobody is answered before [`Listeners::serve`].
#[derive(Debug, Default)]
pub struct Listeners(Vec<TcpListener>);

impl Listeners {
    /// Binds all of them, or none.
    pub fn bind(addresses: &[MetricsAddress]) -> Result<Listeners, BindError> {
        let mut bound: Vec<TcpListener> = Vec::new();
        for address in addresses {
            let MetricsAddress::At(address) = *address else { continue };
            let listener = bind(address).map_err(|error| BindError { address, error })?;
            bound.push(listener);
        }
        Ok(Listeners(bound))
    }

    /// Where they listen.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.0.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Starts to answer with what `observer` says; nothing if there is no address.
    pub fn serve<O: Observe>(self, observer: &Arc<O>, compat: Option<Compat>) -> io::Result<Option<Metrics>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        Metrics::start(self.0, Arc::clone(observer), compat).map(Some)
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_people_write_them() {
        for (text, expected) in [
            ("127.0.0.1:9650", Some("127.0.0.1:9650")),
            ("[::1]:9650", Some("[::1]:9650")),
            ("localhost:9165", Some("127.0.0.1:9165")),
            (":9165", Some("127.0.0.1:9165")),
            ("off", Some("off")),
            ("9650", None),
            ("host:9650", None),
            ("127.0.0.1", None),
            ("127.0.0.1:70000", None),
        ] {
            let parsed = text.parse::<MetricsAddress>();
            assert_eq!(parsed.ok().map(|address| address.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_port_that_is_taken_is_named_with_a_remedy() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = taken.local_addr().expect("bound");
        let error = Listeners::bind(&[MetricsAddress::At(address)]).expect_err("taken").to_string();
        assert!(error.contains(&address.to_string()) && error.contains("name another port"), "{error}");
        let free = Listeners::bind(&["127.0.0.1:0".parse().expect("an address"), MetricsAddress::Off]);
        assert_eq!(free.expect("free").addresses().len(), 1);
    }
}
