//! `vipward check`: the findings as text, and the exit status.

use std::io::{self, Write};
use std::path::Path;

use super::diagnostic::Severity;
use super::{Options, load_and_look};

/// Exit status without findings.
pub const CLEAN: u8 = 0;
/// Exit status when the worst finding is a warning.
pub const WARNINGS: u8 = 1;
/// Exit status when the configuration cannot run.
pub const ERRORS: u8 = 2;

/// The mistake that takes two files to see, and that costs most.
const UNSEEN: &str = "one file does not show whether another node has the same priority: give each its own";

/// Checks the configuration at `path`, the programs that it names included, and writes one line per finding and a
/// last one with the sum to `out`. Gives the exit status: [`CLEAN`], [`WARNINGS`] or [`ERRORS`]. The error is that of
/// writing to `out`.
pub fn check(path: &Path, options: &Options, out: &mut impl Write) -> io::Result<u8> {
    let loaded = load_and_look(path, options);
    for diagnostic in &loaded.diagnostics {
        writeln!(out, "{diagnostic}")?;
    }
    let count = |severity| loaded.diagnostics.iter().filter(|found| found.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let shown = path.display();
    match &loaded.config {
        Some(config) => {
            let instances = plural(config.instances.len(), "instance");
            let scripts = plural(config.scripts.len(), "script");
            writeln!(out, "{shown}: {instances}, {scripts}, {}", plural(warnings, "warning"))?;
            if !config.instances.is_empty() {
                writeln!(out, "{shown}: {UNSEEN}")?;
            }
        }
        None => writeln!(out, "{shown}: {}, {}", plural(errors, "error"), plural(warnings, "warning"))?,
    }
    Ok(match (&loaded.config, warnings) {
        (None, _) => ERRORS,
        (Some(_), 0) => CLEAN,
        (Some(_), _) => WARNINGS,
    })
}

/// `1 resource`, `2 resources`.
pub(crate) fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use std::{env, fs};

    use super::*;

    fn report(name: &str, text: &str) -> (u8, String) {
        let path = env::temp_dir().join(format!("vipward-report-{}-{name}", std::process::id()));
        fs::write(&path, text).unwrap();
        let mut out = Vec::new();
        let status = check(&path, &Options::default(), &mut out).unwrap();
        fs::remove_file(&path).unwrap();
        (status, String::from_utf8(out).unwrap().replace(&path.display().to_string(), "F"))
    }

    const FINE: &str =
        "vrrp_instance i {\n interface e\n virtual_router_id 1\n virtual_ipaddress { 10.0.0.1 }\n}\n";

    #[test]
    fn exit_status_is_that_of_the_worst_finding() {
        let expected = format!("F: 1 instance, 0 scripts, 0 warnings\nF: {UNSEEN}\n");
        assert_eq!(report("fine", FINE), (CLEAN, expected));
        let (status, out) = report("warning", &FINE.replace("id 1", "id 51"));
        assert_eq!(status, WARNINGS, "{out}");
        assert!(out.starts_with("F:3:2: warning: "), "{out}");
        let (status, out) = report("error", &FINE.replace("interface", "interfaze"));
        let expected = "F:2:2: error: unknown keyword `interfaze` in `vrrp_instance`; did you mean `interface`?\n\
                        F: 1 error, 0 warnings\n";
        assert_eq!((status, out.as_str()), (ERRORS, expected));
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error() {
        let mut out = Vec::new();
        let status = check(Path::new("/absent/keepalived.conf"), &Options::default(), &mut out).unwrap();
        assert_eq!(status, ERRORS);
        let out = String::from_utf8(out).unwrap();
        assert!(out.starts_with("/absent/keepalived.conf:1:1: error: "), "{out}");
    }
}
