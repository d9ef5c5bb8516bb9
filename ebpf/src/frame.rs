//! The packet's bytes, read with the bounds checks that the verifier demands.

use aya_ebpf::bindings::{__sk_buff, xdp_md};
use aya_ebpf::programs::XdpContext;

/// A frame whose bytes can be read. The accessors read only what is within it.
pub(crate) trait Bytes {
    /// Address of the first byte.
    fn start(&self) -> usize;

    /// Address behind the last byte. Read anew for each check: the compiler would leave out a check that follows from
    /// an earlier one, but the verifier remembers only what was checked about the same pointer.
    fn end(&self) -> usize;

    /// The `N` 16-bit words at `offset`, as they lie in memory; `None` when the frame ends before.
    ///
    /// Every header that we read lies at an even offset and frames start at an even address, so 16 bits is the
    /// widest load that needs no assumption about the driver.
    #[inline(always)]
    fn halves<const N: usize>(&self, offset: usize) -> Option<[u16; N]> {
        at(self, offset)
    }

    /// The 16-bit word at `offset`, from network order.
    #[inline(always)]
    fn u16(&self, offset: usize) -> Option<u16> {
        at::<u16>(self, offset).map(u16::from_be)
    }

    /// The byte at `offset`.
    #[inline(always)]
    fn u8(&self, offset: usize) -> Option<u8> {
        at(self, offset)
    }

    /// Whether the frame reaches to `offset`.
    #[inline(always)]
    fn reaches(&self, offset: usize) -> bool {
        self.start() + offset <= self.end()
    }
}

#[inline(always)]
fn at<T: Copy>(frame: &(impl Bytes + ?Sized), offset: usize) -> Option<T> {
    let at = frame.start() + offset;
    if at + size_of::<T>() > frame.end() {
        return None;
    }
    // SAFETY: `at..at + size_of::<T>()` lies within the frame, T is an integer or an array of them (the only
    // callers are above), and offsets of words are even.
    Some(unsafe { (at as *const T).read() })
}

/// The received frame.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Frame(*mut xdp_md);

impl Frame {
    /// The frame of `ctx`.
    #[inline(always)]
    pub(crate) fn new(ctx: &XdpContext) -> Frame {
        Frame(ctx.ctx)
    }

    /// The frame of a context that a global function was given.
    #[inline(always)]
    pub(crate) fn from_raw(ctx: *mut xdp_md) -> Frame {
        Frame(ctx)
    }

    /// The context, for a global function.
    #[inline(always)]
    pub(crate) fn raw(self) -> *mut xdp_md {
        self.0
    }
}

impl Bytes for Frame {
    #[inline(always)]
    fn start(&self) -> usize {
        // SAFETY: the context lives as long as the program runs.
        unsafe { (*self.0).data as usize }
    }

    #[inline(always)]
    fn end(&self) -> usize {
        // SAFETY: the context lives as long as the program runs.
        unsafe { (&raw const (*self.0).data_end).read_volatile() as usize }
    }
}

/// A packet on its way out, with its Ethernet header.
#[derive(Clone, Copy)]
pub(crate) struct Outgoing(pub(crate) *mut __sk_buff);

impl Bytes for Outgoing {
    #[inline(always)]
    fn start(&self) -> usize {
        // SAFETY: the context lives as long as the program runs.
        unsafe { (*self.0).data as usize }
    }

    #[inline(always)]
    fn end(&self) -> usize {
        // SAFETY: the context lives as long as the program runs.
        unsafe { (&raw const (*self.0).data_end).read_volatile() as usize }
    }
}
