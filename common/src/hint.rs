//! Whether an address may be a virtual one, told at a tenth of what a lookup costs.
//!
//! Nearly every packet is for an address with another end than any virtual address has. A bit that is set proves nothing:
//! others may have that end too.

/// Words of [`crate::abi::names::VIP_HINTS`]: a bit for each value that the end of an address can have.
pub const WORDS: u32 = 1 << 10;

/// Where the hint for an address is whose last two bytes, as they lie in memory, are `tail`: the word and the bit in it.
#[inline(always)]
pub const fn at(tail: u16) -> (u32, u64) {
    (tail as u32 / u64::BITS, 1 << (tail as u32 % u64::BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_has_a_bit_of_its_own() {
        for tail in 0..=u16::MAX {
            let (word, bit) = at(tail);
            assert!(word < WORDS);
            assert_eq!(word * u64::BITS + bit.trailing_zeros(), u32::from(tail));
            assert_eq!(bit.count_ones(), 1);
        }
    }
}
