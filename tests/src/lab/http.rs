//! A small HTTP client that speaks from within a host.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::host::Host;

/// Largest answer that is read: the lab's pages are a few bytes.
const LARGEST: u64 = 65_536;

/// What is sent to get `/`.
pub(crate) fn request(address: IpAddr) -> String {
    request_for(address, "/")
}

fn request_for(address: IpAddr, path: &str) -> String {
    format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")
}

/// The page at `http://ADDRESS/`, as `from` gets it. An error for anything but 200, or after `limit`.
pub fn get(from: &Host, address: IpAddr, limit: Duration) -> Result<String> {
    get_path(from, address, "/", limit)
}

/// The same of another path.
pub fn get_path(from: &Host, address: IpAddr, path: &str, limit: Duration) -> Result<String> {
    // The socket stays in the namespace where it was made, whoever uses it.
    let connect = || TcpStream::connect_timeout(&SocketAddr::new(address, 80), limit);
    let mut stream =
        from.namespace().enter(connect)?.with_context(|| format!("cannot connect to {address}"))?;
    stream.set_read_timeout(Some(limit))?;
    stream.write_all(request_for(address, path).as_bytes()).context("cannot send the request")?;
    let mut answer = Vec::new();
    stream.take(LARGEST).read_to_end(&mut answer).context("cannot read the answer")?;
    match page(&answer) {
        Some(page) => Ok(page),
        None => bail!(
            "{address} answered {:?}",
            String::from_utf8_lossy(&answer).lines().next().unwrap_or("nothing")
        ),
    }
}

/// Sends these bytes to a port of `from`'s own, on its loopback, and reads until the peer hangs up or `limit` is over.
/// What it said before it reset the connection counts.
pub fn ask_local(from: &Host, port: u16, request: &[u8], limit: Duration) -> Result<String> {
    let mut stream = connect_local(from, port, limit)?;
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// A connection to a port of `from`'s own, on its loopback.
pub fn connect_local(from: &Host, port: u16, limit: Duration) -> Result<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let connect = || TcpStream::connect_timeout(&address, limit);
    let stream = from.namespace().enter(connect)?.with_context(|| format!("cannot connect to {address}"))?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    Ok(stream)
}

/// The body of a successful answer.
pub(crate) fn page(answer: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(answer).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?;
    (status == "200").then(|| body.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_success_is_a_page() {
        assert_eq!(page(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nn1\n").as_deref(), Some("n1"));
        assert_eq!(page(b"HTTP/1.1 502 Bad Gateway\r\n\r\nn1\n"), None);
        assert_eq!(page(b"HTTP/1.1 200 OK\r\nA: b\r\n"), None);
    }
}
