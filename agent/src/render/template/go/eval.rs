//! Runs a parsed template, with the semantics of Go's text/template.

use std::sync::Arc;

use super::super::error::{Fault, TemplateError};
use super::super::fmt::{self, Sink};
use super::super::functions::{self, Arg, Kind};
use super::super::limits::Exceeded;
use super::super::session::Session;
use super::super::value::{List, Map, Value};
use super::ast::{Block, Call, Command, Control, If, Node, Operand, Pipeline, Program};
use super::fields;
use super::number::Number;

/// Renders a program with `data` as its `.` and `$`.
pub(in super::super) fn run(
    program: &Program,
    session: &mut Session<'_>,
    data: &Value,
) -> Result<String, TemplateError> {
    let most = session.meter.limits.output;
    let mut run = Run {
        program,
        session,
        out: Sink::new(most, Exceeded::Output(most)),
        variables: vec![(0, data.clone())],
        line: 1,
    };
    match run.block(&program.main, data) {
        Ok(_) => Ok(run.out.text),
        Err(fault) => Err(fault.at(&program.file, run.line)),
    }
}

/// Whether the range around goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

struct Run<'r, 's> {
    program: &'r Program,
    session: &'r mut Session<'s>,
    out: Sink,
    /// Numbers and values of the variables, the innermost last. The first is `$`.
    variables: Vec<(u32, Value)>,
    /// Where an error would be.
    line: u32,
}

impl Run<'_, '_> {
    /// Runs what stands inside something else, whose variables end with it.
    fn block(&mut self, nodes: &Block, dot: &Value) -> Result<Flow, Fault> {
        self.session.meter.enter()?;
        let known = self.variables.len();
        let flow = self.nodes(nodes, dot)?;
        self.variables.truncate(known);
        self.session.meter.leave();
        Ok(flow)
    }

    fn nodes(&mut self, nodes: &Block, dot: &Value) -> Result<Flow, Fault> {
        for node in nodes {
            self.session.meter.steps(1)?;
            let flow = match node {
                Node::Text(text) => {
                    self.out.str(text)?;
                    Flow::On
                }
                Node::Action(pipeline) => {
                    let value = self.pipeline(pipeline, dot)?;
                    self.line = pipeline.line;
                    if pipeline.variables.is_empty() {
                        fmt::show(&mut self.out, &value)?;
                    }
                    Flow::On
                }
                Node::If(node) => self.condition(node, dot)?,
                Node::With(node) => self.with(node, dot)?,
                Node::Range(node) => self.range(node, dot)?,
                Node::Template(call) => {
                    self.call(call, dot)?;
                    Flow::On
                }
                Node::Break => Flow::Break,
                Node::Continue => Flow::Continue,
            };
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn condition(&mut self, node: &If, dot: &Value) -> Result<Flow, Fault> {
        let known = self.variables.len();
        let mut chosen = &node.otherwise;
        for (condition, body) in &node.arms {
            if self.pipeline(condition, dot)?.truth() {
                chosen = body;
                break;
            }
        }
        let flow = self.block(chosen, dot)?;
        self.variables.truncate(known);
        Ok(flow)
    }

    fn with(&mut self, node: &Control, dot: &Value) -> Result<Flow, Fault> {
        let known = self.variables.len();
        let value = self.pipeline(&node.pipeline, dot)?;
        let flow =
            if value.truth() { self.block(&node.body, &value)? } else { self.block(&node.otherwise, dot)? };
        self.variables.truncate(known);
        Ok(flow)
    }

    fn range(&mut self, node: &Control, dot: &Value) -> Result<Flow, Fault> {
        let known = self.variables.len();
        let over = self.pipeline(&node.pipeline, dot)?;
        self.line = node.pipeline.line;
        let flow = match &over {
            Value::List(list) if !list.items.is_empty() => self.range_list(node, list)?,
            Value::Map(map) if !map.entries.is_empty() => self.range_map(node, map)?,
            Value::Int(count) if *count > 0 => self.range_count(node, *count)?,
            Value::List(_) | Value::Map(_) | Value::Int(_) | Value::Missing | Value::Nil => {
                self.block(&node.otherwise, dot)?
            }
            other => {
                return Err(Fault::action(format!(
                    "`range` goes over lists, maps and numbers, not over a {}",
                    other.type_name()
                )));
            }
        };
        self.variables.truncate(known);
        Ok(flow)
    }

    fn range_list(&mut self, node: &Control, list: &List) -> Result<Flow, Fault> {
        for (number, item) in (0..).zip(&list.items) {
            if self.iteration(node, Value::Int(number), item)? == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn range_map(&mut self, node: &Control, map: &Map) -> Result<Flow, Fault> {
        for (key, item) in &map.entries {
            if self.iteration(node, Value::Text(key.clone()), item)? == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn range_count(&mut self, node: &Control, count: i64) -> Result<Flow, Fault> {
        for number in 0..count {
            if self.iteration(node, Value::Int(number), &Value::Int(number))? == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    /// One turn of a range: with one variable it is the element, with two the first one is the index.
    fn iteration(&mut self, node: &Control, index: Value, item: &Value) -> Result<Flow, Fault> {
        self.session.meter.steps(1)?;
        match node.pipeline.variables.as_slice() {
            [] => {}
            [element] => self.set(*element, item.clone())?,
            [first, second, ..] => {
                self.set(*first, index)?;
                self.set(*second, item.clone())?;
            }
        }
        self.block(&node.body, item)
    }

    fn set(&mut self, variable: u32, value: Value) -> Result<(), Fault> {
        match self.variables.iter_mut().rev().find(|(number, _)| *number == variable) {
            Some((_, place)) => {
                *place = value;
                Ok(())
            }
            None => Err(undefined()),
        }
    }

    fn call(&mut self, call: &Call, dot: &Value) -> Result<(), Fault> {
        self.line = call.line;
        let program = self.program;
        let own_name = program.file.file_name().is_some_and(|name| name == &*call.name);
        let body = match program.templates.get(&call.name) {
            Some(body) => body,
            None if own_name => &program.main,
            None => {
                let name = super::quoted(&call.name);
                return Err(Fault::action(format!("there is no template {name}: `define` it in this file")));
            }
        };
        let data = match &call.pipeline {
            Some(pipeline) => self.pipeline(pipeline, dot)?,
            None => Value::Missing,
        };
        self.line = call.line;
        let outside = std::mem::replace(&mut self.variables, vec![(0, data.clone())]);
        self.block(body, &data)?;
        self.variables = outside;
        Ok(())
    }

    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, Fault> {
        let mut value = None;
        for command in &pipeline.commands {
            self.line = command.line;
            let result = self.command(command, dot, value)?;
            // A null that comes out of a pipeline is nothing.
            value = Some(if result.is_nil() { Value::Missing } else { result });
        }
        let value = value.unwrap_or(Value::Missing);
        for variable in &pipeline.variables {
            if pipeline.assigns {
                self.set(*variable, value.clone())?;
            } else {
                self.variables.push((*variable, value.clone()));
            }
        }
        Ok(value)
    }

    /// Runs a command; `last` is the result of the one before the `|`.
    fn command(&mut self, command: &Command, dot: &Value, last: Option<Value>) -> Result<Value, Fault> {
        self.session.meter.steps(1)?;
        let Some((first, words)) = command.words.split_first() else {
            return Ok(Value::Missing);
        };
        match first {
            Operand::Function(function) => self.function(function, words, dot, last),
            Operand::Field(names) => self.fields(dot.clone(), names, Some((words, dot, last))),
            Operand::Variable(number, names) => {
                let value = self.variable(*number)?;
                if names.is_empty() {
                    no_arguments(first, words, last.is_some())?;
                    return Ok(value);
                }
                self.fields(value, names, Some((words, dot, last)))
            }
            Operand::Chain(base, names) => {
                let value = self.operand(base, dot)?.value;
                self.fields(value, names, Some((words, dot, last)))
            }
            Operand::Nil => Err(Fault::action("`nil` is not a command")),
            _ => {
                no_arguments(first, words, last.is_some())?;
                Ok(self.operand(first, dot)?.value)
            }
        }
    }

    /// A word as an argument.
    fn operand(&mut self, operand: &Operand, dot: &Value) -> Result<Arg, Fault> {
        let value = match operand {
            Operand::Dot => dot.clone(),
            Operand::Nil => Value::Nil,
            Operand::Bool(truth) => Value::Bool(*truth),
            Operand::Number(Number::Int(number)) => Value::Int(*number),
            Operand::Number(Number::Float(number)) => {
                return Ok(Arg { value: Value::Float(*number), literal: true });
            }
            Operand::Text(text) => Value::Text(text.clone()),
            Operand::Field(names) => self.fields(dot.clone(), names, None)?,
            Operand::Variable(number, names) => {
                let value = self.variable(*number)?;
                self.fields(value, names, None)?
            }
            Operand::Function(function) => self.function(function, &[], dot, None)?,
            Operand::Pipeline(pipeline) => self.pipeline(pipeline, dot)?,
            Operand::Chain(base, names) => {
                let value = self.operand(base, dot)?.value;
                self.fields(value, names, None)?
            }
        };
        Ok(Arg { value, literal: false })
    }

    fn variable(&self, variable: u32) -> Result<Value, Fault> {
        let known = self.variables.iter().rev().find(|(number, _)| *number == variable);
        known.map(|(_, value)| value.clone()).ok_or_else(undefined)
    }

    /// Follows fields; the last one may be a method, which gets the arguments.
    fn fields(
        &mut self,
        from: Value,
        names: &[Arc<str>],
        call: Option<(&[Operand], &Value, Option<Value>)>,
    ) -> Result<Value, Fault> {
        let mut value = from;
        let Some((last_name, before)) = names.split_last() else {
            return Ok(value);
        };
        for name in before {
            value = fields::field(&value, name, false)?;
        }
        let Some((words, dot, last)) = call else {
            return fields::last(&value, last_name, &[]);
        };
        if !fields::has_methods(&value) {
            return fields::field(&value, last_name, !words.is_empty() || last.is_some());
        }
        let mut arguments = Vec::new();
        for word in words {
            arguments.push(self.operand(word, dot)?);
        }
        arguments.extend(last.map(|value| Arg { value, literal: false }));
        fields::last(&value, last_name, &arguments)
    }

    fn function(
        &mut self,
        function: &'static functions::Function,
        words: &[Operand],
        dot: &Value,
        last: Option<Value>,
    ) -> Result<Value, Fault> {
        let line = self.line;
        let count = words.len() + usize::from(last.is_some());
        function.check_count(count)?;
        if let Kind::And | Kind::Or = function.kind {
            let stops = matches!(function.kind, Kind::Or);
            let mut value = Value::Missing;
            for word in words {
                value = self.operand(word, dot)?.value;
                if value.truth() == stops {
                    return Ok(value);
                }
            }
            return Ok(last.unwrap_or(value));
        }
        let mut arguments = Vec::with_capacity(count);
        for word in words {
            arguments.push(self.operand(word, dot)?);
        }
        arguments.extend(last.map(|value| Arg { value, literal: false }));
        self.line = line;
        match function.kind {
            Kind::Include => self.include(function, &arguments),
            _ => functions::call(function, self.session, &arguments),
        }
    }

    /// `include file data`: the text that another file of the folder renders.
    fn include(&mut self, function: &functions::Function, arguments: &[Arg]) -> Result<Value, Fault> {
        let (name, data) = match arguments {
            [Arg { value: Value::Text(name), .. }, rest @ ..] => (name, rest.first()),
            _ => return Err(function.fail("argument 1 must be the name of a file")),
        };
        let data = data.map_or(Value::Missing, |data| data.value.clone());
        let limits = self.session.meter.limits;
        let program = self.session.includes.program(name, &limits)?;
        if self.session.files.contains(name) || program.file() == self.program.file() {
            return Err(function.fail(format!("{} includes itself", super::quoted(name))));
        }
        self.session.meter.enter_include()?;
        self.session.files.push(name.clone());
        let text = run(&program, self.session, &data)?;
        self.session.files.pop();
        self.session.meter.leave_include();
        self.session.meter.made(text.len())?;
        Ok(Value::text(text))
    }
}

/// Arguments after something that takes none.
fn no_arguments(first: &Operand, words: &[Operand], piped: bool) -> Result<(), Fault> {
    if words.is_empty() && !piped {
        return Ok(());
    }
    Err(Fault::action(format!("{} is not a function and takes no arguments", first.shown())))
}

/// Go's parser sees a variable as defined in the `else` of the block that defines it.
fn undefined() -> Fault {
    Fault::action("a variable is used whose definition was passed over")
}
