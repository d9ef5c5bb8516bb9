//! `vipward check --confdir DIR`: what is wrong with resources and templates, without a store.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use super::connect::Folder;
use super::resource::{self, Loaded};
use super::settings::{self, Settings};
use crate::cli::RenderOptions;
use crate::config::diagnostic::{Diagnostic, Severity};
use crate::config::model::Location;
use crate::config::report::{CLEAN, ERRORS, WARNINGS, plural};

/// Reads the resources of a confd directory. Beside their own findings these are those of their templates, which are
/// compiled for this.
pub fn look(settings: &Settings) -> (Loaded, Vec<Diagnostic>) {
    let loaded = resource::load(&settings.confdir, &settings.resource_defaults());
    let mut findings = loaded.findings.clone();
    let folder = Folder::of(settings);
    let mut sources: Vec<&Path> = loaded.resources.iter().map(|resource| resource.src.as_path()).collect();
    sources.sort_unstable();
    sources.dedup();
    findings.extend(sources.into_iter().filter_map(|src| folder.compile(src).err()).map(|error| {
        let at = Location::new(&Arc::new(error.file.clone()), error.line, 1);
        Diagnostic { severity: Severity::Error, at, message: error.message(), help: None }
    }));
    (loaded, findings)
}

/// Checks a confd directory and writes one line per finding and a last one with the sum to `out`. Gives the exit status
/// as [`crate::config::report::check`] does.
pub fn check(confdir: &Path, out: &mut impl Write) -> io::Result<u8> {
    let options = RenderOptions { confdir: Some(confdir.to_owned()), ..RenderOptions::default() };
    let (settings, notes) = match settings::for_run(&options, Path::new(""), |_| None) {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(CLEAN),
        Err(error) => {
            writeln!(out, "{error}")?;
            return Ok(ERRORS);
        }
    };
    let (loaded, findings) = look(&settings);
    for note in &notes {
        writeln!(out, "{note}")?;
    }
    for finding in &findings {
        writeln!(out, "{finding}")?;
    }
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    let warnings = findings.len() - errors + notes.len();
    let resources = plural(loaded.resources.len(), "resource");
    let shown = confdir.display();
    writeln!(out, "{shown}: {resources}, {}, {}", plural(errors, "error"), plural(warnings, "warning"))?;
    Ok(match (errors, warnings) {
        (0, 0) => CLEAN,
        (0, _) => WARNINGS,
        _ => ERRORS,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn resources_and_templates_are_checked_and_each_finding_has_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for folder in ["conf.d", "templates"] {
            fs::create_dir(at(folder)).unwrap();
        }
        let report = || {
            let mut out = Vec::new();
            let status = check(dir.path(), &mut out).unwrap();
            (status, String::from_utf8(out).unwrap().replace(&dir.path().display().to_string(), "D"))
        };
        let resource = "[template]\nsrc = \"a.tmpl\"\ndest = \"/nonexistent/a\"\nkeys = [\"/a\"]\n";
        fs::write(at("conf.d/a.toml"), resource).unwrap();
        fs::write(at("templates/a.tmpl"), "{{getv \"/a\"}}\n").unwrap();
        assert_eq!(report(), (CLEAN, "D: 1 resource, 0 errors, 0 warnings\n".to_owned()));

        fs::write(at("templates/a.tmpl"), "fine\n{{if}}\n").unwrap();
        fs::write(at("conf.d/b.toml"), resource.replace("keys", "kyes").replace("/a\"", "/b\"")).unwrap();
        let (status, said) = report();
        assert_eq!(status, ERRORS, "{said}");
        assert!(said.contains("D/conf.d/b.toml:4:1: error: unknown key `kyes`"), "{said}");
        assert!(said.contains("D/templates/a.tmpl:2:1: error: "), "{said}");
        fs::write(at("confd.toml"), "nods = []\n").unwrap();
        let (status, said) = report();
        assert!(
            status == ERRORS && said.starts_with("D/confd.toml:1:1: error: unknown key `nods`"),
            "{said}"
        );
    }
}
