//! Mail, to a server that stands here and notes what it is told.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::thread;

use super::super::mail::{Letter, MailSpec, Mailer};
use super::*;

/// Lines of one session, as the client sent them.
type Session = Vec<String>;

/// Takes `sessions` connections one after the other, answers as RFC 5321 has it, and hands out what was said. With
/// `refuse` it takes no sender.
fn sink(listener: TcpListener, refusals: usize) -> mpsc::Receiver<Session> {
    let (told, sessions) = mpsc::channel();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let session = serve(&stream.expect("a connection"), number < refusals);
            if told.send(session).is_err() {
                return;
            }
        }
    });
    sessions
}

fn serve(mut stream: &TcpStream, refuse: bool) -> Session {
    let mut lines = BufReader::new(stream).lines();
    let mut session = Session::new();
    let mut answer = |text: &str| stream.write_all(format!("{text}\r\n").as_bytes()).is_ok();
    answer("220 sink");
    let mut in_data = false;
    while let Some(Ok(line)) = lines.next() {
        session.push(line.clone());
        if in_data {
            if line == "." {
                in_data = false;
                answer("250 taken");
            }
            continue;
        }
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "MAIL" if refuse => answer("451 not now"),
            "DATA" => {
                in_data = true;
                answer("354 go on")
            }
            "QUIT" => {
                answer("221 bye");
                break;
            }
            _ => answer("250 fine"),
        };
    }
    session
}

fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    (listener, port)
}

fn letter(port: u16, subject: &str) -> Letter {
    let address = |text: &str| text.parse().expect("an address");
    let spec = MailSpec {
        server: "127.0.0.1".to_owned(),
        port,
        helo: "lb1.example".to_owned(),
        timeout: DEADLINE,
        from: address("lb1@host.example"),
        to: vec![address("ops@mail.example"), address("root@localhost")],
    };
    Letter { spec: Arc::new(spec), subject: subject.to_owned(), body: "One line.\n.\nAnother.\n".to_owned() }
}

#[tokio::test]
async fn a_mail_carries_all_that_it_was_given() {
    let (listener, port) = listener();
    let sessions = sink(listener, 0);
    let mut mailer = Mailer::default();
    mailer.post(letter(port, "[lb1] instance VI_1 is MASTER"));
    within(mailer.shutdown(DEADLINE)).await;
    let session = sessions.recv_timeout(DEADLINE).expect("a mail");
    for expected in [
        "EHLO lb1.example",
        "MAIL FROM:<lb1@host.example>",
        "RCPT TO:<ops@mail.example>",
        "RCPT TO:<root@localhost>",
        "Subject: [lb1] instance VI_1 is MASTER",
        "From: lb1@host.example",
        "To: ops@mail.example, root@localhost",
        "One line.",
        "..",
        "Another.",
    ] {
        assert!(session.iter().any(|line| line == expected), "{expected}: {session:#?}");
    }
    for header in ["Date: ", "Message-ID: <"] {
        assert!(session.iter().any(|line| line.starts_with(header)), "{header}: {session:#?}");
    }
}

#[tokio::test]
async fn mails_are_sent_in_order_and_one_that_is_refused_stops_none() {
    let (listener, port) = listener();
    let sessions = sink(listener, 1);
    let mut mailer = Mailer::default();
    for number in 0..3 {
        mailer.post(letter(port, &format!("number {number}")));
    }
    within(mailer.shutdown(DEADLINE)).await;
    let subjects: Vec<Option<String>> = (0..3)
        .map(|_| {
            let session = sessions.recv_timeout(DEADLINE).expect("a session");
            session.into_iter().find(|line| line.starts_with("Subject: "))
        })
        .collect();
    let expected = [None, Some("Subject: number 1".to_owned()), Some("Subject: number 2".to_owned())];
    assert_eq!(subjects, expected);
}

#[tokio::test]
async fn who_posts_to_a_server_that_hangs_does_not_wait() {
    // It takes connections and never says a word.
    let (listener, port) = listener();
    let mut mailer = Mailer::default();
    let before = std::time::Instant::now();
    for number in 0..1000 {
        mailer.post(letter(port, &format!("number {number}")));
    }
    within(mailer.shutdown(Duration::from_millis(10))).await;
    // The server would have been waited for.
    assert!(before.elapsed() < DEADLINE);
    drop(listener);
}
