//! Templates, from text to text.

mod corpus;
mod errors;
mod files;
mod functions;
mod garbage;
mod handlebars;
mod limits;

use super::*;

/// Keys from pairs.
fn keys(pairs: &[(&str, &str)]) -> Keys {
    let mut keys = Keys::default();
    for (key, value) in pairs {
        keys.set(key, value);
    }
    keys
}

/// A resolver that knows a few names and fails for another.
#[derive(Debug)]
struct Names;

impl Lookup for Names {
    fn addresses(&self, host: &str, _: std::time::Instant) -> Result<Vec<std::net::IpAddr>, LookupError> {
        match host {
            "web" => Ok(["2001:db8::1", "192.0.2.9", "192.0.2.10"].map(|a| a.parse().unwrap()).to_vec()),
            "silent" => Err(LookupError::Late),
            host => Ok(host.parse().into_iter().collect()),
        }
    }

    fn servers(
        &self,
        service: &str,
        _: &str,
        _: &str,
        _: std::time::Instant,
    ) -> Result<Vec<Server>, LookupError> {
        let server = |target: &str, port| Server { target: target.into(), port, priority: 1, weight: 2 };
        Ok(if service == "http" { vec![server("b.", 80), server("a.", 81)] } else { Vec::new() })
    }
}

/// Without the network.
fn context() -> Context {
    Context { lookup: Arc::new(Names), limits: Limits::default() }
}

fn render(text: &str, syntax: Syntax, pairs: &[(&str, &str)]) -> Result<String, TemplateError> {
    let name = if syntax == Syntax::Go { "t.tmpl" } else { "t.hbs" };
    Template::compile(name.as_ref(), text, syntax)?.render(&keys(pairs), &context())
}

fn go(text: &str, pairs: &[(&str, &str)]) -> String {
    render(text, Syntax::Go, pairs).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn hbs(text: &str, pairs: &[(&str, &str)]) -> String {
    render(text, Syntax::Handlebars, pairs).unwrap_or_else(|error| panic!("{text}: {error}"))
}
