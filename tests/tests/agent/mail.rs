//! Mail upon transitions, to a server that stands in the test; and that no such server is waited for.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context, Result};
use vipward_tests::lab::clock::Moment;
use vipward_tests::peers::{Form, Kind, Pair, Peer, Side};

use crate::seen::{instance, logged};

/// Longer than a mail takes on the slowest machine.
const LIMIT: Duration = Duration::from_secs(20);

/// Hands out the subject and the whole text of each mail that arrives.
fn sink(listener: TcpListener) -> Receiver<(String, String)> {
    let (told, mails) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let Some(mail) = receive(&stream) else { continue };
            if told.send(mail).is_err() {
                return;
            }
        }
    });
    mails
}

/// One session of RFC 5321, in which everything is fine.
fn receive(mut stream: &TcpStream) -> Option<(String, String)> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    stream.write_all(b"220 sink\r\n").ok()?;
    let mut mail = String::new();
    while let Some(line) = lines.next() {
        let answer: &[u8] = match line.get(..4)? {
            "DATA" => {
                stream.write_all(b"354 go on\r\n").ok()?;
                for line in lines.by_ref().take_while(|line| line != ".") {
                    mail.push_str(&line);
                    mail.push('\n');
                }
                b"250 taken\r\n"
            }
            "QUIT" => break,
            _ => b"250 fine\r\n",
        };
        stream.write_all(answer).ok()?;
    }
    let subject = mail.lines().find_map(|line| line.strip_prefix("Subject: "))?.to_owned();
    Some((subject, mail))
}

/// A pair whose first host mails to a port of its own loopback.
fn pair(kind: Kind) -> Result<(Pair, TcpListener)> {
    let mut pair = Pair::new(Form::V3, kind, Kind::Keepalived)?;
    pair.a.host.ip("link set dev lo up\n")?;
    let listener = pair.a.host.namespace().enter(|| TcpListener::bind("127.0.0.1:0"))??;
    let port = listener.local_addr()?.port();
    let conf = pair.a.conf.clone().global("router_id lb1").global("smtp_alert");
    let conf = conf.global("notification_email {\n        ops@mail.example\n    }");
    let conf = conf.global("notification_email_from lb1@host.example").global("smtp_helo_name lb1.example");
    pair.a.conf = conf.global(format!("smtp_server 127.0.0.1 {port}"));
    Ok((pair, listener))
}

fn mailed(kind: Kind) -> Result<()> {
    let (mut pair, listener) = pair(kind)?;
    let mails = sink(listener);
    let next = |pair: &Pair, state: &str| -> Result<String> {
        let mail = mails.recv_timeout(LIMIT).with_context(|| format!("no mail of {state}"));
        let (subject, mail) = pair.explain(mail)?;
        let tells = ["[lb1]", "VI_1", state].iter().all(|word| subject.contains(word));
        pair.ensure(tells, || format!("{state}: {subject}"))?;
        Ok(mail)
    };
    pair.a.start()?;
    next(&pair, "BACKUP")?;
    let mail = next(&pair, "MASTER")?;
    pair.ensure(mail.contains("To: ops@mail.example") && mail.contains("lb1@host.example"), || mail.clone())?;
    if matches!(kind, Kind::Vipward(_)) {
        pair.ensure(mail.contains("Priority here: 150") && mail.contains("Reason: "), || mail.clone())?;
    }
    pair.a.host.unplug()?;
    next(&pair, "FAULT")?;
    pair.a.host.plug()?;
    next(&pair, "BACKUP")?;
    next(&pair, "MASTER")?;
    pair.settles_on(Side::A)
}

#[test]
fn keepalived_mails_what_is_expected() -> Result<()> {
    mailed(Kind::Keepalived)
}

#[test]
fn people_are_mailed_what_keepalived_mails_them() -> Result<()> {
    mailed(Kind::Vipward("auto"))
}

/// It takes connections and says nothing.
#[test]
fn a_mail_server_that_hangs_delays_nothing() -> Result<()> {
    let (mut pair, listener) = pair(Kind::Vipward("auto"))?;
    pair.settle()?;
    let before = instance(&pair.a)?.transitions;
    let event = Moment::now();
    pair.a.host.unplug()?;
    pair.takes_over(Side::B, event)?;
    pair.a.host.plug()?;
    pair.settles_on(Side::A)?;
    pair.ensure(instance(&pair.a)?.transitions > before, || "it did not move".to_owned())?;
    pair.a.stop()?;
    drop(listener);
    Ok(())
}

#[test]
fn a_mail_server_that_is_not_there_is_told_of_once() -> Result<()> {
    let (mut pair, listener) = pair(Kind::Vipward("auto"))?;
    drop(listener);
    pair.settle()?;
    let lost = |pair: &Pair| {
        let log = pair.a.peer.as_ref().map(Peer::log).unwrap_or_default();
        log.matches("a mail is lost").count()
    };
    pair.wait("the log to say so", || logged(&pair.a, "further ones are counted"))?;
    pair.a.host.unplug()?;
    pair.settles_on(Side::B)?;
    pair.a.host.plug()?;
    pair.settles_on(Side::A)?;
    pair.ensure(lost(&pair) == 1, || format!("{} times", lost(&pair)))
}
