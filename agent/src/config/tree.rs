//! Statements and braces to a tree of blocks, with a good guess where a brace was forgotten.

use super::diagnostic::{Findings, quoted};
use super::keywords;
use super::lex::{Statement, Token, Word};
use super::model::Location;

/// Blocks within blocks. keepalived's own nesting ends at three.
const MAX_DEPTH: usize = 16;

/// A statement, with its block if it has one.
#[derive(Debug)]
pub(super) struct Node {
    /// The statement.
    pub(super) statement: Statement,
    /// What stands between the braces after it.
    pub(super) block: Option<Vec<Node>>,
}

impl Node {
    /// Where the statement begins.
    pub(super) fn at(&self) -> &Location {
        &self.keyword().at
    }

    /// The first word.
    pub(super) fn keyword(&self) -> &Word {
        &self.statement.keyword
    }

    /// The words after the keyword.
    pub(super) fn args(&self) -> &[Word] {
        &self.statement.args
    }

    /// The statements of the block, none without a block.
    pub(super) fn children(&self) -> &[Node] {
        self.block.as_deref().unwrap_or_default()
    }
}

/// A block that is still open.
struct Frame {
    /// The statement before the brace; `None` for a brace on its own, whose content is dropped.
    head: Option<Statement>,
    opened: Location,
    nodes: Vec<Node>,
}

struct Parser<'f> {
    findings: &'f mut Findings,
    root: Vec<Node>,
    open: Vec<Frame>,
    /// Braces open beyond [`MAX_DEPTH`].
    too_deep: usize,
    /// The last statement was refused, and its block goes with it.
    refused: bool,
}

/// The tree of `tokens`.
pub(super) fn parse(tokens: Vec<Token>, findings: &mut Findings) -> Vec<Node> {
    let mut parser = Parser { findings, root: Vec::new(), open: Vec::new(), too_deep: 0, refused: false };
    for token in tokens {
        match token {
            Token::Statement(statement) => parser.statement(statement),
            Token::Open(at) => parser.open(at),
            Token::Close(at) => parser.close(&at),
        }
    }
    parser.finish()
}

impl Parser<'_> {
    fn nodes(&mut self) -> &mut Vec<Node> {
        self.open.last_mut().map_or(&mut self.root, |frame| &mut frame.nodes)
    }

    fn statement(&mut self, statement: Statement) {
        if self.too_deep > 0 {
            return;
        }
        self.refused = self.refuse(&statement);
        if !self.refused {
            self.nodes().push(Node { statement, block: None });
        }
    }

    /// Reports what is no statement of any block.
    fn refuse(&mut self, statement: &Statement) -> bool {
        let word = &statement.keyword;
        let text = word.text.as_str();
        if text.len() >= 2 && text.chars().all(|c| matches!(c, '.' | '…')) {
            self.findings
                .strict(&word.at, format!("a literal {} as in a tutorial is no configuration", quoted(text)))
                .help("delete the line, or write what it stands for");
            return true;
        }
        // Those at the beginning of a line are no statements any more.
        let (what, form) = match text.split_at_checked(1) {
            Some(("@", _)) => {
                ("condition", "it stands at the beginning of its line, as in `@ID priority 100`")
            }
            Some(("~", _)) => (
                "sequence",
                "it stands at the beginning of its line, as in `~SEQ(VAR, START, STEP, END)`, `~SEQx(…)` or \
                 `~LST(VAR, VALUE, …)`",
            ),
            Some(("$", rest)) if rest.contains('=') => (
                "definition",
                "it stands at the beginning of its line, as in `$NAME=VALUE`; a name has up to 64 letters, digits and _, \
                 and does not begin with a digit",
            ),
            _ => return false,
        };
        self.findings.strict(&word.at, format!("{} is not read as a {what}", quoted(text))).help(form);
        true
    }

    fn open(&mut self, opened: Location) {
        if self.too_deep > 0 || self.open.len() >= MAX_DEPTH {
            if self.too_deep == 0 {
                self.findings.error(&opened, format!("more than {MAX_DEPTH} blocks within each other"));
            }
            self.too_deep += 1;
            return;
        }
        if std::mem::take(&mut self.refused) {
            self.open.push(Frame { head: None, opened, nodes: Vec::new() });
            return;
        }
        let head = match self.nodes().pop() {
            Some(Node { statement, block: None }) => Some(statement),
            Some(node) => {
                self.nodes().push(node);
                None
            }
            None => None,
        };
        match &head {
            None => _ = self.findings.error(&opened, "this `{` belongs to no keyword"),
            Some(head) => self.close_forgotten(head),
        }
        self.open.push(Frame { head, opened, nodes: Vec::new() });
    }

    /// A keyword that opens a block of the top level cannot stand within another: closes what is open.
    fn close_forgotten(&mut self, head: &Statement) {
        let keyword = &head.keyword;
        let Some(frame) = self.open.last() else { return };
        if !keywords::opens_top_level_block(&keyword.text) {
            return;
        }
        let around =
            frame.head.as_ref().map_or_else(|| "a block".to_owned(), |head| quoted(&head.keyword.text));
        self.findings
            .error(&keyword.at, format!("{} within {around}", quoted(&keyword.text)))
            .help(format!("a `}}` is missing above, for the block of line {}", frame.opened.line));
        while let Some(frame) = self.open.pop() {
            self.attach(frame);
        }
    }

    fn close(&mut self, at: &Location) {
        self.refused = false;
        if self.too_deep > 0 {
            self.too_deep -= 1;
        } else if let Some(frame) = self.open.pop() {
            self.attach(frame);
        } else {
            self.findings.error(at, "this `}` closes nothing");
        }
    }

    fn attach(&mut self, frame: Frame) {
        if let Some(statement) = frame.head {
            self.nodes().push(Node { statement, block: Some(frame.nodes) });
        }
    }

    fn finish(mut self) -> Vec<Node> {
        while let Some(frame) = self.open.pop() {
            self.findings.error(&frame.opened, "this `{` is never closed");
            self.attach(frame);
        }
        self.root
    }
}
