//! What is to be done when the agent dies, in memory that agent and guard share.
//!
//! The agent writes a whole new will beside the one in force and then switches over, so that whenever it dies there is
//! a complete one.

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::unistd::ftruncate;

use super::estate::{Masters, Writer};
use super::life::Life;

/// Bytes of one will: hundreds of masters with hundreds of addresses.
const ROOM: usize = 1 << 20;
/// Both wills are behind the header, which has a page of its own.
const HEADER: usize = 4096;
const LENGTH: usize = HEADER + 2 * ROOM;

/// What the guard is to do when the agent ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The end is a death: hand over.
    Release,
    /// Keep serving for so many nanoseconds, for a new agent comes; then hand over.
    Keep(u64),
    /// The agent has let go of everything itself.
    Nothing,
}

#[repr(C)]
struct Header {
    /// Which of the two wills is in force.
    current: AtomicU32,
    /// Whether the agent has let go of everything.
    done: AtomicU32,
    /// For how long to keep serving, in nanoseconds.
    keep: AtomicU64,
    lengths: [AtomicU64; 2],
    /// Held by the thread whose end the guard waits for.
    life: Life,
}

const _: () = assert!(size_of::<Header>() <= HEADER);

/// The shared memory.
#[derive(Debug)]
pub struct Will {
    fd: OwnedFd,
    base: NonNull<u8>,
    /// The thread that uses this has begun to live, as far as the guard is concerned.
    begun: Cell<bool>,
}

// SAFETY: the mapping belongs to no thread; the header is atomics, and the wills are written by the one owner of a `Will`
// that writes and read after the writer's death.
unsafe impl Send for Will {}

impl Will {
    /// New, empty memory.
    pub fn create() -> Result<Will, Errno> {
        let fd = memfd_create(c"vipward-will", MFdFlags::MFD_CLOEXEC)?;
        ftruncate(&fd, i64::try_from(LENGTH).map_err(|_| Errno::EINVAL)?)?;
        let will = Will::map(fd)?;
        will.header().life.init()?;
        Ok(will)
    }

    /// The memory behind a descriptor that [`Will::create`] made.
    pub fn map(fd: OwnedFd) -> Result<Will, Errno> {
        let length = NonZeroUsize::new(LENGTH).ok_or(Errno::EINVAL)?;
        if nix::sys::stat::fstat(&fd)?.st_size < i64::try_from(LENGTH).map_err(|_| Errno::EINVAL)? {
            return Err(Errno::EINVAL);
        }
        // SAFETY: a new mapping at an address of the kernel's choice; nothing else refers to it.
        let base = unsafe {
            mmap(None, length, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED, &fd, 0)?
        };
        Ok(Will { fd, base: base.cast(), begun: Cell::new(false) })
    }

    /// The same memory once more, for somebody else in this process.
    pub fn share(&self) -> Result<Will, Errno> {
        Will::map(self.fd.try_clone().map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?)
    }

    /// Its descriptor, for the guard.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// From now on the end of the calling thread is what the guard waits for; or of this value, which that thread keeps.
    pub fn begin(&self) -> Result<(), Errno> {
        self.header().life.begin()?;
        self.begun.set(true);
        Ok(())
    }

    /// Waits for that. Afterwards nobody writes any more.
    pub fn outlive(&self) {
        self.header().life.outlive();
    }

    /// Puts a new will in force. False if it is longer than there is room for; then the old one stays.
    pub fn put(&self, will: &Writer) -> bool {
        let header = self.header();
        let next = usize::from(header.current.load(Ordering::Relaxed) == 0);
        let (Some(room), Some(length)) = (self.room(next), header.lengths.get(next)) else { return false };
        if will.bytes().len() > ROOM {
            return false;
        }
        // SAFETY: within the mapping, and of the two wills this one is not in force.
        unsafe { room.as_ptr().copy_from_nonoverlapping(will.bytes().as_ptr(), will.bytes().len()) };
        length.store(will.bytes().len() as u64, Ordering::Relaxed);
        fence(Ordering::Release);
        header.current.store(u32::from(next == 1), Ordering::Release);
        true
    }

    /// What is to happen when the agent ends.
    pub fn plan(&self, plan: Ending) {
        let header = self.header();
        let (done, keep) = match plan {
            Ending::Release => (0, 0),
            Ending::Keep(nanos) => (0, nanos),
            Ending::Nothing => (1, 0),
        };
        header.keep.store(keep, Ordering::Relaxed);
        header.done.store(done, Ordering::Release);
    }

    /// What was planned.
    pub fn planned(&self) -> Ending {
        let header = self.header();
        match (header.done.load(Ordering::Acquire), header.keep.load(Ordering::Relaxed)) {
            (0, 0) => Ending::Release,
            (0, nanos) => Ending::Keep(nanos),
            _ => Ending::Nothing,
        }
    }

    /// The masters of the will in force. Only for when nobody writes any more.
    pub fn masters(&self) -> Masters<'_> {
        let header = self.header();
        let current = usize::from(header.current.load(Ordering::Acquire) != 0);
        let length = header.lengths.get(current).map_or(0, |length| length.load(Ordering::Relaxed));
        let length = usize::try_from(length).unwrap_or(0).min(ROOM);
        let Some(room) = self.room(current) else { return Masters::of(&[]) };
        // SAFETY: within the mapping, which lives as long as `self`, and its writer is dead.
        Masters::of(unsafe { std::slice::from_raw_parts(room.as_ptr(), length) })
    }

    fn header(&self) -> &Header {
        // SAFETY: the mapping begins with a header: aligned to a page, all zero at first, and all of it can be shared.
        unsafe { self.base.cast::<Header>().as_ref() }
    }

    fn room(&self, which: usize) -> Option<NonNull<u8>> {
        // SAFETY: within the mapping for the two that there are.
        (which < 2).then(|| unsafe { self.base.add(HEADER + which * ROOM) })
    }
}

impl Drop for Will {
    fn drop(&mut self) {
        if self.begun.get() {
            self.header().life.end();
        }
        // SAFETY: the mapping that `map` made, to which no reference outlives `self`. A failure leaves it there.
        let _ = unsafe { munmap(self.base.cast(), LENGTH) };
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::guard::estate::{Estate, Packets, Undo};
    use crate::net::{Frame, Vip};

    fn frame(last: u8) -> Frame {
        Frame::new(3, IpAddr::from([10, 0, 0, 1]), IpAddr::from([224, 0, 0, last]), 255, &[last; 20]).unwrap()
    }

    fn write(will: &Will, masters: u32) -> Writer {
        let (adverts, resignations) = ([frame(1), frame(2)], [frame(3)]);
        let vips =
            [Vip::new(3, IpAddr::from([10, 0, 0, 50]), 24), Vip::new(4, "fd00::50".parse().unwrap(), 128)];
        let mut writer = Writer::default();
        for slot in 0..masters {
            let slot = (slot != 1).then_some(slot);
            let estate = Estate {
                slot,
                interval_ns: 10,
                lease_ns: 29,
                adverts: &adverts,
                resignations: &resignations,
                vips: &vips,
                undo: &[Undo::Request(vec![7; 24]), Undo::Setting("/proc/x".into(), "1".into())],
            };
            writer.add(&estate);
        }
        assert!(will.put(&writer));
        writer
    }

    #[test]
    fn the_guard_reads_what_the_agent_wrote() {
        let agent = Will::create().unwrap();
        let guard = agent.share().unwrap();
        assert_eq!(guard.masters().count(), 0);
        write(&agent, 3);
        let masters: Vec<_> = guard.masters().collect();
        assert_eq!(masters.iter().map(|master| master.slot).collect::<Vec<_>>(), [Some(0), None, Some(2)]);
        let master = &masters[2];
        assert_eq!((master.interval_ns, master.lease_ns), (10, 29));
        let last = |packets: Packets<'_>| packets.map(|(_, _, packet)| packet[39]).collect::<Vec<_>>();
        assert_eq!((last(master.adverts.clone()), last(master.resignations.clone())), (vec![1, 2], vec![3]));
        let vips: Vec<_> =
            master.vips.clone().map(|(on, length, address)| (on, length, address.to_string())).collect();
        assert_eq!(vips, [(3, 24, "10.0.0.50".to_owned()), (4, 128, "fd00::50".to_owned())]);
        let steps: Vec<_> = master.undo.clone().collect();
        assert_eq!(steps, [(&b""[..], &[7; 24][..]), (&b"/proc/x"[..], &b"1"[..])]);
        write(&agent, 1);
        assert_eq!(guard.masters().count(), 1, "the new one counts");
    }

    /// It dies without a word, or takes leave; its process goes on in either case.
    #[test]
    fn the_guard_waits_for_the_end_of_the_thread_that_has_begun() {
        for dies in [true, false] {
            let agent = Will::create().unwrap();
            let (guard, elects) = (agent.share().unwrap(), agent.share().unwrap());
            let (begun, has_begun) = std::sync::mpsc::channel();
            let (end, is_to_end) = std::sync::mpsc::channel::<()>();
            let ends = std::sync::atomic::AtomicBool::new(false);
            std::thread::scope(|scope| {
                let ends = &ends;
                scope.spawn(move || {
                    elects.begin().unwrap();
                    begun.send(()).unwrap();
                    let _ = is_to_end.recv();
                    ends.store(true, Ordering::Release);
                    if dies {
                        std::mem::forget(elects);
                    }
                });
                has_begun.recv().unwrap();
                let waits = scope.spawn(move || {
                    guard.outlive();
                    ends.load(Ordering::Acquire)
                });
                end.send(()).unwrap();
                assert!(waits.join().unwrap(), "it waited for nobody");
            });
        }
    }

    #[test]
    fn the_plan_is_the_last_one() {
        let agent = Will::create().unwrap();
        let guard = agent.share().unwrap();
        assert_eq!(guard.planned(), Ending::Release);
        for plan in [Ending::Keep(5), Ending::Nothing, Ending::Release] {
            agent.plan(plan);
            assert_eq!(guard.planned(), plan);
        }
    }

    #[test]
    fn a_will_that_is_cut_off_or_damaged_is_read_to_there() {
        let will = Will::create().unwrap();
        let whole = write(&will, 2);
        for length in 0..whole.bytes().len() {
            let cut = Writer::from(whole.bytes()[..length].to_vec());
            will.put(&cut);
            assert!(will.masters().count() < 2);
        }
        for at in 0..whole.bytes().len() {
            let mut damaged = whole.bytes().to_vec();
            damaged[at] ^= 0xff;
            will.put(&Writer::from(damaged));
            for master in will.masters() {
                let _ = (master.adverts.count(), master.resignations.count(), master.vips.count());
                let _ = master.undo.count();
            }
        }
    }

    #[test]
    fn a_will_that_is_too_long_leaves_the_old_one() {
        let will = Will::create().unwrap();
        write(&will, 2);
        assert!(!will.put(&Writer::from(vec![0; ROOM + 1])));
        assert_eq!(will.masters().count(), 2);
    }
}
