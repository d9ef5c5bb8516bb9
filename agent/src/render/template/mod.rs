//! Templates: Go's text/template (`.tmpl`) with confd's functions, byte for byte as confd renders it, and Handlebars
//! (`.hbs`) with the same functions as helpers. No template can take the process down, run for ever or eat the memory:
//! what it may cost is bounded ([`Limits`]), and going over is an error with a file and a line like any other.
//!
//! A template is compiled once and rendered whenever keys change:
//!
//! ```
//! use vipward::render::keys::Keys;
//! use vipward::render::template::{Context, Syntax, Template};
//!
//! let text = "{{range getvs \"/upstream/*\"}}server {{.}};\n{{end}}";
//! let template = Template::compile("nginx.tmpl".as_ref(), text, Syntax::Go)?;
//! let mut keys = Keys::default();
//! keys.set("/upstream/a", "192.0.2.1:80");
//! assert_eq!(template.render(&keys, &Context::default())?, "server 192.0.2.1:80;\n");
//! # Ok::<(), vipward::render::template::TemplateError>(())
//! ```

pub mod command;
mod error;
mod fmt;
mod functions;
mod go;
mod handlebars;
mod includes;
mod limits;
mod lookup;
mod path;
mod session;
#[cfg(test)]
mod tests;
mod value;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use error::{Fault, TemplateError};
pub use limits::{Exceeded, Limits};
pub use lookup::{Lookup, LookupError, Server, SystemLookup};

use super::keys::Keys;
use go::Program;
use includes::{Folder, Includes};
use session::Session;
use value::Value;

/// Characters of a piece of a template or a value that a message repeats.
const QUOTED_CHARS: usize = 64;

/// The language of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// Go's text/template: `.tmpl`, and every name that says nothing else, as in confd.
    Go,
    /// Handlebars: `.hbs`.
    Handlebars,
}

impl Syntax {
    /// The language of a file, by its name.
    pub fn of(file: &Path) -> Syntax {
        if file.extension() == Some(OsStr::new("hbs")) { Syntax::Handlebars } else { Syntax::Go }
    }
}

/// What a rendering may use besides the keys.
#[derive(Clone, Debug)]
pub struct Context {
    /// Who answers questions about names.
    pub lookup: Arc<dyn Lookup>,
    /// What a rendering may cost.
    pub limits: Limits,
}

impl Default for Context {
    fn default() -> Context {
        Context { lookup: Arc::new(SystemLookup::default()), limits: Limits::default() }
    }
}

/// A compiled template.
#[derive(Debug)]
pub struct Template {
    file: PathBuf,
    body: Body,
    includes: Includes,
}

#[derive(Debug)]
enum Body {
    Go(Program),
    Handlebars(handlebars::Compiled),
}

impl Template {
    /// Compiles a text. `file` is its name in messages; there is no folder to include others from.
    pub fn compile(file: &Path, text: &str, syntax: Syntax) -> Result<Template, TemplateError> {
        Template::build(file, text, syntax, Includes::new(None))
    }

    /// Compiles the file of this name in a folder of templates, in the syntax that its name tells. It may take in other
    /// files of the folder.
    pub fn load(folder: &Path, name: &str) -> Result<Template, TemplateError> {
        let folder = Folder::new(folder);
        let file = folder.file(name);
        let text = folder.read(name, &Limits::default()).map_err(|fault| fault.at(&file, 1))?;
        Template::build(&file, &text, Syntax::of(&file), Includes::new(Some(folder)))
    }

    fn build(file: &Path, text: &str, syntax: Syntax, includes: Includes) -> Result<Template, TemplateError> {
        let limits = Limits::default();
        if text.len() > limits.source {
            return Err(Fault::from(Exceeded::Source(limits.source)).at(file, 1));
        }
        let body = match syntax {
            Syntax::Go => Body::Go(go::parse(file, text, &limits)?),
            Syntax::Handlebars => Body::Handlebars(handlebars::compile(file, text, &includes, &limits)?),
        };
        Ok(Template { file: file.to_owned(), body, includes })
    }

    /// Renders the template. The keys are those below the resource's prefix, without it.
    pub fn render(&self, keys: &Keys, context: &Context) -> Result<String, TemplateError> {
        let mut session = Session::new(keys, context, &self.includes);
        match &self.body {
            Body::Go(program) => go::run(program, &mut session, &Value::Missing),
            Body::Handlebars(compiled) => compiled.render(session),
        }
    }

    /// The files that went into it so far: its own, and those that it took in. A change in one of them asks for a new
    /// template.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = vec![self.file.clone()];
        match &self.body {
            Body::Go(_) => files.extend(self.includes.files()),
            Body::Handlebars(compiled) => files.extend(compiled.files()),
        }
        files
    }
}

/// A piece of a template or a value in a message: in backquotes and shortened.
fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(QUOTED_CHARS).collect();
    if text.chars().nth(QUOTED_CHARS).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// A message without control characters: values and keys in it are other people's.
fn on_one_line(message: &str) -> String {
    let mut line = String::with_capacity(message.len());
    for c in message.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}
