//! Whatever stands in a keepalived.conf: no panic, findings within the file, and bounded work.
#![allow(clippy::unwrap_used, reason = "the helpers of tests may fail as tests do")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, iter};

use proptest::prelude::*;
use vipward::config::diagnostic::Severity;
use vipward::config::{self, Loaded, Options};

/// Every configuration of the corpus with its text.
fn corpus() -> Vec<(PathBuf, String)> {
    ["runs", "advised", "refused"]
        .into_iter()
        .flat_map(|kind| fs::read_dir(Path::new("corpus/keepalived").join(kind)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "conf"))
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect()
}

/// Reads `text`, and checks what must hold of any answer.
fn read(path: &Path, text: &str, lenient: bool) -> Loaded {
    let loaded = config::load_str(path, text, &Options { lenient, ..Options::default() });
    let errors = loaded.diagnostics.iter().any(|found| found.severity == Severity::Error);
    assert_eq!(loaded.config.is_none(), errors, "refused without a reason, or run in spite of one");
    let lines = text.lines().count().max(1);
    for found in &loaded.diagnostics {
        let shown = found.to_string();
        assert!(!shown.contains(char::is_control), "{shown:?}");
        if *found.at.file == path {
            assert!((1..=lines).contains(&(found.at.line as usize)), "{shown}");
            assert!(found.at.col >= 1, "{shown}");
        }
    }
    loaded
}

/// A configuration in which every line matters: damage to any of them must be noticed at that line, or change the
/// model, or leave both alone because the line still says the same.
const SAMPLE: &str = "\
global_defs {
    router_id node
    vrrp_version 3
}
vrrp_script up {
    script \"/bin/true\"
    interval 2
    weight -20
}
vrrp_instance one {
    state BACKUP
    interface eth0
    virtual_router_id 10
    priority 150
    advert_int 0.8
    virtual_ipaddress {
        192.0.2.1/24 dev eth1
    }
    track_script {
        up
    }
}
";

#[test]
fn a_misspelt_keyword_is_reported_where_it_stands() {
    for (number, line) in SAMPLE.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        if line.trim() == "}" {
            continue;
        }
        let damaged: Vec<String> = SAMPLE
            .lines()
            .enumerate()
            .map(
                |(at, line)| {
                    if at == number { format!("{line:.indent$}zz{}", line.trim()) } else { line.to_owned() }
                },
            )
            .collect();
        let loaded = read(Path::new("sample.conf"), &damaged.join("\n"), false);
        let place = format!("sample.conf:{}:{}: error", number + 1, indent + 1);
        let found = loaded.diagnostics.iter().any(|found| found.to_string().starts_with(&place));
        assert!(found, "{line}: {:#?}", loaded.diagnostics);
    }
}

#[test]
fn a_missing_line_changes_the_model_or_is_reported() {
    let whole = read(Path::new("sample.conf"), SAMPLE, false);
    assert!(whole.diagnostics.is_empty(), "{:?}", whole.diagnostics);
    for missing in 0..SAMPLE.lines().count() {
        let lines = SAMPLE.lines().enumerate().filter(|(at, _)| *at != missing).map(|(_, line)| line);
        let loaded = read(Path::new("sample.conf"), &lines.collect::<Vec<_>>().join("\n"), false);
        let line = SAMPLE.lines().nth(missing).unwrap();
        // `state BACKUP` says what is the case without it.
        let redundant = line.trim() == "state BACKUP";
        assert_eq!(loaded.config == whole.config && loaded.diagnostics.is_empty(), redundant, "{line}");
    }
}

#[test]
fn a_flood_is_answered_in_time() {
    let mutations = [
        "{".repeat(2 << 20),
        "}".repeat(2 << 20),
        "vrrp_instance a {\n".repeat(30_000),
        "x y z\n".repeat(300_000),
        "a".repeat(8 << 20),
        "\"".repeat(1 << 20),
        "script \"".to_owned() + &"\\".repeat(1 << 20),
        "vrrp_script s { script \"".to_owned() + &"x ".repeat(1 << 20) + "\" }",
        format!("vrrp_instance a {{ virtual_ipaddress {{ {} }} }}", "10.0.0.1\n".repeat(100_000)),
        "include\n".repeat(100_000),
        "$A=${A}${A}\n${A}\n".repeat(30_000),
        "$B=x\n".to_owned() + &"${B}".repeat(1 << 20),
        "$".repeat(4 << 20),
        "$B=x\n".to_owned() + &" ".repeat(1 << 20) + &"${_HASH}".repeat(1 << 17),
        "~SEQ(A,1,1000) ~SEQ(B,1,1000) ~SEQ(C,1,1000) x ${A}${B}${C}\n".repeat(1000),
        "$V= \\\n".to_owned() + &"x \\\n".repeat(100_000) + "y\n" + &"$V\n".repeat(1000),
    ];
    for text in mutations {
        let begun = Instant::now();
        read(Path::new("flood.conf"), &text, false);
        let taken = begun.elapsed();
        assert!(taken < Duration::from_secs(40), "{taken:?} for {text:.40}");
    }
}

#[test]
fn ten_thousand_instances_are_read_in_time() {
    let text: String = (0..10_000)
        .flat_map(|n| {
            let (interface, vrid) = (n / 250, n % 250 + 1);
            let block = SAMPLE.split_once("vrrp_instance one").unwrap().1;
            let block =
                block.replace("eth0", &format!("eth{interface}")).replace("_id 10", &format!("_id {vrid}"));
            let address = format!("10.{}.{}.1", n / 250, n % 250);
            [format!("vrrp_instance i{n}"), block.replace("192.0.2.1", &address)]
        })
        .chain(iter::once(SAMPLE.split_once("vrrp_instance").unwrap().0.to_owned()))
        .collect();
    let begun = Instant::now();
    let loaded = read(Path::new("large.conf"), &text, false);
    let taken = begun.elapsed();
    assert_eq!(loaded.config.unwrap().instances.len(), 10_000);
    assert!(taken < Duration::from_secs(10), "{taken:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..2048), lenient: bool) {
        read(Path::new("bytes.conf"), &String::from_utf8_lossy(&bytes), lenient);
    }

    /// Words of the language in any order get deeper than bytes do.
    #[test]
    fn arbitrary_words(
        words in proptest::collection::vec(
            proptest::sample::select(vec![
                "{", "}", "\n", "vrrp_instance", "vrrp_script", "global_defs", "a", "eth0", "0", "1", "255", "-1", "0.5",
                "state", "MASTER", "BACKUP", "interface", "virtual_router_id", "priority", "advert_int", "version", "2",
                "3", "authentication", "auth_type", "PASS", "auth_pass", "virtual_ipaddress", "10.0.0.1", "fe80::1/64",
                "dev", "brd", "+", "track_script", "weight", "reverse", "unicast_peer", "min_ttl", "notify", "script",
                "\"x y\"", "'", "\\", "$(x)", "...", "~SEQ(N,1,3)", "~LST(A,${A},2)", "@a", "@^a", "$A=1", "$B= \\\n", "\\\n", "$A", "${A}", "${B}", "${N}",
                "${_RANDOM}", "include", "#", "nopreempt", "preempt_delay",
                "999999999999999999999", "é",
            ]),
            0..200,
        ),
        lenient: bool,
    ) {
        read(Path::new("words.conf"), &words.join(" "), lenient);
    }

    /// A configuration of the corpus with one stretch of it replaced.
    #[test]
    fn damaged_corpus(
        which in any::<prop::sample::Index>(),
        from in any::<prop::sample::Index>(),
        length in 0_usize..40,
        instead in "[ -~\n\t]{0,8}",
        lenient: bool,
    ) {
        let corpus = corpus();
        let (path, text) = which.get(&corpus);
        let chars: Vec<char> = text.chars().collect();
        let from = from.index(chars.len());
        let to = (from + length).min(chars.len());
        let damaged: String = chars[..from].iter().copied().chain(instead.chars()).chain(chars[to..].iter().copied()).collect();
        read(path, &damaged, lenient);
    }
}
