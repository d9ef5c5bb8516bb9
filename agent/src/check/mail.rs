//! Mail: telling people of transitions, without anybody waiting for a server.
//!
//! A thread of its own sends one mail after the other, for names are looked up and servers answer as slowly as they
//! like. It begins with the first mail. What waits for it is bounded: the mail that finds the queue full is dropped.
//! Each mail is tried once, as in keepalived; what could not be sent is told once per outage.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, SmtpTransport, Transport};
use tokio::sync::oneshot;
use tracing::{debug, info, warn};

/// Mails that wait to be sent.
const QUEUE: usize = 256;
/// All memory of the agent is locked, stacks included.
const STACK: usize = 512 * 1024;

/// Where mail goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailSpec {
    /// Name or address of the server.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// What this machine calls itself there.
    pub helo: String,
    /// How long the server may take for one step.
    pub timeout: Duration,
    /// Who writes.
    pub from: Address,
    /// To whom.
    pub to: Vec<Address>,
}

/// A mail to send.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Where it goes.
    pub spec: Arc<MailSpec>,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub body: String,
}

/// Sends mail. [`Mailer::post`] never waits.
#[derive(Debug, Default)]
pub struct Mailer {
    thread: Option<Postman>,
    /// Mails that found the queue full since the last that did not.
    dropped: u64,
}

#[derive(Debug)]
struct Postman {
    queue: SyncSender<Letter>,
    /// Closed when the thread has ended.
    ended: oneshot::Receiver<()>,
}

impl Mailer {
    /// Has `letter` sent.
    pub fn post(&mut self, letter: Letter) {
        let Some(thread) = self.thread() else { return };
        match thread.queue.try_send(letter) {
            Ok(()) => {
                if self.dropped > 0 {
                    warn!("{} mails were dropped", self.dropped);
                    self.dropped = 0;
                }
            }
            Err(TrySendError::Full(letter)) => {
                if self.dropped == 0 {
                    warn!("{QUEUE} mails wait for {} already: more are dropped", letter.spec.server);
                }
                self.dropped += 1;
            }
            Err(TrySendError::Disconnected(_)) => {
                warn!(
                    "the thread that sends mail has ended: a mail is lost, the next one gets another thread"
                );
                self.thread = None;
            }
        }
    }

    fn thread(&mut self) -> Option<&Postman> {
        if self.thread.is_none() {
            let (queue, letters) = sync_channel(QUEUE);
            let (running, ended) = oneshot::channel();
            let thread = thread::Builder::new().name("mail".to_owned()).stack_size(STACK);
            if let Err(error) = thread.spawn(move || deliver(&letters, running)) {
                warn!("no mail is sent, for there is no thread for it: {error}");
                return None;
            }
            self.thread = Some(Postman { queue, ended });
        }
        self.thread.as_ref()
    }

    /// Lets what waits be sent for `grace`. A server that takes longer ends with the agent.
    pub async fn shutdown(self, grace: Duration) {
        let Some(Postman { queue, ended }) = self.thread else { return };
        drop(queue);
        if tokio::time::timeout(grace, ended).await.is_err() {
            warn!(?grace, "mail is still being sent at shutdown and is lost");
        }
    }
}

/// Sends all letters until nobody posts any more.
fn deliver(letters: &Receiver<Letter>, running: oneshot::Sender<()>) {
    let mut lost = 0_u64;
    for letter in letters {
        let (spec, subject) = (&letter.spec, &letter.subject);
        match send(&letter) {
            Ok(()) => {
                if lost > 0 {
                    info!("{} takes mail again; {lost} were lost", spec.server);
                    lost = 0;
                }
                debug!(subject, server = spec.server, "mailed");
            }
            Err(error) => {
                if lost == 0 {
                    let (server, port) = (&spec.server, spec.port);
                    warn!(
                        "a mail is lost ({subject}): {server} port {port}: {error}; further ones are counted"
                    );
                }
                lost += 1;
            }
        }
    }
    drop(running);
}

/// Why a mail was not sent.
#[derive(Debug, thiserror::Error)]
enum MailError {
    #[error("it cannot be written: {0}")]
    Message(#[from] lettre::error::Error),
    #[error("{0}")]
    Server(String),
}

fn send(letter: &Letter) -> Result<(), MailError> {
    let Letter { spec, subject, body } = letter;
    let mailbox = |address: &Address| Mailbox::new(None, address.clone());
    let mut message =
        Message::builder().from(mailbox(&spec.from)).subject(subject).date_now().message_id(Some(id(spec)));
    for to in &spec.to {
        message = message.to(mailbox(to));
    }
    let message = message.header(ContentType::TEXT_PLAIN).body(body.clone())?;
    let server = SmtpTransport::builder_dangerous(spec.server.as_str())
        .port(spec.port)
        .timeout(Some(spec.timeout))
        .hello_name(ClientId::Domain(spec.helo.clone()))
        .build();
    server.send(&message).map(|_| ()).map_err(|error| MailError::Server(causes(&error)))
}

/// One that no other mail has, also of another machine with this clock.
fn id(spec: &MailSpec) -> String {
    format!("<{:x}.{:x}@{}>", fastrand::u64(..), std::process::id(), spec.helo)
}

/// An error with all that is behind it, in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
