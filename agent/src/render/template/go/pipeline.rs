//! Pipelines: declarations, commands and their words.

use super::super::functions;
use super::ast::{Command, Operand, Pipeline};
use super::number::{self, Number};
use super::parse::{Parsed, Parser};
use super::token::{Keyword, Kind, Token};

impl<'s> Parser<'s> {
    /// A pipeline up to `end`, which is taken as well.
    pub(super) fn pipeline(&mut self, place: &str, end: Kind) -> Parsed<Pipeline> {
        let line = self.peek_word()?.line;
        let mut pipeline = Pipeline { line, assigns: false, variables: Vec::new(), commands: Vec::new() };
        self.declarations(place, &mut pipeline)?;
        loop {
            let token = self.next_word()?;
            match token.kind {
                kind if kind == end => {
                    self.check(&pipeline, place)?;
                    return Ok(pipeline);
                }
                Kind::Bool
                | Kind::Char
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Keyword(Keyword::Nil)
                | Kind::RawString
                | Kind::String
                | Kind::Variable
                | Kind::OpenParen => {
                    self.back(token);
                    let command = self.command()?;
                    pipeline.commands.push(command);
                }
                _ => return Parser::unexpected(&token, place),
            }
        }
    }

    /// `$x :=`, `$x =` and, in a range, `$x, $y :=`.
    fn declarations(&mut self, place: &str, pipeline: &mut Pipeline) -> Parsed<()> {
        let mut names: Vec<&'s str> = Vec::new();
        loop {
            let variable = self.peek_word()?;
            if variable.kind != Kind::Variable {
                return Ok(());
            }
            self.next()?;
            // Blanks are tokens: in `$x foo` the variable is a value, and the blank has to be given back.
            let blank = self.peek()?;
            let next = self.peek_word()?;
            match next.kind {
                Kind::Assign | Kind::Declare => {
                    self.next()?;
                    names.push(variable.text);
                    pipeline.assigns = next.kind == Kind::Assign;
                    for name in names {
                        let number = if pipeline.assigns { self.variable(name)? } else { self.declare(name) };
                        pipeline.variables.push(number);
                    }
                    return Ok(());
                }
                Kind::Comma => {
                    self.next()?;
                    names.push(variable.text);
                    if place != "`range`" || names.len() > 1 {
                        return self.fail(format!("too many variables in {place}"));
                    }
                    let second = self.peek_word()?;
                    if second.kind != Kind::Variable {
                        return self.fail("only variables can stand before `:=` in `range`");
                    }
                }
                _ if names.is_empty() => {
                    if blank.kind == Kind::Space {
                        self.back(blank);
                    }
                    self.back(variable);
                    return Ok(());
                }
                _ => return Parser::unexpected(&next, "`range`, where `:=` should come"),
            }
        }
    }

    /// Whether each command of a finished pipeline can be one.
    fn check(&self, pipeline: &Pipeline, place: &str) -> Parsed<()> {
        if pipeline.commands.is_empty() {
            return self.fail(format!("{place} has no value"));
        }
        for command in &pipeline.commands[1..] {
            if let Some(first) = command.words.first()
                && matches!(
                    first,
                    Operand::Bool(_) | Operand::Dot | Operand::Nil | Operand::Number(_) | Operand::Text(_)
                )
            {
                return self.fail(format!("{} takes nothing from a `|`", first.shown()));
            }
        }
        Ok(())
    }

    fn command(&mut self) -> Parsed<Command> {
        let line = self.peek_word()?.line;
        let mut words = Vec::new();
        loop {
            self.peek_word()?;
            if let Some(operand) = self.operand()? {
                words.push(operand);
            }
            let token = self.next()?;
            match token.kind {
                Kind::Space => continue,
                Kind::Right | Kind::CloseParen => self.back(token),
                Kind::Pipe => {}
                _ => return Parser::unexpected(&token, "a command"),
            }
            if words.is_empty() {
                return self.fail("a command without words");
            }
            return Ok(Command { line, words });
        }
    }

    /// A word with its fields, or nothing if something else comes.
    fn operand(&mut self) -> Parsed<Option<Operand>> {
        let Some(term) = self.term()? else {
            return Ok(None);
        };
        let mut fields = Vec::new();
        while self.peek()?.kind == Kind::Field {
            fields.push(self.next()?.text[1..].into());
        }
        if fields.is_empty() {
            return Ok(Some(term));
        }
        Ok(Some(match term {
            Operand::Field(mut names) => {
                names.extend(fields);
                Operand::Field(names)
            }
            Operand::Variable(number, mut names) => {
                names.extend(fields);
                Operand::Variable(number, names)
            }
            term @ (Operand::Function(_) | Operand::Pipeline(_)) => Operand::Chain(Box::new(term), fields),
            term => return self.fail(format!("{} has no fields", term.shown())),
        }))
    }

    fn term(&mut self) -> Parsed<Option<Operand>> {
        let token = self.next_word()?;
        let at = |fault| (token.line, fault);
        Ok(Some(match token.kind {
            Kind::Identifier => match functions::find(token.text) {
                Some(function) => Operand::Function(function),
                None => return self.unknown_function(&token),
            },
            Kind::Dot => Operand::Dot,
            Kind::Keyword(Keyword::Nil) => Operand::Nil,
            Kind::Variable => Operand::Variable(self.variable(token.text)?, Vec::new()),
            Kind::Field => Operand::Field(vec![token.text[1..].into()]),
            Kind::Bool => Operand::Bool(token.text == "true"),
            Kind::Char => Operand::Number(Number::Int(number::character(token.text).map_err(at)?)),
            Kind::Number => Operand::Number(number::number(token.text).map_err(at)?),
            Kind::OpenParen => {
                let inner = self.nested(|parser| parser.pipeline("parentheses", Kind::CloseParen))?;
                Operand::Pipeline(Box::new(inner))
            }
            Kind::String | Kind::RawString => match self.text_of(&token)? {
                Some(text) => Operand::Text(text),
                None => return Ok(None),
            },
            _ => {
                self.back(token);
                return Ok(None);
            }
        }))
    }

    fn unknown_function<T>(&self, token: &Token<'_>) -> Parsed<T> {
        let help = functions::near(token.text).map(|near| format!("; did you mean `{near}`?"));
        self.fail(format!("there is no function {}{}", super::quoted(token.text), help.unwrap_or_default()))
    }
}
