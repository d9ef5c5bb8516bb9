//! Tokens to a tree. Whatever Go's parser refuses is refused here, and nothing else: an unclosed block, a stray `end` or
//! `else`, a function or a variable that does not exist.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::super::error::{Fault, TemplateError};
use super::super::limits::{Exceeded, Limits};
use super::ast::{Block, Call, Control, If, Node, Pipeline, Program};
use super::lex::Lexer;
use super::number;
use super::token::{Keyword, Kind, Token};

/// Parses the text of a file.
pub(in super::super) fn parse(file: &Path, text: &str, limits: &Limits) -> Result<Program, TemplateError> {
    let mut parser = Parser {
        lexer: Lexer::new(text),
        ahead: Vec::new(),
        line: 1,
        templates: BTreeMap::new(),
        names: vec!["$".into()],
        variables: vec![0],
        ranges: 0,
        nesting: 0,
        most_nesting: limits.nesting,
    };
    let main = parser.file().map_err(|(line, fault)| fault.at(file, line))?;
    Ok(Program { file: file.to_owned(), templates: parser.templates, main: Arc::new(main) })
}

/// The parser's result: an error has its line.
pub(super) type Parsed<T> = Result<T, (u32, Fault)>;

pub(super) struct Parser<'s> {
    lexer: Lexer<'s>,
    /// Tokens that were looked at and are still to come, the next one last.
    ahead: Vec<Token<'s>>,
    /// The line of the token that came last.
    line: u32,
    templates: BTreeMap<Arc<str>, Arc<Block>>,
    /// All variables' names; their numbers stand for them in the tree.
    names: Vec<Box<str>>,
    /// Those that are visible here.
    pub(super) variables: Vec<u32>,
    /// Ranges around here, for `break` and `continue`.
    ranges: u32,
    nesting: u32,
    most_nesting: u32,
}

/// What ended a list of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closer {
    End,
    Else,
}

impl<'s> Parser<'s> {
    /// The next token, taken.
    pub(super) fn next(&mut self) -> Parsed<Token<'s>> {
        let token = match self.ahead.pop() {
            Some(token) => token,
            None => self.lexer.token()?,
        };
        self.line = token.line;
        Ok(token)
    }

    /// The next token that is no blank, taken.
    pub(super) fn next_word(&mut self) -> Parsed<Token<'s>> {
        let token = self.next()?;
        if token.kind == Kind::Space { self.next() } else { Ok(token) }
    }

    /// Gives a token back.
    pub(super) fn back(&mut self, token: Token<'s>) {
        self.ahead.push(token);
    }

    /// The next token, left where it is.
    pub(super) fn peek(&mut self) -> Parsed<Token<'s>> {
        let token = self.next()?;
        self.back(token);
        Ok(token)
    }

    /// The next token that is no blank, left where it is; a blank before it is gone.
    pub(super) fn peek_word(&mut self) -> Parsed<Token<'s>> {
        let token = self.next_word()?;
        self.back(token);
        Ok(token)
    }

    pub(super) fn fail<T>(&self, why: impl Into<String>) -> Parsed<T> {
        Err((self.line, Fault::Syntax(why.into())))
    }

    pub(super) fn unexpected<T>(token: &Token<'_>, place: &str) -> Parsed<T> {
        let why = match token.kind {
            Kind::End => format!("the file ends inside {place}"),
            _ => format!("{} cannot stand in {place}", token.shown()),
        };
        Err((token.line, Fault::Syntax(why)))
    }

    fn demand(&mut self, kind: Kind, place: &str) -> Parsed<Token<'s>> {
        let token = self.next_word()?;
        if token.kind == kind { Ok(token) } else { Parser::unexpected(&token, place) }
    }

    /// Runs something that stands inside something else.
    pub(super) fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.nesting >= self.most_nesting {
            return Err((self.line, Exceeded::Nesting(self.most_nesting).into()));
        }
        self.nesting += 1;
        let result = inner(self);
        self.nesting -= 1;
        result
    }

    /// The number of a visible variable.
    pub(super) fn variable(&self, name: &str) -> Parsed<u32> {
        let visible = self.variables.iter().rev().find(|number| &*self.names[**number as usize] == name);
        match visible {
            Some(number) => Ok(*number),
            None => self.fail(format!(
                "{} is not defined here; `{{{{{name} := …}}}}` defines it",
                super::quoted(name)
            )),
        }
    }

    /// Makes a variable visible.
    pub(super) fn declare(&mut self, name: &str) -> u32 {
        let known = self.names.iter().position(|known| **known == *name);
        let at = known.unwrap_or_else(|| {
            self.names.push(name.into());
            self.names.len() - 1
        });
        // A file has fewer bytes than a u32 has values.
        let number = u32::try_from(at).unwrap_or(u32::MAX);
        self.variables.push(number);
        number
    }

    fn file(&mut self) -> Parsed<Block> {
        let mut nodes = Vec::new();
        loop {
            let token = self.next()?;
            match token.kind {
                Kind::End => return Ok(nodes),
                Kind::Left => {
                    let word = self.next_word()?;
                    if word.kind == Kind::Keyword(Keyword::Define) {
                        self.define(token.line)?;
                        continue;
                    }
                    self.back(word);
                    match self.action()? {
                        Ok(node) => nodes.push(node),
                        Err(Closer::Else) => return self.fail("`{{else}}` outside of a block"),
                        Err(_) => return self.fail("`{{end}}` without a block that it ends"),
                    }
                }
                _ => nodes.push(Node::Text(token.text.into())),
            }
        }
    }

    /// Nodes up to the `else` or `end` of the block that `opener` began.
    fn block(&mut self, opener: Token<'s>) -> Parsed<(Block, Closer)> {
        let mut nodes = Vec::new();
        loop {
            let token = self.next()?;
            match token.kind {
                Kind::End => {
                    let why = format!("{} without its `{{{{end}}}}`", super::quoted(opener.text));
                    return Err((opener.line, Fault::Syntax(why)));
                }
                Kind::Left => match self.action()? {
                    Ok(node) => nodes.push(node),
                    Err(closer) => return Ok((nodes, closer)),
                },
                _ => nodes.push(Node::Text(token.text.into())),
            }
        }
    }

    /// What stands between braces: a node, or the end of the block around.
    fn action(&mut self) -> Parsed<Result<Node, Closer>> {
        let token = self.next_word()?;
        let Kind::Keyword(keyword) = token.kind else {
            self.back(token);
            return Ok(Ok(Node::Action(self.pipeline("an action", Kind::Right)?)));
        };
        Ok(Ok(match keyword {
            Keyword::Nil => {
                self.back(token);
                Node::Action(self.pipeline("an action", Kind::Right)?)
            }
            Keyword::End => {
                self.demand(Kind::Right, "`end`")?;
                return Ok(Err(Closer::End));
            }
            Keyword::Else => {
                // What follows on `else if` is left to `if`, the only one that takes it.
                let next = self.peek_word()?;
                if next.kind == Kind::Keyword(Keyword::With) {
                    return self
                        .fail("confd's Go has no `{{else with}}`; write `{{else}}{{with …}}…{{end}}`");
                }
                if next.kind != Kind::Keyword(Keyword::If) {
                    self.demand(Kind::Right, "`else`")?;
                }
                return Ok(Err(Closer::Else));
            }
            Keyword::If => self.nested(|parser| parser.if_block(token))?,
            Keyword::Range => Node::Range(self.nested(|parser| parser.control(token))?),
            Keyword::With => Node::With(self.nested(|parser| parser.control(token))?),
            Keyword::Template => self.call(token)?,
            Keyword::Block => self.nested(|parser| parser.define_here(token))?,
            Keyword::Break | Keyword::Continue => {
                if self.ranges == 0 {
                    return self.fail(format!("`{{{{{}}}}}` outside of `{{{{range}}}}`", token.text));
                }
                self.demand(Kind::Right, "`break` or `continue`")?;
                if keyword == Keyword::Break { Node::Break } else { Node::Continue }
            }
            Keyword::Define => return self.fail("`{{define}}` must not stand inside another block"),
        }))
    }

    fn if_block(&mut self, opener: Token<'s>) -> Parsed<Node> {
        let visible = self.variables.len();
        let mut arms = Vec::new();
        let mut otherwise = Vec::new();
        loop {
            let condition = self.pipeline("`if`", Kind::Right)?;
            let (body, closer) = self.block(opener)?;
            arms.push((condition, body));
            if closer == Closer::End {
                break;
            }
            if self.peek()?.kind == Kind::Keyword(Keyword::If) {
                self.next()?;
                continue;
            }
            otherwise = self.last_block(opener)?;
            break;
        }
        self.variables.truncate(visible);
        Ok(Node::If(If { arms, otherwise }))
    }

    /// `range` and `with`.
    fn control(&mut self, opener: Token<'s>) -> Parsed<Control> {
        let visible = self.variables.len();
        let range = opener.kind == Kind::Keyword(Keyword::Range);
        let pipeline = self.pipeline(if range { "`range`" } else { "`with`" }, Kind::Right)?;
        self.ranges += u32::from(range);
        let body = self.block(opener);
        self.ranges -= u32::from(range);
        let (body, closer) = body?;
        let otherwise = if closer == Closer::Else { self.last_block(opener)? } else { Vec::new() };
        self.variables.truncate(visible);
        Ok(Control { pipeline, body, otherwise })
    }

    /// The nodes after an `else`.
    fn last_block(&mut self, opener: Token<'s>) -> Parsed<Block> {
        let next = self.peek()?;
        if next.kind == Kind::Keyword(Keyword::If) {
            return self.fail(format!("`else if` belongs to `if`, not to {}", super::quoted(opener.text)));
        }
        let (nodes, closer) = self.block(opener)?;
        if closer != Closer::End {
            return self.fail(format!("a second `{{{{else}}}}` in {}", super::quoted(opener.text)));
        }
        Ok(nodes)
    }

    fn call(&mut self, opener: Token<'s>) -> Parsed<Node> {
        let name = self.template_name("`template`")?;
        let next = self.next_word()?;
        let pipeline = if next.kind == Kind::Right {
            None
        } else {
            self.back(next);
            Some(self.pipeline("`template`", Kind::Right)?)
        };
        Ok(Node::Template(Call { line: opener.line, name, pipeline }))
    }

    fn template_name(&mut self, place: &str) -> Parsed<Arc<str>> {
        let token = self.next_word()?;
        self.text_of(&token)?.map_or_else(|| Parser::unexpected(&token, place), Ok)
    }

    /// The text of a string literal.
    pub(super) fn text_of(&self, token: &Token<'_>) -> Parsed<Option<Arc<str>>> {
        Ok(match token.kind {
            Kind::String => Some(number::string(token.text).map_err(|fault| (self.line, fault))?.into()),
            // Go's raw strings have no carriage returns of their own in source files, but have them here.
            Kind::RawString => Some(token.text[1..token.text.len() - 1].into()),
            _ => None,
        })
    }

    fn define(&mut self, line: u32) -> Parsed<()> {
        let opener = Token { kind: Kind::Keyword(Keyword::Define), text: "define", line };
        let name = self.template_name("`define`")?;
        self.demand(Kind::Right, "`define`")?;
        self.body_of(name, opener)
    }

    /// `block`: a definition, and a call of it in its place.
    fn define_here(&mut self, opener: Token<'s>) -> Parsed<Node> {
        let name = self.template_name("`block`")?;
        let pipeline: Pipeline = self.pipeline("`block`", Kind::Right)?;
        self.body_of(name.clone(), opener)?;
        Ok(Node::Template(Call { line: opener.line, name, pipeline: Some(pipeline) }))
    }

    /// A template's body, which sees no variable but `$` and no range from outside.
    fn body_of(&mut self, name: Arc<str>, opener: Token<'s>) -> Parsed<()> {
        let variables = std::mem::replace(&mut self.variables, vec![0]);
        let ranges = std::mem::take(&mut self.ranges);
        let body = self.nested(|parser| parser.block(opener));
        self.variables = variables;
        self.ranges = ranges;
        let (body, closer) = body?;
        if closer != Closer::End {
            return self.fail(format!("`{{{{else}}}}` in {}", super::quoted(opener.text)));
        }
        match self.templates.get(&name) {
            // A template of nothing but blanks does not replace another one, and another one may replace it.
            Some(_) if is_blank(&body) => {}
            Some(known) if !is_blank(known) => {
                let why = format!("the template {} is defined twice", super::quoted(&name));
                return Err((opener.line, Fault::Syntax(why)));
            }
            _ => drop(self.templates.insert(name, Arc::new(body))),
        }
        Ok(())
    }
}

fn is_blank(nodes: &Block) -> bool {
    nodes.iter().all(|node| matches!(node, Node::Text(text) if text.trim().is_empty()))
}
