//! Copies of the adverts that the program consumes, for whoever looks on: such packets reach no packet socket. The reader
//! renews its claim all the time, so that one which dies is soon forgotten.

/// Who gets copies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Tap {
    /// Until when copies are made; 0 while nobody reads.
    pub until: u64,
    /// Process that reads them.
    pub reader: u32,
    /// Zero.
    pub reserved: u32,
}

/// Longest part of a frame that is copied: headers with two tags and IPv4 options, and the longest message.
pub const MAX_COPY: u32 = 2048;
/// [`Copied::verdict`]: the advert passed all checks. Otherwise it is the number of a [`crate::reason::Reason`].
pub const VERDICT_ACCEPTED: u32 = u32::MAX;

/// What stands in front of a copied frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Copied {
    /// Where it arrived.
    pub ifindex: u32,
    /// Bytes of the frame that follow; what comes after them is padding.
    pub length: u32,
    /// What the program made of it.
    pub verdict: u32,
    /// Zero.
    pub reserved: u32,
}

// SAFETY: repr(C), integers only, no implicit padding (see the size assertions).
#[cfg(feature = "user")]
unsafe impl aya::Pod for Tap {}

const _: () = {
    assert!(size_of::<Tap>() == 8 + 4 + 4);
    assert!(size_of::<Copied>() == 4 * 4);
};
