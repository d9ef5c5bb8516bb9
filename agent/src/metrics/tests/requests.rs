//! The server itself, with requests of every kind over real sockets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use super::super::observation::Observe;
use super::super::page::events::MAX_SUBSCRIBERS;
use super::super::server::MAX_CONNECTIONS;
use super::super::{Listeners, Metrics};
use super::*;

/// Longest time for an answer on a busy machine; nothing here asserts how fast one is.
const LIMIT: Duration = Duration::from_secs(30);

/// Gives the sample, or a complaint.
struct Steady(Result<(), String>);

impl Observe for Steady {
    async fn observe(&self) -> Result<Observation, String> {
        self.0.clone().map(|()| sample())
    }
}

fn start(says: Result<(), String>) -> (Metrics, SocketAddr) {
    let listeners = Listeners::bind(&["127.0.0.1:0".parse().expect("an address")]).expect("a free port");
    let address = listeners.addresses()[0];
    let metrics = listeners.serve(&Arc::new(Steady(says)), None).expect("a thread").expect("an address");
    (metrics, address)
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("connects");
    stream.set_read_timeout(Some(LIMIT)).expect("set");
    stream.set_write_timeout(Some(LIMIT)).expect("set");
    stream
}

/// Sends these bytes and reads until the server hangs up. What it says before it resets the connection counts.
fn ask(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = connect(address);
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(address: SocketAddr, path: &str) -> String {
    ask(address, format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes())
}

fn code(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("none")
}

#[test]
fn every_path_answers_with_a_strict_policy() {
    let (_metrics, address) = start(Ok(()));
    for (path, status, kind, words) in [
        ("/", "200", "text/html", "<!doctype html>"),
        ("/?x=1", "200", "text/html", "<!doctype html>"),
        ("/page.css", "200", "text/css", "--ground"),
        ("/page.js", "200", "text/javascript", "EventSource"),
        ("/metrics", "200", "application/openmetrics-text; version=1.0.0", "# EOF"),
        ("/healthz", "200", "text/plain", "ok"),
        ("/readyz", "503", "text/plain", "database: FAULT: script chk_db is down"),
        ("/nothing", "404", "text/plain", "/metrics"),
        ("//", "404", "text/plain", ""),
        ("/../etc/passwd", "404", "text/plain", ""),
        ("/%2e%2e/metrics", "404", "text/plain", ""),
    ] {
        let answer = get(address, path);
        assert_eq!(code(&answer), status, "{path}: {answer}");
        let head = answer.split("\r\n\r\n").next().expect("a head").to_ascii_lowercase();
        assert!(head.contains(&format!("content-type: {kind}")), "{path}: {head}");
        assert!(head.contains("content-security-policy: default-src 'none'; "), "{path}: {head}");
        assert!(head.contains("x-content-type-options: nosniff"), "{path}: {head}");
        assert!(answer.contains(words), "{path}: {answer}");
    }
    let head = ask(address, format!("HEAD /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes());
    assert!(code(&head) == "200" && head.ends_with("\r\n\r\n"), "{head}");
}

#[test]
fn hostile_requests_are_refused() {
    let (_metrics, address) = start(Ok(()));
    let many = format!("GET / HTTP/1.1\r\nHost: {address}\r\n{}\r\n", "X: y\r\n".repeat(200));
    let huge = format!("GET / HTTP/1.1\r\nHost: {address}\r\nX: {}\r\n\r\n", "y".repeat(100_000));
    let long = format!("GET /{} HTTP/1.1\r\nHost: {address}\r\n\r\n", "a".repeat(100_000));
    let own = format!("Host: {address}\r\n");
    for (request, allowed) in [
        ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_owned(), &["403"][..]),
        ("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n\r\n".to_owned(), &["403"]),
        ("GET / HTTP/1.1\r\nHost: <script>\r\n\r\n".to_owned(), &["400"]),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(), &["400"]),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), &["400"]),
        (format!("GET http://{address}/ HTTP/1.1\r\n{own}\r\n"), &["400"]),
        (format!("POST / HTTP/1.1\r\n{own}Content-Length: 0\r\n\r\n"), &["405"]),
        (format!("DELETE /metrics HTTP/1.1\r\n{own}\r\n"), &["405"]),
        (format!("TRACE / HTTP/1.1\r\n{own}\r\n"), &["405"]),
        (format!("CONNECT {address} HTTP/1.1\r\n{own}\r\n"), &["400", "405"]),
        (format!("GET / HTTP/1.1\r\n{own}Content-Length: 5\r\n\r\nhello"), &["413"]),
        (format!("GET / HTTP/1.1\r\n{own}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), &["413"]),
        (many, &["431"]),
        (huge, &["431"]),
        (long, &["414", "431"]),
        ("\u{0}\u{1}\u{2}\r\n\r\n".to_owned(), &["400"]),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), &["400", "505"]),
    ] {
        let answer = ask(address, request.as_bytes());
        let shown = request.chars().take(80).collect::<String>();
        assert!(allowed.contains(&code(&answer)), "{shown:?}: {answer}");
        assert!(!answer.contains("VI_1"), "{shown:?} was told something");
    }
    assert_eq!(code(&get(address, "/metrics")), "200");
}

#[test]
fn an_agent_that_does_not_answer_is_not_healthy() {
    let (_metrics, address) = start(Err("the election thread has ended".to_owned()));
    for path in ["/", "/metrics", "/healthz", "/readyz"] {
        let answer = get(address, path);
        assert!(code(&answer) == "503" && answer.contains("the election thread has ended"), "{answer}");
    }
}

#[test]
fn those_who_say_nothing_are_hung_up_on_and_further_ones_are_told() {
    let (_metrics, address) = start(Ok(()));
    let mut silent: Vec<TcpStream> = (0..MAX_CONNECTIONS).map(|_| connect(address)).collect();
    for stream in &mut silent {
        stream.write_all(b"GET / HT").expect("written");
    }
    let refused = get(address, "/metrics");
    assert!(code(&refused) == "503" && refused.contains("too many connections"), "{refused}");
    for mut stream in silent {
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
    }
    assert_eq!(code(&get(address, "/metrics")), "200");
}

#[test]
fn the_page_is_pushed_to_a_bounded_number() {
    let (_metrics, address) = start(Ok(()));
    let request = format!("GET /events HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let mut listeners: Vec<TcpStream> = (0..MAX_SUBSCRIBERS).map(|_| connect(address)).collect();
    for stream in &mut listeners {
        stream.write_all(request.as_bytes()).expect("written");
        let mut heard = String::new();
        while !heard.contains("data: ") {
            let mut some = [0; 4096];
            let read = stream.read(&mut some).expect("events");
            assert!(read > 0, "{heard}");
            heard.push_str(&String::from_utf8_lossy(&some[..read]));
        }
        assert!(heard.to_ascii_lowercase().contains("content-type: text/event-stream"), "{heard}");
    }
    let refused = get(address, "/events");
    assert!(code(&refused) == "503" && refused.contains("too many pages"), "{refused}");
    let metrics = get(address, "/metrics");
    assert!(metrics.contains(&format!("vipward_http_subscribers {MAX_SUBSCRIBERS}\n")), "{metrics}");
    drop(listeners);
    // Somebody who left makes room as soon as that is noticed: with the next thing that is sent to him.
    let end = Instant::now() + LIMIT;
    loop {
        let mut stream = connect(address);
        stream.write_all(request.as_bytes()).expect("written");
        let mut some = [0; 64];
        let read = stream.read(&mut some).expect("an answer");
        if some[..read].starts_with(b"HTTP/1.1 200") {
            break;
        }
        assert!(Instant::now() < end, "no room was made");
        std::thread::yield_now();
    }
}

#[test]
fn dropping_it_closes_the_port() {
    let (metrics, address) = start(Ok(()));
    assert_eq!(code(&get(address, "/healthz")), "200");
    drop(metrics);
    assert!(TcpStream::connect(address).is_err());
}
