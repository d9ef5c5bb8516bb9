//! One resource file: its `[template]` table to a [`Resource`].

use std::path::{Component, Path, PathBuf};

use toml::Spanned;

use super::{CHECK_TIMEOUT, CheckCommand, Defaults, PrefixRule, RELOAD_TIMEOUT, Reload, Resource, values};
use crate::config::diagnostic::{Diagnostic, Severity, did_you_mean, quoted};
use crate::render::document::{Document, Fields, whole_file};
use crate::render::keys::canonical;

/// What may stand in `[template]`; the first row is confd's, the second ours.
const KNOWN: [&str; 19] = [
    "src",
    "dest",
    "keys",
    "prefix",
    "mode",
    "uid",
    "gid",
    "check_cmd",
    "reload_cmd", //
    "owner",
    "group",
    "reload",
    "nginx_conf",
    "nginx_prefix",
    "wait",
    "create_dest_dirs",
    "check_timeout",
    "reload_timeout",
    "min_upstreams",
];

/// The resource in `file`, if it can be used, and what there is to say about it.
pub(super) fn parse(
    file: &Path,
    name: String,
    confdir: &Path,
    defaults: &Defaults,
) -> (Option<Resource>, Vec<Diagnostic>) {
    let document = match Document::read(file) {
        Ok(document) => document,
        Err(error) => return (None, vec![whole_file(file, error.to_string())]),
    };
    let root = match document.parse() {
        Ok(root) => root,
        Err(error) => return (None, vec![error]),
    };
    let mut findings = Vec::new();
    for (key, _) in root.get_ref().iter().filter(|(key, _)| key.get_ref() != "template") {
        let mut finding =
            document.error(key.span(), format!("unknown table or key {}", quoted(key.get_ref())));
        finding.help = did_you_mean(key.get_ref(), ["template"])
            .or_else(|| Some("everything of a resource stands in one [template] table".into()));
        findings.push(finding);
    }
    let Some(table) = root.get_ref().get("template").and_then(|value| value.get_ref().as_table()) else {
        findings.push(whole_file(file, "there is no [template] table"));
        return (None, findings);
    };
    let mut reader = Reader { fields: Fields::new(&document, table, &KNOWN), document: &document, confdir };
    let resource = reader.resource(file, name, defaults);
    findings.append(&mut reader.fields.findings);
    let usable = findings.iter().all(|finding| finding.severity != Severity::Error);
    (resource.filter(|_| usable), findings)
}

struct Reader<'d> {
    fields: Fields<'d>,
    document: &'d Document,
    confdir: &'d Path,
}

impl Reader<'_> {
    fn resource(&mut self, file: &Path, name: String, defaults: &Defaults) -> Option<Resource> {
        // All are read before any is missed, so that all that is wrong is told at once.
        let (src, dest, keys) = (self.src(file), self.dest(file), self.keys(file));
        let prefix = self.prefix(defaults);
        let mode = self.mode();
        let uid = self.id("uid", "owner", values::user);
        let gid = self.id("gid", "group", values::group);
        let check = self.check();
        let reload = self.reload();
        let check_timeout = self.duration("check_timeout").unwrap_or(CHECK_TIMEOUT);
        let reload_timeout = self.duration("reload_timeout").unwrap_or(RELOAD_TIMEOUT);
        let wait = self.parsed("wait", str::parse);
        let create_dest_dirs = self.fields.boolean("create_dest_dirs").unwrap_or(false);
        let min_upstreams = self.fields.integer("min_upstreams").and_then(|value| self.small(&value));
        Some(Resource {
            name,
            file: file.to_owned(),
            src: src?,
            dest: dest?,
            prefix,
            keys: keys?,
            mode,
            uid,
            gid,
            check,
            check_timeout,
            reload,
            reload_timeout,
            wait,
            create_dest_dirs,
            min_upstreams,
        })
    }

    fn required(&mut self, file: &Path, name: &str) -> Option<Spanned<String>> {
        if self.fields.value(name).is_none() {
            self.fields.findings.push(whole_file(file, format!("`{name}` is missing")));
            return None;
        }
        let text = self.fields.text(name)?;
        if text.get_ref().is_empty() || text.get_ref().contains('\0') {
            self.fields.error(text.span(), format!("`{name}` must be the name of a file"));
            return None;
        }
        Some(text)
    }

    /// The template, which must be in the folder of templates by whatever links.
    fn src(&mut self, file: &Path) -> Option<PathBuf> {
        let text = self.required(file, "src")?;
        let folder = self.confdir.join("templates");
        let relative = Path::new(text.get_ref().trim_start_matches('/'));
        let inside =
            relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        let src = folder.join(relative);
        if !inside {
            self.fields.error(text.span(), format!("the template must be in {}", folder.display()));
            return None;
        }
        match (src.canonicalize(), folder.canonicalize()) {
            (Ok(real), Ok(real_folder)) if !real.starts_with(&real_folder) => {
                let message = format!(
                    "{} is a link to {}, outside of {}",
                    src.display(),
                    real.display(),
                    folder.display()
                );
                self.fields.error(text.span(), message);
                None
            }
            (Ok(real), _) if !real.is_file() => {
                self.fields.error(text.span(), format!("{} is not a regular file", src.display()));
                None
            }
            (Ok(_), _) => Some(src),
            (Err(error), _) => {
                self.fields
                    .error(text.span(), format!("cannot find the template {}: {error}", src.display()));
                None
            }
        }
    }

    fn dest(&mut self, file: &Path) -> Option<PathBuf> {
        let text = self.required(file, "dest")?;
        let dest = PathBuf::from(text.get_ref());
        let problem = if !dest.is_absolute() {
            "`dest` must be an absolute path".to_owned()
        } else if dest.is_dir() || text.get_ref().ends_with('/') {
            format!("{} is a folder: `dest` must be a file", dest.display())
        } else if dest.file_name().is_none() {
            format!("{} is not the name of a file", dest.display())
        } else {
            return Some(dest);
        };
        self.fields.error(text.span(), problem);
        None
    }

    fn keys(&mut self, file: &Path) -> Option<Vec<String>> {
        let Some(keys) = self.fields.list("keys") else {
            self.fields.findings.push(whole_file(file, "`keys` is missing"));
            return None;
        };
        // confd takes an empty list for a template that needs no key.
        Some(keys.into_iter().map(|key| canonical(key.get_ref())).collect())
    }

    fn prefix(&mut self, defaults: &Defaults) -> String {
        let own = self.fields.text("prefix");
        let own_text = own.as_ref().map(|own| canonical(own.get_ref())).unwrap_or_default();
        match defaults.prefix_rule {
            PrefixRule::Join => canonical(&format!("{}/{own_text}", defaults.prefix)),
            PrefixRule::Replace if defaults.prefix.is_empty() => canonical(&own_text),
            PrefixRule::Replace => {
                let global = canonical(&defaults.prefix);
                if let Some(own) = own.filter(|_| own_text != global && own_text != "/") {
                    let message =
                        format!("the global prefix {global} takes the place of {own_text}, as in confd");
                    self.fields.findings.push(self.document.warning(own.span(), message));
                }
                global
            }
        }
    }

    fn mode(&mut self) -> Option<u32> {
        let value = self.fields.value("mode")?;
        let text = match value.get_ref().as_integer() {
            // 0o644 says what it is; 644 does not.
            Some(number) if number.radix() == 8 => number.as_str().to_owned(),
            Some(_) => {
                self.fields.error(value.span(), "write `mode` as a string of octal digits, as in \"0644\"");
                return None;
            }
            None => self.fields.text("mode")?.into_inner(),
        };
        self.or_error(&value.span(), values::mode(&text))
    }

    /// An owner by number or by name.
    fn id(&mut self, number: &str, name: &str, find: fn(&str) -> Result<u32, String>) -> Option<u32> {
        let by_number = self.fields.integer(number);
        let by_name = self.fields.text(name);
        if let (Some(_), Some(by_name)) = (&by_number, &by_name) {
            self.fields
                .error(by_name.span(), format!("`{number}` and `{name}` say the same: keep one of them"));
            return None;
        }
        if let Some(by_name) = by_name {
            let found = find(by_name.get_ref());
            return self.or_error(&by_name.span(), found);
        }
        // confd's users write -1 for "leave it".
        by_number.filter(|id| *id.get_ref() != -1).and_then(|id| self.small(&id))
    }

    fn small(&mut self, value: &Spanned<i64>) -> Option<u32> {
        let found =
            u32::try_from(*value.get_ref()).map_err(|_| format!("{} is out of range", value.get_ref()));
        self.or_error(&value.span(), found)
    }

    fn check(&mut self) -> Option<CheckCommand> {
        self.parsed("check_cmd", |line| CheckCommand::parse(line).map_err(|error| error.to_string()))
    }

    fn reload(&mut self) -> Option<Reload> {
        let command = self.fields.text("reload_cmd").filter(|line| !line.get_ref().trim().is_empty());
        let built_in = self.fields.text("reload");
        let conf = self.fields.text("nginx_conf").map(|text| PathBuf::from(text.into_inner()));
        let prefix = self.fields.text("nginx_prefix").map(|text| PathBuf::from(text.into_inner()));
        match (command, built_in) {
            (Some(command), Some(_)) => {
                self.fields.error(command.span(), "`reload` and `reload_cmd` say the same: keep one of them");
                None
            }
            (None, Some(kind)) if kind.get_ref() == "nginx" => Some(Reload::Nginx { conf, prefix }),
            (None, Some(kind)) => {
                let message = format!("`reload` knows \"nginx\" and not {}", quoted(kind.get_ref()));
                self.fields.error(kind.span(), message);
                None
            }
            (command, None) => command.map(|command| Reload::Command(command.into_inner())),
        }
    }

    fn duration(&mut self, name: &str) -> Option<std::time::Duration> {
        match self.fields.value(name)?.get_ref().as_integer() {
            Some(_) => {
                let seconds = self.fields.integer(name)?;
                let found = values::duration(&seconds.get_ref().to_string());
                self.or_error(&seconds.span(), found)
            }
            None => self.parsed(name, values::duration),
        }
    }

    fn parsed<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let text = self.fields.text(name)?;
        // confd's users leave commands empty to say that there is none.
        if text.get_ref().trim().is_empty() {
            return None;
        }
        self.or_error(&text.span(), parse(text.get_ref()))
    }

    fn or_error<T>(&mut self, span: &std::ops::Range<usize>, result: Result<T, String>) -> Option<T> {
        result.map_err(|message| self.fields.error(span.clone(), message)).ok()
    }
}
