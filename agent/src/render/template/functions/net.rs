//! Names to addresses and servers.

use std::net::IpAddr;
use std::time::Instant;

use super::super::error::Fault;
use super::super::lookup::DEADLINE;
use super::super::value::{Of, Value};
use super::{Call, Function, plain};

pub(super) const FUNCTIONS: &[Function] = &[
    plain("lookupIP", 1, 1, |call| addresses(call, |_| true)),
    plain("lookupIPV4", 1, 1, |call| addresses(call, IpAddr::is_ipv4)),
    plain("lookupIPV6", 1, 1, |call| addresses(call, IpAddr::is_ipv6)),
    plain("lookupSRV", 3, 3, servers),
];

/// A name that does not exist gives an empty list, as in confd. That nobody answered is an error, for else an outage of the
/// name service would empty every list of servers.
fn addresses(call: &mut Call<'_, '_>, wanted: fn(&IpAddr) -> bool) -> Result<Value, Fault> {
    let host = call.text(0)?;
    let found = call.session.context.lookup.addresses(host, Instant::now() + DEADLINE);
    let found = found.map_err(|error| call.fail(format!("{}: {error}", super::super::quoted(host))))?;
    call.elements(found.len())?;
    // Sorted as text, which is how confd has it.
    let mut shown: Vec<String> =
        found.iter().filter(|address| wanted(address)).map(ToString::to_string).collect();
    shown.sort();
    Ok(Value::texts(shown))
}

fn servers(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let (service, protocol, name) = (call.text(0)?, call.text(1)?, call.text(2)?);
    let found = call.session.context.lookup.servers(service, protocol, name, Instant::now() + DEADLINE);
    let mut found = found.map_err(|error| call.fail(format!("{}: {error}", super::super::quoted(name))))?;
    call.elements(found.len())?;
    found.sort_by_cached_key(|server| {
        format!("{}{}{}{}", server.target, server.port, server.priority, server.weight)
    });
    Ok(Value::flat(Of::Server, found.into_iter().map(|server| Value::Server(server.into())).collect()))
}
