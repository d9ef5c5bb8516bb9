//! What matches, and what is told of how many there are.

use super::*;

fn spec(command: &str, subject: Subject) -> ProcessSpec {
    ProcessSpec {
        name: "p".into(),
        command: command.into(),
        subject,
        quorum: 1,
        quorum_max: u32::MAX,
        fork_delay: Duration::ZERO,
        terminate_delay: Duration::ZERO,
    }
}

fn process(name: &str, words: &[&str]) -> Process {
    let line = words.iter().flat_map(|word| word.bytes().chain([0])).collect();
    Process { name: Some(name.into()), command_line: Some(line) }
}

/// The last thing told, `U`, `D` or `.` for nothing.
fn told(table: &mut Table, now: Instant) -> char {
    match table.take_news(now).last() {
        Some(news) if news.up => 'U',
        Some(_) => 'D',
        None => '.',
    }
}

#[test]
fn processes_match_by_name_command_or_parameters() {
    let parameters = |words: &[&str], how| {
        let words = words.iter().map(ToString::to_string).collect();
        Subject::Parameters { words, how }
    };
    let nginx = process("nginx", &["/usr/sbin/nginx", "-g", "daemon off;"]);
    let long = process("a-name-of-sixte", &["x"]);
    for (spec, process, expected) in [
        (spec("nginx", Subject::Name), &nginx, true),
        (spec("ngin", Subject::Name), &nginx, false),
        (spec("a-name-of-sixteen", Subject::Name), &long, true),
        (spec("/usr/sbin/nginx", Subject::Name), &nginx, false),
        (spec("/usr/sbin/nginx", Subject::Command), &nginx, true),
        (spec("nginx", Subject::Command), &nginx, false),
        (spec("/usr/sbin/nginx", parameters(&["-g", "daemon off;"], Match::Exact)), &nginx, true),
        (spec("/usr/sbin/nginx", parameters(&["-g"], Match::Exact)), &nginx, false),
        (spec("/usr/sbin/nginx", parameters(&["-g"], Match::Partial)), &nginx, true),
        (spec("/usr/sbin/nginx", parameters(&["-g", "daemon"], Match::Partial)), &nginx, false),
        (spec("/usr/sbin/nginx", parameters(&["-g", "daemon"], Match::Initial)), &nginx, true),
        (spec("/usr/sbin/nginx", parameters(&["-", "daemon"], Match::Initial)), &nginx, false),
        (spec("/usr/sbin/nginx", parameters(&["-g", "daemon off;", "-x"], Match::Initial)), &nginx, false),
        (spec("x", parameters(&[], Match::Exact)), &long, true),
        (spec("/usr/sbin/nginx", parameters(&[], Match::Exact)), &nginx, false),
        (spec("x", Subject::Command), &Process::default(), false),
    ] {
        assert_eq!(spec.matches(process), expected, "{spec:?}");
    }
}

fn table(spec: ProcessSpec, now: Instant, pids: &[i32]) -> Table {
    let mut table = Table::default();
    let found = process(&spec.command, &[]);
    table.configure(vec![spec]);
    table.scan(now, pids.iter().map(|pid| (*pid, found.clone())));
    table
}

#[test]
fn the_quorum_has_two_ends() {
    let now = Instant::now();
    let mut spec = spec("web", Subject::Name);
    (spec.quorum, spec.quorum_max) = (2, 3);
    let mut table = table(spec, now, &[1]);
    assert_eq!(told(&mut table, now), 'D');
    table.forked(now, 1, 2);
    assert_eq!(told(&mut table, now), 'U');
    table.executed(now, 3, &process("web", &[]));
    assert_eq!(told(&mut table, now), '.');
    table.forked(now, 3, 4);
    assert_eq!(told(&mut table, now), 'D');
    table.ended(now, 4);
    assert_eq!(told(&mut table, now), 'U');
    table.renamed(now, 3, b"other");
    table.executed(now, 2, &process("other", &[]));
    assert_eq!(told(&mut table, now), 'D');
    table.forked(now, 99, 100);
    table.ended(now, 99);
    assert_eq!(table.pids.len(), 1);
}

#[test]
fn delays_bridge_a_restart_and_a_fork() {
    let now = Instant::now();
    let later = |ms| now + Duration::from_millis(ms);
    let mut spec = spec("web", Subject::Name);
    (spec.terminate_delay, spec.fork_delay) = (Duration::from_millis(100), Duration::from_millis(50));
    spec.quorum = 2;
    let mut table = table(spec, now, &[1, 2]);
    assert_eq!(told(&mut table, now), 'U');
    table.ended(now, 2);
    assert_eq!(table.next(), Some(later(100)));
    assert_eq!(told(&mut table, later(99)), '.');
    table.executed(later(99), 3, &process("web", &[]));
    assert_eq!((told(&mut table, later(200)), table.next()), ('.', None));
    table.ended(later(200), 3);
    assert_eq!(told(&mut table, later(300)), 'D');
    table.forked(later(300), 1, 4);
    assert_eq!(told(&mut table, later(349)), '.');
    assert_eq!(told(&mut table, later(350)), 'U');
    // A program that is executed is there at once.
    table.ended(later(400), 4);
    assert_eq!(told(&mut table, later(500)), 'D');
    table.executed(later(500), 5, &process("web", &[]));
    assert_eq!(told(&mut table, later(500)), 'U');
}

#[test]
fn a_reload_and_a_scan_tell_only_what_changed() {
    let now = Instant::now();
    let spec = spec("web", Subject::Name);
    let mut table = table(spec.clone(), now, &[1]);
    assert_eq!(told(&mut table, now), 'U');
    table.configure(vec![spec.clone()]);
    table.scan(now, [(7, process("web", &[]))]);
    assert_eq!(told(&mut table, now), '.');
    table.scan(now, []);
    assert_eq!(told(&mut table, now), 'D');
    table.configure(vec![ProcessSpec { command: "db".into(), ..spec }]);
    table.scan(now, []);
    assert_eq!(told(&mut table, now), 'D', "another process has not been told of");
}
