//! Both template engines: whatever the text, the end is a text or an error with a line of the file, within the limits.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use vipward::render::keys::Keys;
use vipward::render::template::{Context, Limits, Lookup, LookupError, Server, Syntax, Template};

use crate::{assert_plain, parts};

/// What a rendering may cost here, so that going over it is tried as well.
const LIMITS: Limits = Limits {
    source: 1 << 20,
    nesting: 100,
    depth: 250,
    includes: 10,
    steps: 100_000,
    output: 1 << 16,
    value: 1 << 16,
    made: 1 << 20,
    elements: 10_000,
    value_depth: 100,
    regex: 256 << 10,
    time: std::time::Duration::from_secs(5),
};
/// Stack of the threads that templates are rendered on.
const STACK: usize = 1 << 20;
/// Keys that an input may bring.
const KEYS: usize = 8;

/// Go's text/template.
pub(crate) fn go(data: &[u8], _: &Path) {
    render(data, Syntax::Go);
}

/// Handlebars.
pub(crate) fn handlebars(data: &[u8], _: &Path) {
    render(data, Syntax::Handlebars);
}

/// The template, and values of keys behind zero bytes: `/0`, `/1` and so on.
fn render(data: &[u8], syntax: Syntax) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut texts = parts(text.as_bytes(), KEYS).into_iter();
    let template = texts.next().unwrap_or_default().to_vec();
    let template = String::from_utf8(template).expect("cut at a zero byte");
    let mut keys = Keys::default();
    keys.set("/k", "v");
    for (number, value) in texts.enumerate() {
        keys.set(&format!("/{number}"), &String::from_utf8_lossy(value));
    }
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(move || judge(&template, &keys, syntax));
    thread.expect("a thread").join().expect("no panic");
}

fn judge(text: &str, keys: &Keys, syntax: Syntax) {
    let context = Context { lookup: Arc::new(Nobody), limits: LIMITS };
    let compiled = Template::compile("t".as_ref(), text, syntax);
    match compiled.and_then(|template| template.render(keys, &context)) {
        Ok(rendered) => assert!(rendered.len() <= LIMITS.output, "{} bytes", rendered.len()),
        Err(error) => {
            let lines = text.matches('\n').count() + 1;
            assert!((1..=lines).contains(&(error.line as usize)), "line {} of {lines}: {error}", error.line);
            assert_plain(&error.to_string());
        }
    }
}

/// A network without names.
#[derive(Debug)]
struct Nobody;

impl Lookup for Nobody {
    fn addresses(&self, _: &str, _: Instant) -> Result<Vec<IpAddr>, LookupError> {
        Ok(vec![IpAddr::from([192, 0, 2, 1])])
    }

    fn servers(&self, _: &str, _: &str, _: &str, _: Instant) -> Result<Vec<Server>, LookupError> {
        Err(LookupError::Failed("nobody".to_owned()))
    }
}
