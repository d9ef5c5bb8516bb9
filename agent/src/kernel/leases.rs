//! The leases as the program sees them: its array, mapped into our memory, so that to renew one costs no system call.
//!
//! Both sides write. Each step is one store of a word or one exchange of a byte, in an order that never lets a lease
//! serve for longer than either side meant: an end that comes nearer is written before the mode, one that moves away
//! after it, and the mode changes only from what it was, so what the kernel ended meanwhile stays ended.

use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use vipward_common::abi::{MAX_ROUTERS, RouterKey, Tenure};
use vipward_common::lease::Lease;

/// Bytes of the array.
const LENGTH: usize = size_of::<Tenure>() * MAX_ROUTERS as usize;

/// All leases of this host.
pub(crate) struct Leases {
    /// The array, for whoever shares it.
    array: OwnedFd,
    base: NonNull<Tenure>,
}

// SAFETY: the mapping belongs to no thread, and what others write to it is read by atomics only.
unsafe impl Send for Leases {}

impl Leases {
    /// Maps the array.
    pub(crate) fn map(array: OwnedFd) -> Result<Leases, Errno> {
        let length = NonZeroUsize::new(LENGTH).ok_or(Errno::EINVAL)?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice; nothing else refers to it.
        let base = unsafe { mmap(None, length, access, MapFlags::MAP_SHARED, &array, 0)? };
        Ok(Leases { array, base: base.cast() })
    }

    /// The array's descriptor.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.array.as_fd()
    }

    /// Slots in use, and by whom.
    pub(super) fn occupied(&self) -> impl Iterator<Item = (u32, RouterKey)> {
        let slots = (0..MAX_ROUTERS).filter_map(|slot| Some((slot, self.key(slot)?)));
        slots.filter(|(_, key)| *key != RouterKey::default())
    }

    /// Gives a slot to a router. The lease of the same router is kept, another's is ended.
    pub(super) fn occupy(&self, slot: u32, key: RouterKey) {
        if self.key(slot) != Some(key) {
            self.change(slot, Lease::end);
            self.set_key(slot, key);
        }
    }

    /// Frees a slot.
    pub(super) fn vacate(&self, slot: u32) {
        self.change(slot, Lease::end);
        self.set_key(slot, RouterKey::default());
    }

    /// The lease as it is.
    pub(crate) fn get(&self, slot: u32) -> Lease {
        let Some((until, mode)) = self.words(slot) else { return Lease::default() };
        Lease { mode: mode.load(Ordering::Acquire), until: until.load(Ordering::Acquire), ..Lease::default() }
    }

    /// Changes a lease by one of its own operations, and gives that operation's answer.
    pub(crate) fn change<T>(&self, slot: u32, operation: impl FnOnce(&mut Lease) -> T) -> T {
        let before = self.get(slot);
        let mut after = before;
        let answer = operation(&mut after);
        if let Some((until, mode)) = self.words(slot) {
            if after.until < before.until {
                until.store(after.until, Ordering::Release);
            }
            let unchanged =
                mode.compare_exchange(before.mode, after.mode, Ordering::AcqRel, Ordering::Acquire);
            if unchanged.is_ok() && after.until > before.until {
                until.store(after.until, Ordering::Release);
            }
        }
        answer
    }

    fn element(&self, slot: u32) -> Option<NonNull<Tenure>> {
        let index = usize::try_from(slot).ok().filter(|_| slot < MAX_ROUTERS)?;
        // SAFETY: within the mapping, which has MAX_ROUTERS elements.
        Some(unsafe { self.base.add(index) })
    }

    /// The two parts of a lease that both sides write.
    fn words(&self, slot: u32) -> Option<(&AtomicU64, &AtomicU8)> {
        let tenure = self.element(slot)?.as_ptr();
        // SAFETY: aligned words of the mapping, which lives as long as `self`; everybody in user space who reads or
        // writes them does so by atomics, and the program by loads and stores of whole words.
        unsafe {
            let lease = &raw mut (*tenure).lease;
            Some((AtomicU64::from_ptr(&raw mut (*lease).until), AtomicU8::from_ptr(&raw mut (*lease).mode)))
        }
    }

    fn key(&self, slot: u32) -> Option<RouterKey> {
        // SAFETY: within the mapping. Keys are written by agents alone, of which there is one at a time.
        self.element(slot).map(|tenure| unsafe { (&raw const (*tenure.as_ptr()).key).read_volatile() })
    }

    fn set_key(&self, slot: u32, key: RouterKey) {
        if let Some(tenure) = self.element(slot) {
            // SAFETY: as above.
            unsafe { (&raw mut (*tenure.as_ptr()).key).write_volatile(key) };
        }
    }
}

impl Drop for Leases {
    fn drop(&mut self) {
        // SAFETY: the mapping that `map` made, to which no reference outlives `self`. A failure leaves it there.
        let _ = unsafe { munmap(self.base.cast(), LENGTH) };
    }
}
