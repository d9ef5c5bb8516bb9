//! Runs another program that prints something, for a bounded time and a bounded length.

use std::io::{ErrorKind, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// Longest wait for a program.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most that one may print: a rule set with tens of thousands of rules.
const LENGTH: u64 = 32 << 20;
/// Where programs for root are that the caller's PATH may lack.
const ELSEWHERE: &str = "/usr/sbin:/sbin";

/// What came of running a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// It succeeded and printed this.
    Printed(String),
    /// There is none of that name.
    Missing,
}

/// Runs a program; the error is for a person.
pub(super) fn output(program: &str, arguments: &[&str]) -> Result<Output, String> {
    run(program, arguments, PATIENCE)
}

fn run(program: &str, arguments: &[&str], patience: Duration) -> Result<Output, String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(program);
    command.args(arguments).env("PATH", format!("{path}:{ELSEWHERE}"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Output::Missing),
        Err(error) => return Err(format!("cannot run {program}: {error}")),
    };
    let (sender, receiver) = channel();
    let printed = child.stdout.take();
    // Ends when the program's output does, which a killed program's does.
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = printed.map(|stdout| stdout.take(LENGTH).read_to_end(&mut bytes));
        let _ = sender.send((read, bytes));
    });
    let heard = receiver.recv_timeout(patience);
    if heard.is_err() {
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| format!("cannot wait for {program}: {error}"))?;
    match heard {
        Err(RecvTimeoutError::Timeout) => Err(format!("{program} did not answer within {patience:?}")),
        Ok((Some(Ok(_)), bytes)) if status.success() => {
            Ok(Output::Printed(String::from_utf8_lossy(&bytes).into_owned()))
        }
        _ => Err(format!("{program} failed ({status}): its rules are not looked at")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_print_fail_hang_or_are_not_there() {
        assert_eq!(output("echo", &["a"]), Ok(Output::Printed("a\n".into())));
        assert_eq!(output("no-such-program-here", &[]), Ok(Output::Missing));
        assert!(output("false", &[]).is_err_and(|why| why.contains("failed")));
        let hanging = run("sleep", &["60"], Duration::from_millis(50));
        assert!(hanging.is_err_and(|why| why.contains("did not answer")));
    }
}
