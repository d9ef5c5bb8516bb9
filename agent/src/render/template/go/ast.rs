//! A parsed Go template.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::super::functions::Function;
use super::number::Number;

/// One file: its own text and the templates that it defines.
#[derive(Debug)]
pub(in super::super) struct Program {
    /// For errors.
    pub(super) file: PathBuf,
    pub(super) templates: BTreeMap<Arc<str>, Arc<Block>>,
    /// The file's own text.
    pub(super) main: Arc<Block>,
}

impl Program {
    /// The file that it is in.
    pub(in super::super) fn file(&self) -> &std::path::Path {
        &self.file
    }
}

/// What stands between the beginning and the end of something.
pub(super) type Block = Vec<Node>;

/// A piece of a template.
#[derive(Debug)]
pub(super) enum Node {
    Text(Box<str>),
    /// `{{pipeline}}`
    Action(Pipeline),
    If(If),
    Range(Control),
    With(Control),
    Template(Call),
    Break,
    Continue,
}

/// `if`, with an arm for itself and each `else if`.
#[derive(Debug)]
pub(super) struct If {
    pub(super) arms: Vec<(Pipeline, Block)>,
    pub(super) otherwise: Block,
}

/// `range` and `with`.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) pipeline: Pipeline,
    pub(super) body: Block,
    pub(super) otherwise: Block,
}

/// `template`, and what `block` leaves where it stands.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) line: u32,
    pub(super) name: Arc<str>,
    pub(super) pipeline: Option<Pipeline>,
}

/// Commands, each of which gets the last one's result.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) line: u32,
    /// Whether the variables are there already.
    pub(super) assigns: bool,
    /// Numbers of the names of the variables that get the result.
    pub(super) variables: Vec<u32>,
    pub(super) commands: Vec<Command>,
}

/// A function, a field or a value, with arguments.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) line: u32,
    pub(super) words: Vec<Operand>,
}

/// A word of a command.
#[derive(Debug)]
pub(super) enum Operand {
    Dot,
    Nil,
    Bool(bool),
    Number(Number),
    Text(Arc<str>),
    /// `.a.b`
    Field(Vec<Arc<str>>),
    /// `$x.a.b`
    Variable(u32, Vec<Arc<str>>),
    Function(&'static Function),
    /// `(…)`
    Pipeline(Box<Pipeline>),
    /// `(…).a.b` or `function.a.b`
    Chain(Box<Operand>, Vec<Arc<str>>),
}

impl Operand {
    /// What it is, in a message.
    pub(super) fn shown(&self) -> String {
        match self {
            Operand::Dot => "`.`".to_owned(),
            Operand::Nil => "`nil`".to_owned(),
            Operand::Bool(truth) => format!("`{truth}`"),
            Operand::Number(Number::Int(number)) => format!("`{number}`"),
            Operand::Number(Number::Float(number)) => format!("`{number}`"),
            Operand::Text(text) => super::quoted(text),
            Operand::Field(names) => super::quoted(&format!(".{}", names.join("."))),
            Operand::Variable(..) => "a variable".to_owned(),
            Operand::Function(function) => format!("`{}`", function.name),
            Operand::Pipeline(_) => "what is in parentheses".to_owned(),
            Operand::Chain(_, names) => super::quoted(&format!("(…).{}", names.join("."))),
        }
    }
}
