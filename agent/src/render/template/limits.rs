//! What a template may cost. Values come from a store that others write, so a template that was harmless yesterday can
//! ask for the moon today: everything it can multiply is counted, and going over is an ordinary error.

use std::time::{Duration, Instant};

use thiserror::Error;

/// Steps between two looks at the clock.
const STEPS_PER_LOOK: u64 = 4096;

/// Bounds on one template and one rendering of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a template file.
    pub source: usize,
    /// Blocks, parentheses and literals inside each other in a template's text.
    pub nesting: u32,
    /// Blocks and templates inside each other while rendering: bounds the stack.
    pub depth: u32,
    /// Files that include each other.
    pub includes: u32,
    /// Actions, iterations and keys looked at.
    pub steps: u64,
    /// Bytes of the rendered text.
    pub output: usize,
    /// Bytes of one value.
    pub value: usize,
    /// Bytes of all values made by functions, together.
    pub made: usize,
    /// Elements of a list that a function makes.
    pub elements: usize,
    /// Lists and maps inside each other in a value.
    pub value_depth: u32,
    /// Bytes of a compiled regular expression.
    pub regex: usize,
    /// Time on the clock.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            source: 1 << 20,
            nesting: 100,
            depth: 250,
            includes: 10,
            steps: 20_000_000,
            output: 16 << 20,
            value: 8 << 20,
            made: 256 << 20,
            elements: 1_000_000,
            value_depth: 100,
            regex: 256 << 10,
            time: Duration::from_secs(5),
        }
    }
}

/// A bound that a template went over.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Exceeded {
    /// See [`Limits::source`].
    #[error("a template file may have {0} bytes")]
    Source(usize),
    /// See [`Limits::nesting`].
    #[error("more than {0} blocks or parentheses inside each other")]
    Nesting(u32),
    /// See [`Limits::depth`].
    #[error("more than {0} blocks and templates inside each other: does a template call itself without end?")]
    Depth(u32),
    /// See [`Limits::includes`].
    #[error("more than {0} files include each other: does one include itself?")]
    Includes(u32),
    /// See [`Limits::steps`].
    #[error("more than {0} steps: this template would run too long")]
    Steps(u64),
    /// See [`Limits::output`].
    #[error("the rendered text is larger than {0} bytes")]
    Output(usize),
    /// See [`Limits::value`].
    #[error("a value is larger than {0} bytes")]
    Value(usize),
    /// See [`Limits::made`].
    #[error("the values that this template makes are larger than {0} bytes together")]
    Made(usize),
    /// See [`Limits::elements`].
    #[error("a list would have more than {0} elements")]
    Elements(usize),
    /// See [`Limits::value_depth`].
    #[error("a value has more than {0} lists and maps inside each other")]
    ValueDepth(u32),
    /// See [`Limits::time`].
    #[error("rendering takes longer than {0:?}")]
    Time(Duration),
}

/// Counts what one rendering costs.
#[derive(Debug)]
pub(super) struct Meter {
    pub(super) limits: Limits,
    steps: u64,
    next_look: u64,
    made: usize,
    depth: u32,
    includes: u32,
    end: Instant,
}

impl Meter {
    /// Begins to count, and the clock to run.
    pub(super) fn start(limits: Limits) -> Meter {
        let end = Instant::now() + limits.time;
        Meter { limits, steps: 0, next_look: STEPS_PER_LOOK, made: 0, depth: 0, includes: 0, end }
    }

    /// Something was done `count` times.
    pub(super) fn steps(&mut self, count: usize) -> Result<(), Exceeded> {
        self.steps = self.steps.saturating_add(count as u64);
        if self.steps < self.next_look {
            return Ok(());
        }
        if self.steps > self.limits.steps {
            return Err(Exceeded::Steps(self.limits.steps));
        }
        self.next_look = self.steps + STEPS_PER_LOOK;
        self.look_at_clock()
    }

    /// Whether there is time left.
    pub(super) fn look_at_clock(&self) -> Result<(), Exceeded> {
        if Instant::now() > self.end { Err(Exceeded::Time(self.limits.time)) } else { Ok(()) }
    }

    /// A function made a value of so many bytes.
    pub(super) fn made(&mut self, bytes: usize) -> Result<(), Exceeded> {
        if bytes > self.limits.value {
            return Err(Exceeded::Value(self.limits.value));
        }
        self.made = self.made.saturating_add(bytes);
        if self.made > self.limits.made {
            return Err(Exceeded::Made(self.limits.made));
        }
        // Copying is work as well.
        self.steps(bytes / 64)
    }

    /// Something of so many bytes is kept that no value of its own shows, such as the places of a list.
    pub(super) fn held(&mut self, bytes: usize) -> Result<(), Exceeded> {
        self.made = self.made.saturating_add(bytes);
        if self.made > self.limits.made {
            Err(Exceeded::Made(self.limits.made))
        } else {
            self.steps(bytes / 64)
        }
    }

    /// A block, a template or a file inside another one begins; [`Meter::leave`] must follow where this succeeds.
    pub(super) fn enter(&mut self) -> Result<(), Exceeded> {
        if self.depth >= self.limits.depth {
            return Err(Exceeded::Depth(self.limits.depth));
        }
        self.depth += 1;
        Ok(())
    }

    /// It ends.
    pub(super) fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// An included file begins; [`Meter::leave_include`] must follow where this succeeds.
    pub(super) fn enter_include(&mut self) -> Result<(), Exceeded> {
        if self.includes >= self.limits.includes {
            return Err(Exceeded::Includes(self.limits.includes));
        }
        self.includes += 1;
        Ok(())
    }

    /// It ends.
    pub(super) fn leave_include(&mut self) {
        self.includes = self.includes.saturating_sub(1);
    }
}
