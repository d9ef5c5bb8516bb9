//! Servers that are none, or not ours.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use vipward::render::store::{Backend, Options, Store};

use crate::support::{Following, options, read_once};

/// A server that says the same to everybody; nothing at all if that is empty, while it keeps the connection.
struct Parrot {
    node: String,
}

impl Parrot {
    fn start(words: &'static [u8]) -> Parrot {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let node = listener.local_addr().unwrap().to_string();
        // Ends with the test's process; it owns nothing but its sockets.
        thread::spawn(move || {
            let mut kept = Vec::new();
            for stream in listener.incoming().flatten() {
                let mut stream = stream;
                if words.is_empty() {
                    kept.push(stream);
                    continue;
                }
                thread::spawn(move || {
                    let mut request = [0; 4096];
                    while stream.read(&mut request).is_ok_and(|read| read > 0) {
                        if stream.write_all(words).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Parrot { node }
    }
}

const NETWORKED: [Backend; 6] =
    [Backend::Etcd, Backend::EtcdV2, Backend::EtcdV3, Backend::Consul, Backend::Redis, Backend::Zookeeper];

#[test]
fn answers_that_make_no_sense_are_errors_that_name_the_node() {
    let answers: [&[u8]; 4] = [
        b"\x00\xff\x13garbage\r\n\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<html/>\r\n",
        b"HTTP/1.1 500 Oh no\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://example.invalid/\r\nContent-Length: 0\r\n\r\n",
    ];
    for answer in answers {
        let parrot = Parrot::start(answer);
        for backend in NETWORKED {
            let error = read_once(options(backend, std::slice::from_ref(&parrot.node)), &["/k"])
                .unwrap_err()
                .to_string();
            assert!(error.contains(&parrot.node), "{backend}: {error}");
        }
    }
}

#[test]
fn silence_and_nobody_are_bounded_and_named() {
    let parrot = Parrot::start(b"");
    let nobody = format!("127.0.0.1:{}", vipward_tests::servers::free_port().unwrap());
    for backend in NETWORKED {
        let error =
            read_once(options(backend, std::slice::from_ref(&parrot.node)), &["/k"]).unwrap_err().to_string();
        assert!(error.contains(&parrot.node) && error.contains("within"), "{backend}: {error}");
        let error =
            read_once(options(backend, std::slice::from_ref(&nobody)), &["/k"]).unwrap_err().to_string();
        assert!(error.contains(&nobody) && error.contains("cannot be reached"), "{backend}: {error}");
        let following = Following::start(options(backend, &[nobody.clone(), parrot.node.clone()]), &["/k"]);
        let why = following.why();
        assert!(why.contains(&nobody) || why.contains(&parrot.node), "{backend}: {why}");
    }
}

#[test]
fn nodes_that_cannot_be_are_refused_at_once() {
    for backend in NETWORKED {
        let mut options = Options::new(backend);
        options.nodes = vec!["http://127.0.0.1:1/path".to_owned()];
        let error = Store::open(options).unwrap_err().to_string();
        assert!(error.contains("http://127.0.0.1:1/path"), "{backend}: {error}");
    }
}
