//! What /proc says of processes. The command line is read only if it must be: that touches the process's own memory.

use std::fs::{self, File};
use std::io::Read;

use super::table::{Process, Table};

/// Bytes of a command line that are looked at.
const MAX_COMMAND_LINE: u64 = 64 << 10;

/// All processes that run, with what `table` must know of them.
pub(super) fn all(table: &Table) -> Vec<(i32, Process)> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| Some((pid, one(table, pid)?))).collect()
}

/// One of them; `None` if it has ended.
pub(super) fn one(table: &Table, pid: i32) -> Option<Process> {
    let mut process = Process::default();
    if table.needs_names() {
        process.name = Some(name(&read(&format!("/proc/{pid}/stat"))?)?);
    }
    if table.needs_command_lines() {
        process.command_line = Some(read(&format!("/proc/{pid}/cmdline"))?);
    }
    Some(process)
}

fn read(path: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(MAX_COMMAND_LINE).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// The name in `/proc/PID/stat`, which stands in parentheses and may hold some; `None` for a zombie.
fn name(stat: &[u8]) -> Option<Vec<u8>> {
    let begin = stat.iter().position(|byte| *byte == b'(')? + 1;
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let zombie = stat.get(end + 2) == Some(&b'Z');
    stat.get(begin..end).filter(|_| !zombie).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_whatever_they_hold() {
        assert_eq!(name(b"12 (nginx) S 1"), Some(b"nginx".to_vec()));
        assert_eq!(name(b"12 (a) b (c) R 1"), Some(b"a) b (c".to_vec()));
        assert_eq!(name(b"12 (nginx) Z 1"), None);
        assert_eq!(name(b"12 ()"), Some(Vec::new()));
        for stat in [&b""[..], b"12", b")(", b"12 (nginx"] {
            assert_eq!(name(stat), None, "{stat:?}");
        }
    }
}
