//! `vipward status`: asks once or watches, and shows JSON or text.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use super::client::{ClientError, Connection};
use super::protocol::{Request, Response};
use super::render::{Colour, render};
use super::status::{Lease, StatusSnapshot};

/// How often a watched agent is asked: soon enough for the eye, and nothing to the agent.
const WATCH_INTERVAL: Duration = Duration::from_millis(250);

/// How the status is shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Show {
    /// As JSON: pretty once, and one line per change when watching.
    pub json: bool,
    /// Again whenever it changed, until interrupted.
    pub watch: bool,
}

/// Why nothing was shown.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// The agent did not answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Standard output cannot be written to.
    #[error("cannot write the status")]
    Output(#[from] io::Error),
    /// The snapshot has no JSON form.
    #[error("cannot encode the status")]
    Json(#[from] serde_json::Error),
}

/// Shows the status of the agent that runs with `run_dir` on standard output. A watch survives a restart of the
/// agent, and ends without an error when the output is closed.
pub fn status(run_dir: &Path, show: Show) -> Result<(), ShowError> {
    status_on(run_dir, show, &mut io::stdout(), io::stdout().is_terminal())
}

/// The same on `out`.
pub(super) fn status_on(
    run_dir: &Path,
    show: Show,
    out: &mut dyn Write,
    terminal: bool,
) -> Result<(), ShowError> {
    let mut output = Screen { out, terminal };
    let shown = if show.watch { watch(run_dir, show, &mut output) } else { once(run_dir, show, &mut output) };
    match shown {
        Err(ShowError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

fn once(run_dir: &Path, show: Show, output: &mut Screen<'_>) -> Result<(), ShowError> {
    let snapshot = ask(&mut Connection::open(run_dir)?)?;
    let text = if show.json {
        serde_json::to_string_pretty(&snapshot)? + "\n"
    } else {
        render(&snapshot, output.colour())
    };
    Ok(output.out.write_all(text.as_bytes())?)
}

fn watch(run_dir: &Path, show: Show, output: &mut Screen<'_>) -> Result<(), ShowError> {
    let mut connection = None;
    let mut shown = None;
    loop {
        let answer = next(&mut connection, run_dir).map_err(|error| error.to_string());
        if answer.is_err() {
            connection = None;
        }
        let news = answer.clone().map(quiet);
        if shown.as_ref() != Some(&news) {
            match &answer {
                Ok(snapshot) if show.json => output.show(&(serde_json::to_string(snapshot)? + "\n"), true)?,
                Ok(snapshot) => output.show(&render(snapshot, output.colour()), false)?,
                // For a reader of JSON, no news.
                Err(_) if show.json => {}
                Err(error) => output.show(&format!("{error}\n"), false)?,
            }
            shown = Some(news);
        }
        std::thread::sleep(WATCH_INTERVAL);
    }
}

fn next(connection: &mut Option<Connection>, run_dir: &Path) -> Result<StatusSnapshot, ClientError> {
    match connection {
        Some(connection) => ask(connection),
        None => ask(connection.insert(Connection::open(run_dir)?)),
    }
}

fn ask(connection: &mut Connection) -> Result<StatusSnapshot, ClientError> {
    match connection.request(&Request::Status {})? {
        Response::Status(snapshot) => Ok(*snapshot),
        other => Err(ClientError::Protocol(format!("{other:?}"))),
    }
}

/// Without the counters that move with every advert, which are no change to look at. Of those of trouble, which
/// anybody on the network can move, it is one that they began.
fn quiet(mut snapshot: StatusSnapshot) -> StatusSnapshot {
    for instance in &mut snapshot.instances {
        instance.adverts_received = 0;
        instance.adverts_sent = 0;
        // Times that pass.
        instance.last_advert_seconds_ago = None;
        instance.preempts_in_seconds = None;
        if let Lease::Held { remaining_seconds } | Lease::Leaving { remaining_seconds } = &mut instance.lease
        {
            *remaining_seconds = remaining_seconds.signum();
        }
        for stranger in &mut instance.strangers {
            stranger.seconds_ago = 0.0;
        }
        for count in [
            &mut instance.adverts_failed,
            &mut instance.adverts_rejected,
            &mut instance.adverts_priority_zero,
            &mut instance.adverts_address_list_differs,
            &mut instance.adverts_interval_differs,
            &mut instance.timer_not_armed,
            &mut instance.events_ring_full,
        ]
        .into_iter()
        .chain(instance.adverts_rejected_by.values_mut())
        {
            *count = (*count).min(1);
        }
    }
    snapshot
}

struct Screen<'a> {
    out: &'a mut dyn Write,
    terminal: bool,
}

impl Screen<'_> {
    fn colour(&self) -> Colour {
        let wanted = self.terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        if wanted { Colour::Yes } else { Colour::No }
    }

    /// Redraws a terminal, and appends to anything else.
    fn show(&mut self, text: &str, json: bool) -> io::Result<()> {
        if self.terminal && !json {
            // Home, the text, then clear what is left of the old one: no flicker.
            let lines = text.replace('\n', "\x1b[K\n");
            self.out.write_all(format!("\x1b[H{lines}\x1b[J").as_bytes())?;
        } else {
            self.out.write_all(text.as_bytes())?;
        }
        self.out.flush()
    }
}
