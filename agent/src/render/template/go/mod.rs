//! Go's text/template: the syntax of confd's `.tmpl` files.

mod ast;
mod eval;
mod fields;
mod lex;
mod number;
mod parse;
mod pipeline;
mod token;

pub(super) use ast::Program;
pub(super) use eval::run;
pub(super) use number::whole;
pub(super) use parse::parse;

use super::quoted;
