//! Configurations: keepalived.conf with what it includes, and confd's TOML.

use std::path::Path;

use vipward::config::diagnostic::{Diagnostic, Severity};
use vipward::config::{Loaded, Options, load_and_look};
use vipward::net::Entry;
use vipward::render::resource::{self, Defaults};
use vipward::render::settings;

use crate::{assert_plain, parts};

/// Files that an input may consist of.
const FILES: usize = 4;
/// Bytes that a short input is repeated to: what takes the square of its length takes seconds then.
const LONG: usize = 256 << 10;

/// keepalived.conf and up to three files that it may include, `1`, `2` and `3`, divided by zero bytes.
pub(crate) fn keepalived(data: &[u8], scratch: &Path) {
    if reaches_out(data) {
        return;
    }
    let files = parts(data, FILES);
    for number in 0..FILES {
        let path = scratch.join(number.to_string());
        match files.get(number) {
            Some(text) => std::fs::write(path, text).expect("a file of ours"),
            // Of the input before.
            None => _ = std::fs::remove_file(path),
        }
    }
    for lenient in [false, true] {
        judge(&load_and_look(&scratch.join("0"), &Options { lenient, ..Options::default() }), lenient);
    }
}

/// A short keepalived.conf whose middle, between two zero bytes, comes again and again, with the number of the time in the
/// place of each `%`.
pub(crate) fn keepalived_long(data: &[u8], scratch: &Path) {
    let [head, middle, tail] = parts(data, 3)[..] else { return };
    if reaches_out(data) || middle.is_empty() {
        return;
    }
    let mut text = head.to_vec();
    let mut number = 0;
    while text.len() < LONG {
        for byte in middle {
            match byte {
                b'%' => text.extend(number.to_string().bytes()),
                byte => text.push(*byte),
            }
        }
        number += 1;
    }
    text.extend(tail);
    let path = scratch.join("0");
    std::fs::write(&path, text).expect("a file of ours");
    judge(&load_and_look(&path, &Options::default()), false);
}

/// Whether it may include what is not in the folder: other files of this host are no input.
fn reaches_out(data: &[u8]) -> bool {
    // With parameters any line may become an include; only prefix lengths are told from paths.
    if data.iter().any(|byte| matches!(byte, b'$' | b'~')) {
        return data
            .iter()
            .zip(data.iter().skip(1).chain([&0]))
            .any(|(byte, next)| *byte == b'/' && !next.is_ascii_digit());
    }
    let line = |line: &[u8]| line.windows(7).any(|it| it == b"include") && line.contains(&b'/');
    data.split(|byte| matches!(byte, b'\n' | b'\r')).any(line)
}

fn judge(loaded: &Loaded, lenient: bool) {
    let errors = loaded.diagnostics.iter().filter(|it| it.severity == Severity::Error).count();
    assert_eq!(loaded.config.is_none(), errors > 0, "lenient: {lenient}: {:?}", loaded.diagnostics);
    plain(&loaded.diagnostics);
    let Some(config) = &loaded.config else { return };
    // What the kernel is told of it is made when it is read.
    let routes = config.statics.routes.iter().chain(config.instances.iter().flat_map(|it| &it.routes));
    for route in routes {
        let entry = Entry::route(route, |_| Some(1)).expect("the interface is there");
        assert!(!entry.removal().is_empty());
    }
    for rule in config.statics.rules.iter().chain(config.instances.iter().flat_map(|it| &it.rules)) {
        assert!(!Entry::rule(rule).removal().is_empty());
    }
}

fn plain(diagnostics: &[Diagnostic]) {
    for diagnostic in diagnostics {
        assert!(diagnostic.at.line >= 1 && diagnostic.at.col >= 1, "{diagnostic}");
        assert_plain(&diagnostic.message);
        if let Some(help) = &diagnostic.help {
            assert_plain(help);
        }
    }
}

/// A resource of a confd directory, and the same text as `confd.toml`.
pub(crate) fn confd_toml(data: &[u8], scratch: &Path) {
    for folder in ["conf.d", "templates"] {
        std::fs::create_dir_all(scratch.join(folder)).expect("a folder of ours");
    }
    std::fs::write(scratch.join("templates/t"), "").expect("a file of ours");
    std::fs::write(scratch.join("conf.d/r.toml"), data).expect("a file of ours");
    let loaded = resource::load(scratch, &Defaults::default());
    assert_eq!(loaded.resources.len() + loaded.rejected.len(), 1, "{:?}", loaded.findings);
    plain(&loaded.findings);

    let file = scratch.join("confd.toml");
    std::fs::write(&file, data).expect("a file of ours");
    let flags = ["-config-file", file.to_str().expect("a name of ours")].map(str::to_owned);
    if let Err(error) = settings::for_confd(flags, |_| None) {
        // One finding per line.
        for line in error.to_string().lines() {
            assert_plain(line);
        }
    }
}
