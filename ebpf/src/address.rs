//! IP addresses as two machine words, for comparisons without loops or calls.

use vipward_common::abi::Address;

/// An [`Address`], its bytes in the same places.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Words(u64, u64);

impl Words {
    /// The address stored at a place that is known to be aligned to 8 bytes.
    #[inline(always)]
    pub(crate) fn aligned(address: &Address) -> Words {
        // SAFETY: 16 readable bytes; every `Address` of the ABI lies at a multiple of 8 in a struct aligned to 8.
        unsafe { core::ptr::from_ref(address).cast::<Words>().read() }
    }

    /// From the address's eight 16-bit words in memory order.
    #[inline(always)]
    pub(crate) fn from_halves(halves: [u16; 8]) -> Words {
        let [a, b, c, d, e, f, g, h] = halves;
        Words(join(a, b, c, d), join(e, f, g, h))
    }

    /// The first byte of the address.
    #[inline(always)]
    pub(crate) fn first(self) -> u8 {
        let [first, ..] = self.0.to_ne_bytes();
        first
    }

    /// The last two bytes of an IPv4 address, as they lie in memory.
    #[inline(always)]
    pub(crate) fn tail_v4(self) -> u16 {
        let [_, _, a, b, ..] = self.0.to_ne_bytes();
        u16::from_ne_bytes([a, b])
    }

    /// The last two bytes of an IPv6 address, as they lie in memory.
    #[inline(always)]
    pub(crate) fn tail_v6(self) -> u16 {
        let [.., a, b] = self.1.to_ne_bytes();
        u16::from_ne_bytes([a, b])
    }

    /// Writes the address to a place that is known to be aligned to 8 bytes.
    #[inline(always)]
    pub(crate) fn store(self, address: &mut Address) {
        // SAFETY: 16 writable bytes, aligned as above.
        unsafe { core::ptr::from_mut(address).cast::<Words>().write(self) }
    }

    /// The same bytes as the ABI has them.
    #[inline(always)]
    pub(crate) fn to_address(self) -> Address {
        // SAFETY: both are 16 bytes without padding, and any bytes are an Address.
        unsafe { core::mem::transmute::<Words, Address>(self) }
    }
}

/// Four 16-bit words in memory order as one word in memory order.
#[inline(always)]
fn join(a: u16, b: u16, c: u16, d: u16) -> u64 {
    let [a, b, c, d] = [a as u64, b as u64, c as u64, d as u64];
    if cfg!(target_endian = "little") {
        a | b << 16 | c << 32 | d << 48
    } else {
        a << 48 | b << 32 | c << 16 | d
    }
}
