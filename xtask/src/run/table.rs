//! The demonstration on the terminal: one row for each VIP and event, redrawn in place while things move.

use std::io::{IsTerminal, Write, stdout};
use std::net::IpAddr;
use std::time::Duration;

/// One row.
pub(super) struct Row {
    /// What has happened.
    pub(super) event: &'static str,
    pub(super) vip: IpAddr,
    /// States of n1 and n2.
    pub(super) states: Vec<String>,
    /// Who answers the client now.
    pub(super) page: String,
    pub(super) gap: Option<Duration>,
    /// What the gap is held against, or something else worth knowing.
    pub(super) note: String,
    pub(super) verdict: Verdict,
}

/// How a row turned out.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// Not known yet.
    Open,
    /// As it should be, in these words.
    Good(String),
    /// Not as it should be.
    Bad,
}

/// Rows that belong together and are drawn over each other.
pub(super) struct Table {
    live: bool,
    coloured: bool,
    drawn: usize,
}

const GREEN: &str = "32";
const RED: &str = "31";
const BOLD: &str = "1";
const DIM: &str = "2";

impl Table {
    pub(super) fn new() -> Table {
        Table { live: stdout().is_terminal(), coloured: coloured(), drawn: 0 }
    }

    /// Shows how things stand; only on a terminal, where the next drawing can replace it.
    pub(super) fn draw(&mut self, rows: &[Row]) {
        if self.live {
            self.print(rows);
        }
    }

    /// Shows how things ended.
    pub(super) fn finish(&mut self, rows: &[Row]) {
        self.print(rows);
        self.drawn = 0;
    }

    fn print(&mut self, rows: &[Row]) {
        // Up to the first row of the last drawing, then each row over its predecessor.
        let up = if self.drawn > 0 { format!("\x1b[{}A", self.drawn) } else { String::new() };
        let end = if self.live { "\x1b[K\n" } else { "\n" };
        let rows_text: String = rows.iter().map(|row| self.row(row) + end).collect();
        self.drawn = rows.len();
        show(&(up + &rows_text));
    }

    fn row(&self, row: &Row) -> String {
        let states: String = row.states.iter().map(|state| self.state(state)).collect();
        let gap = row.gap.map_or_else(String::new, duration);
        let verdict = match &row.verdict {
            Verdict::Open => String::new(),
            Verdict::Good(words) => self.paint(GREEN, words),
            Verdict::Bad => self.paint(RED, "NOT OK"),
        };
        let line = format!(
            "  {:<24}{:<14}{states}{:<8}{gap:>9}   {:<15} {verdict}",
            row.event,
            row.vip.to_string(),
            row.page,
            row.note
        );
        line.trim_end().to_owned()
    }

    fn state(&self, state: &str) -> String {
        let padded = format!("{state:<9}");
        match state {
            "MASTER" => self.paint(GREEN, &padded),
            "FAULT" => self.paint(RED, &padded),
            _ => padded,
        }
    }

    fn paint(&self, style: &str, text: &str) -> String {
        if self.coloured { paint(style, text) } else { text.to_owned() }
    }
}

/// A scene's title, where its bounds come from, and the names of the columns.
pub(super) fn heading(title: &str, explanations: &[String]) {
    let style = |style, text: &str| if coloured() { paint(style, text) } else { text.to_owned() };
    let columns = format!(
        "{:<24}{:<14}{:<9}{:<9}{:<8}{:>9}   {}",
        "what happens", "VIP", "n1", "n2", "client", "gap", "bound"
    );
    let explanations: Vec<String> = explanations.iter().map(|line| style(DIM, line)).collect();
    let explanations = explanations.join("\n  ");
    show(&format!("\n  {}\n  {explanations}\n\n  {}\n", style(BOLD, title), style(DIM, &columns)));
}

/// A bound as the table shows it.
pub(super) fn bound(bound: Duration) -> String {
    if bound.is_zero() { "no gap".to_owned() } else { format!("<= {}", duration(bound)) }
}

/// Seconds from one second on, milliseconds below.
pub(super) fn duration(duration: Duration) -> String {
    let milliseconds = duration.as_secs_f64() * 1e3;
    if milliseconds < 10.0 && !duration.subsec_micros().is_multiple_of(1_000) {
        format!("{milliseconds:.1} ms")
    } else if milliseconds < 1_000.0 {
        format!("{milliseconds:.0} ms")
    } else if duration.subsec_nanos() == 0 {
        format!("{} s", duration.as_secs())
    } else {
        format!("{:.3} s", duration.as_secs_f64())
    }
}

fn paint(style: &str, text: &str) -> String {
    format!("\x1b[{style}m{text}\x1b[0m")
}

/// Whether colours are welcome (no-color.org).
fn coloured() -> bool {
    stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// A reader that went away is no reason to leave the lab half-way.
fn show(text: &str) {
    let mut out = stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        let cases = [
            (0, "0 ms"),
            (850, "0.8 ms"),
            (3_000, "3 ms"),
            (41_200, "41 ms"),
            (1_000_000, "1 s"),
            (3_609_375, "3.609 s"),
        ];
        for (microseconds, expected) in cases {
            assert_eq!(duration(Duration::from_micros(microseconds)), expected);
        }
    }

    #[test]
    fn a_row_has_everything_in_its_column() {
        let table = Table { live: false, coloured: false, drawn: 0 };
        let mut row = Row {
            event: "the link of n1 is cut",
            vip: "10.77.0.100".parse().unwrap(),
            states: vec!["FAULT".to_owned(), "MASTER".to_owned()],
            page: "n2".to_owned(),
            gap: Some(Duration::from_millis(3_601)),
            note: "<= 3.609 s".to_owned(),
            verdict: Verdict::Good("ok".to_owned()),
        };
        let expected = "  the link of n1 is cut   10.77.0.100   FAULT    MASTER   n2        3.601 s   <= 3.609 s      ok";
        assert_eq!(table.row(&row), expected);
        row.verdict = Verdict::Bad;
        row.note = "no gap".to_owned();
        assert!(table.row(&row).ends_with("no gap          NOT OK"));
    }
}
