//! The packet's bytes, read with the bounds checks that the verifier demands.

use aya_ebpf::bindings::xdp_md;
use aya_ebpf::programs::XdpContext;

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

    /// The `N` 16-bit words at `offset`, as they lie in memory; `None` when the frame ends before.
    ///
    /// Every header that we read lies at an even offset and frames start at an even address, so 16 bits is the
    /// widest load that needs no assumption about the driver.
    #[inline(always)]
    pub(crate) fn halves<const N: usize>(&self, offset: usize) -> Option<[u16; N]> {
        self.at(offset)
    }

    /// The 16-bit word at `offset`, from network order.
    #[inline(always)]
    pub(crate) fn u16(&self, offset: usize) -> Option<u16> {
        self.at::<u16>(offset).map(u16::from_be)
    }

    /// The byte at `offset`.
    #[inline(always)]
    pub(crate) fn u8(&self, offset: usize) -> Option<u8> {
        self.at(offset)
    }

    /// Whether the frame reaches to `offset`.
    #[inline(always)]
    pub(crate) fn reaches(&self, offset: usize) -> bool {
        self.start() + offset <= self.end()
    }

    #[inline(always)]
    fn start(&self) -> usize {
        // SAFETY: the context lives as long as the program runs.
        unsafe { (*self.0).data as usize }
    }

    /// Read anew for each check: the compiler would leave out a check that follows from an earlier one, but the
    /// verifier remembers only what was checked about the same pointer.
    #[inline(always)]
    fn end(&self) -> usize {
        // SAFETY: the context lives as long as the program runs.
        unsafe { (&raw const (*self.0).data_end).read_volatile() as usize }
    }

    #[inline(always)]
    fn at<T: Copy>(&self, offset: usize) -> Option<T> {
        let at = self.start() + offset;
        if at + size_of::<T>() > self.end() {
            return None;
        }
        // SAFETY: `at..at + size_of::<T>()` lies within the frame, T is an integer or an array of them (the only
        // callers are above), and offsets of words are even.
        Some(unsafe { (at as *const T).read() })
    }
}
