//! The bounded text that Handlebars writes to.

use std::io::{Error, Result, Write};

use super::super::limits::Exceeded;

/// Text of at most so many bytes.
pub(super) struct Bounded {
    bytes: Vec<u8>,
    most: usize,
    over: Exceeded,
}

impl Bounded {
    /// `over` is the error beyond `most` bytes.
    pub(super) fn new(most: usize, over: Exceeded) -> Bounded {
        Bounded { bytes: Vec::new(), most, over }
    }

    /// What was written. It is text, for all that is written is.
    pub(super) fn into_text(self) -> String {
        String::from_utf8(self.bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        if bytes.len() > self.most - self.bytes.len() {
            return Err(Error::other(self.over.clone()));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
