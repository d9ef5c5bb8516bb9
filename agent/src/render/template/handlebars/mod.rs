//! Handlebars: the crate `handlebars` in strict mode, without HTML escapes, with our functions as helpers and within the
//! same bounds as Go's syntax. What it takes in is read when it is compiled, from its folder alone.

mod check;
mod helper;
mod json;
mod output;
mod probe;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread::ScopedJoinHandle;

use handlebars::{Context, Handlebars, RenderError, RenderErrorReason, TemplateErrorReason, no_escape};

use super::error::{Fault, TemplateError};
use super::functions;
use super::includes::Includes;
use super::limits::{Exceeded, Limits};
use super::quoted;
use super::session::Session;
use helper::{FunctionHelper, Mark, Probe, Shared};
use output::Bounded;
use probe::Probes;

/// The name of the template itself: no file's, for those are not empty.
const MAIN: &str = "";
/// Files that one template may take in.
const MOST_FILES: usize = 100;
/// The crate's recursion takes a few KiB a level, unoptimised. What is not touched costs nothing.
const STACK: usize = 4 << 20;
/// Blocks and partials inside each other while rendering.
const DEPTH: u32 = 64;
/// Bytes of all values: JSON is copied where Go's syntax shares.
const MADE: usize = 64 << 20;

/// A compiled template with all that it takes in.
#[derive(Debug)]
pub(super) struct Compiled {
    parts: BTreeMap<String, Part>,
}

#[derive(Debug)]
struct Part {
    file: PathBuf,
    template: handlebars::Template,
}

/// Compiles a text and the files that it takes in.
pub(super) fn compile(
    file: &Path,
    text: &str,
    includes: &Includes,
    limits: &Limits,
) -> Result<Compiled, TemplateError> {
    let probes = Probes::new().ok_or_else(|| Fault::Syntax("no probes".to_owned()).at(file, 1))?;
    let mut compiled = Compiled { parts: BTreeMap::new() };
    let mut waiting = compiled.add(MAIN, file, text, &probes)?;
    while let Some((from, taken)) = waiting.pop() {
        if compiled.parts.contains_key(&taken.name) {
            continue;
        }
        if compiled.parts.len() > MOST_FILES {
            return Err(
                Fault::Syntax(format!("more than {MOST_FILES} files are taken in")).at(&from, taken.line)
            );
        }
        let read = || {
            let folder = includes.folder()?;
            let name = match taken.name.strip_suffix(".hbs") {
                Some(_) => taken.name.clone(),
                None => format!("{}.hbs", taken.name),
            };
            Ok((folder.file(&name), folder.read(&name, limits)?))
        };
        let (file, text) = read().map_err(|fault: Fault| fault.at(&from, taken.line))?;
        waiting.extend(compiled.add(&taken.name, &file, &text, &probes)?);
    }
    Ok(compiled)
}

impl Compiled {
    /// Adds a text; what it takes in comes back, with its own file.
    fn add(
        &mut self,
        name: &str,
        file: &Path,
        text: &str,
        probes: &Probes,
    ) -> Result<Vec<(PathBuf, check::Taken)>, TemplateError> {
        let taken = check::check(text).map_err(|(line, fault)| fault.at(file, line))?;
        let mut template =
            handlebars::Template::compile_with_name(text, name.to_owned()).map_err(|error| {
                let line = error.pos().and_then(|(line, _)| u32::try_from(line).ok()).unwrap_or(1);
                let why = match error.reason() {
                    TemplateErrorReason::InvalidSyntax(why) => {
                        format!("this is no Handlebars: {}", one_line(why))
                    }
                    reason => one_line(&reason.to_string()),
                };
                Fault::Syntax(why).at(file, line)
            })?;
        probes.put_into(&mut template);
        self.parts.insert(name.to_owned(), Part { file: file.to_owned(), template });
        Ok(taken.into_iter().map(|taken| (file.to_owned(), taken)).collect())
    }

    /// Renders the template.
    pub(super) fn render(&self, mut session: Session<'_>) -> Result<String, TemplateError> {
        let limits = &mut session.meter.limits;
        limits.depth = limits.depth.min(DEPTH);
        limits.made = limits.made.min(MADE);
        let most = session.meter.limits.output;
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("handlebars".into()).stack_size(STACK);
            let rendered =
                thread.spawn_scoped(scope, || self.render_here(session, most)).map(ScopedJoinHandle::join);
            match rendered {
                Ok(Ok(result)) => result,
                Ok(Err(_)) => Err(self.error(Fault::action("rendering stopped"), None, None)),
                Err(error) => {
                    Err(self.error(Fault::action(format!("no thread to render on: {error}")), None, None))
                }
            }
        })
    }

    fn render_here(&self, session: Session<'_>, most: usize) -> Result<String, TemplateError> {
        let shared = Shared::new(session);
        let mut registry = Handlebars::new();
        registry.set_strict_mode(true);
        registry.register_escape_fn(no_escape);
        registry.unregister_helper("log");
        for function in functions::all() {
            registry.register_helper(function.name, Box::new(FunctionHelper { function, shared: &shared }));
        }
        for mark in Mark::ALL {
            registry.register_helper(probe::name(mark), Box::new(Probe { mark, shared: &shared }));
        }
        for (name, part) in &self.parts {
            registry.register_template(name, part.template.clone());
        }
        let mut out = Bounded::new(most, Exceeded::Output(most));
        let data = Context::from(serde_json::Value::Object(serde_json::Map::new()));
        match registry.render_with_context_to_write(MAIN, &data, &mut out) {
            Ok(()) => Ok(out.into_text()),
            Err(error) => {
                let (line, name) = (error.line_no, error.template_name.clone());
                Err(self.error(fault_of(&error), line, name.as_deref()))
            }
        }
    }

    fn error(&self, fault: Fault, line: Option<usize>, name: Option<&str>) -> TemplateError {
        let part = name.and_then(|name| self.parts.get(name)).or_else(|| self.parts.get(MAIN));
        let file = part.map_or(Path::new(""), |part| &part.file);
        fault.at(file, line.and_then(|line| u32::try_from(line).ok()).unwrap_or(1))
    }

    /// The files that it takes in.
    pub(super) fn files(&self) -> impl Iterator<Item = PathBuf> {
        self.parts.iter().filter(|(name, _)| *name != MAIN).map(|(_, part)| part.file.clone())
    }
}

/// What happened, in our own terms where it was ours.
fn fault_of(error: &RenderError) -> Fault {
    match error.reason() {
        RenderErrorReason::NestedError(inner) => match inner.downcast_ref::<Fault>() {
            Some(fault) => fault.clone(),
            None => Fault::action(one_line(&inner.to_string())),
        },
        RenderErrorReason::IOError(inner) => {
            let exceeded = inner.get_ref().and_then(|inner| inner.downcast_ref::<Exceeded>());
            exceeded.map_or_else(|| Fault::action(inner.to_string()), |exceeded| exceeded.clone().into())
        }
        RenderErrorReason::MissingVariable(path) => {
            let name = path.as_deref().unwrap_or("this");
            let near = functions::near(name).map(|near| format!("; did you mean the helper `{near}`?"));
            Fault::action(format!(
                "{} is neither a value nor a helper{}",
                quoted(name),
                near.unwrap_or_default()
            ))
        }
        RenderErrorReason::HelperNotFound(name) => {
            let near = functions::near(name).map(|near| format!("; did you mean `{near}`?"));
            Fault::action(format!("there is no helper {}{}", quoted(name), near.unwrap_or_default()))
        }
        reason => Fault::action(one_line(&reason.to_string())),
    }
}

/// The crate's messages draw pictures of several lines, and say what is wrong in the last one.
fn one_line(text: &str) -> String {
    let last = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
    last.trim_start_matches("= ").to_owned()
}
