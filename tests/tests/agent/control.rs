//! The control socket of a running agent under everything that a broken client can do to it: no election notices.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use vipward_tests::lab::clock::Moment;
use vipward_tests::peers::{Form, Kind, Pair, Side};

use crate::seen::{agent, instance};

const CLIENTS: usize = 1000;
const LIMIT: Duration = Duration::from_mins(1);
const STATUS: &[u8] = b"{\"request\":\"status\"}\n";

fn connect(socket: &Path) -> Result<UnixStream> {
    let stream = UnixStream::connect(socket).with_context(|| socket.display().to_string())?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    Ok(stream)
}

/// The next line, or nothing if the agent hung up.
fn answer(stream: &UnixStream) -> String {
    let mut line = String::new();
    // Refused clients may find their connection reset.
    let _ = BufReader::new(stream).read_line(&mut line);
    line
}

/// A thousand clients at once: those who find a place are answered, the others told why not.
fn crowd(socket: &Path) -> Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let wanted = u64::try_from(CLIENTS)? + 512;
    if soft < wanted {
        setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard)?;
    }
    let clients = (0..CLIENTS).map(|_| connect(socket)).collect::<Result<Vec<UnixStream>>>()?;
    let (mut served, mut refused) = (0, 0);
    for mut client in &clients {
        let _ = client.write_all(STATUS);
        let said = answer(client);
        served += usize::from(said.starts_with("{\"status\":"));
        refused += usize::from(said.contains("too many control connections"));
    }
    ensure!(served > 0 && served + refused == CLIENTS, "{served} were served and {refused} refused");
    Ok(())
}

/// Requests that are cut short, too long, or nonsense.
fn garbage(socket: &Path) -> Result<()> {
    for (sent, expected) in [
        (b"{\"request\":\"sta".to_vec(), ""),
        (vec![b'x'; 1 << 20], "a request may have"),
        ([vec![b'['; 60_000], b"\n".to_vec()].concat(), "bad request"),
        (b"\xff\x00\xfe\n".to_vec(), "bad request"),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "bad request"),
    ] {
        let mut stream = connect(socket)?;
        // The agent may hang up before it has read all of it.
        let _ = stream.write_all(&sent);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let said = answer(&stream);
        let right = if expected.is_empty() { said.is_empty() } else { said.contains(expected) };
        ensure!(right, "{} bytes were answered with {said:?}", sent.len());
    }
    Ok(())
}

/// Clients on every place who ask without end and read nothing. The agent hangs up on them, and serves again.
fn deaf(socket: &Path, pair: &Pair) -> Result<()> {
    let mut clients = Vec::new();
    for _ in 0..100 {
        let stream = connect(socket)?;
        stream.set_nonblocking(true)?;
        // As much as goes in.
        while (&stream).write(&STATUS.repeat(1000)).is_ok() {}
        clients.push(stream);
    }
    pair.wait("the agent to serve again", || agent(&pair.a).is_ok_and(|agent| agent.status().is_ok()))?;
    for mut client in clients {
        client.set_nonblocking(false)?;
        let mut some = [0; 1024];
        // Whatever it was told is for nobody any more; what counts is that there is an end.
        while client.read(&mut some).is_ok_and(|read| read > 0) {}
    }
    Ok(())
}

#[test]
fn no_client_of_the_control_socket_disturbs_an_election() -> Result<()> {
    let pair = Pair::settled(Form::V3, Kind::Vipward("xdp"), Kind::Vipward("xdp"))?;
    let socket = pair.a.host.folder().join("vipward/control.sock");
    let transitions =
        || Ok::<_, anyhow::Error>([instance(&pair.a)?.transitions, instance(&pair.b)?.transitions]);
    let (before, begun) = (transitions()?, Moment::now());
    crowd(&socket)?;
    garbage(&socket)?;
    deaf(&socket, &pair)?;
    pair.settles_on(Side::A)?;
    let after = transitions()?;
    pair.ensure(before == after, || format!("transitions were {before:?} and are {after:?}"))?;
    let silence = pair.longest_silence("n1", begun);
    pair.ensure(silence < pair.form.master_down(100), || format!("the master was silent for {silence:?}"))
}
