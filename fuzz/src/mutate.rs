//! Small changes to an input, for where libFuzzer is not.

use std::fmt;

/// Inputs made of others. The same numbers make the same inputs.
pub struct Mutator<'c, N> {
    corpus: &'c [Vec<u8>],
    longest: usize,
    number: N,
}

impl<N> fmt::Debug for Mutator<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutator").field("inputs", &self.corpus.len()).finish_non_exhaustive()
    }
}

impl<'c, N: FnMut(usize) -> usize> Mutator<'c, N> {
    /// From inputs, for inputs of so many bytes at most; `number` gives numbers below its argument, which is above 0.
    pub fn new(corpus: &'c [Vec<u8>], longest: usize, number: N) -> Self {
        Mutator { corpus, longest, number }
    }

    /// The next input.
    pub fn input(&mut self) -> Vec<u8> {
        let mut input = self.pick();
        for _ in 0..=(self.number)(4) {
            self.change(&mut input);
        }
        input.truncate(self.longest);
        input
    }

    fn pick(&mut self) -> Vec<u8> {
        match self.corpus.len() {
            0 => Vec::new(),
            count => self.corpus[(self.number)(count)].clone(),
        }
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = (self.number)(input.len() + 1);
        let end = (at + (self.number)(16)).min(input.len());
        match (self.number)(7) {
            0 => input.truncate(at),
            1 => _ = input.drain(at..end),
            2 => {
                let piece = input[at..end].to_vec();
                let times = 1 + (self.number)(8);
                input.splice(at..at, piece.repeat(times));
            }
            3 => {
                let other = self.pick();
                let from = (self.number)(other.len() + 1);
                input.splice(at.., other[from..].iter().copied());
            }
            4 => input.insert(at, self.byte()),
            _ => {
                let byte = self.byte();
                if let Some(place) = input.get_mut(at) {
                    *place ^= byte;
                }
            }
        }
    }

    fn byte(&mut self) -> u8 {
        u8::try_from((self.number)(256)).unwrap_or(0)
    }
}
