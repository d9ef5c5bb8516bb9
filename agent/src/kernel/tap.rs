//! Reads copies of the adverts that a running program consumes, whichever agent it belongs to: the program is found by the
//! interface that it is attached to, and its maps by it. One reader at a time.

use std::os::fd::{AsFd, BorrowedFd};

use aya::maps::perf::{PerfEvent, PerfEventArrayBuffer};
use aya::maps::{Array, Map, MapData, MapError, MapInfo, PerfEventArray};
use aya::programs::loaded_programs;
use aya::util::online_cpus;
use vipward_common::abi::names;
use vipward_common::tap::{self, Copied};

use super::error::{KernelError, chain};
use crate::clock::now;

/// For how long the program copies after the last sign of life of the reader.
const TERM: u64 = 2_000_000_000;
/// Memory pages per CPU for copies that were not read yet: at 1 KiB a copy some dozens of adverts.
const PAGES: usize = 16;

/// A copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// What the program says of it.
    pub copied: Copied,
    /// The frame, or the first [`tap::MAX_COPY`] bytes of it.
    pub frame: Vec<u8>,
}

/// The reader of one program's copies. The program stops copying when it is dropped, or soon after it died.
pub struct Tap {
    switch: Array<MapData, tap::Tap>,
    buffers: Vec<PerfEventArrayBuffer<MapData>>,
}

impl Tap {
    /// Opens the tap of a loaded program; `None` if that is no program of ours, or one without a tap.
    pub fn open(program: u32) -> Result<Option<Tap>, KernelError> {
        let Some(maps) = maps(program)? else { return Ok(None) };
        let map = |id| MapData::from_id(id).map_err(refused("open"));
        let mut switch: Array<MapData, tap::Tap> =
            Array::try_from(Map::Array(map(maps.switch)?)).map_err(refused("open"))?;
        claim(&mut switch)?;
        let mut copies =
            PerfEventArray::try_from(Map::PerfEventArray(map(maps.copies)?)).map_err(refused("open"))?;
        let cpus = online_cpus().map_err(|(what, error)| KernelError::Tap(format!("{what}: {error}")))?;
        let open = |cpu| {
            let opened = copies.open(cpu, Some(PAGES));
            opened.map_err(|error| {
                KernelError::Tap(format!("cannot read copies on CPU {cpu}: {}", chain(&error)))
            })
        };
        let buffers = cpus.into_iter().map(open).collect::<Result<_, _>>()?;
        Ok(Some(Tap { switch, buffers }))
    }

    /// Says that somebody still reads. Fails if another process does.
    pub fn renew(&mut self) -> Result<(), KernelError> {
        claim(&mut self.switch)
    }

    /// What becomes readable when there are copies.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.buffers.iter().map(AsFd::as_fd)
    }

    /// Takes all copies that are there. Returns how many more there would have been if they had been taken in time.
    pub fn drain(&mut self, copies: &mut Vec<Copy>) -> u64 {
        let mut lost = 0;
        for buffer in &mut self.buffers {
            buffer.for_each(|event| match event {
                PerfEvent::Sample { head, tail } => copies.extend(copy(&[head, tail].concat())),
                PerfEvent::Lost { count } => lost += count,
            });
        }
        lost
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        // Otherwise it ends with its term.
        let _ = self.switch.set(0, tap::Tap::default(), 0);
    }
}

fn claim(switch: &mut Array<MapData, tap::Tap>) -> Result<(), KernelError> {
    let (own, at) = (std::process::id(), now().0);
    let before = switch.get(&0, 0).map_err(refused("read"))?;
    if before.until > at && before.reader != own {
        return Err(KernelError::Tap(format!(
            "process {} reads the adverts that XDP consumes already, and only one can: end that `vipward monitor`",
            before.reader
        )));
    }
    let tap = tap::Tap { until: at.saturating_add(TERM), reader: own, reserved: 0 };
    switch.set(0, tap, 0).map_err(refused("set"))
}

/// The numbers of the tap's maps.
struct Maps {
    switch: u32,
    copies: u32,
}

fn maps(program: u32) -> Result<Option<Maps>, KernelError> {
    let unseen = |error: &dyn std::error::Error| {
        KernelError::Tap(format!(
            "cannot look at the XDP program {program} (that takes CAP_SYS_ADMIN and CAP_BPF): {}",
            chain(error)
        ))
    };
    let mut found = None;
    for info in loaded_programs() {
        let info = info.map_err(|error| unseen(&error))?;
        if info.id() == program {
            found = Some(info);
            break;
        }
    }
    let Some(ids) = found.filter(|info| info.name_as_str() == Some(names::PROGRAM)) else { return Ok(None) };
    let ids = ids.map_ids().map_err(|error| unseen(&error))?.unwrap_or_default();
    let named = |name: &str| {
        let is_it = |id: &&u32| MapInfo::from_id(**id).is_ok_and(|info| info.name_as_str() == Some(name));
        ids.iter().find(is_it).copied()
    };
    Ok(named(names::TAP).zip(named(names::COPIES)).map(|(switch, copies)| Maps { switch, copies }))
}

/// The kernel's name of a loaded program; empty if it cannot be told.
pub fn program_name(program: u32) -> String {
    let found = loaded_programs().flatten().find(|info| info.id() == program);
    found.and_then(|info| info.name_as_str().map(str::to_owned)).unwrap_or_default()
}

fn refused(action: &'static str) -> impl Fn(MapError) -> KernelError {
    move |error| KernelError::Tap(format!("cannot {action} the tap's maps: {}", chain(&error)))
}

/// A record of the ring: the head, the frame, padding.
fn copy(record: &[u8]) -> Option<Copy> {
    let word = |at: usize| record.get(at..)?.first_chunk().map(|word| u32::from_ne_bytes(*word));
    let copied = Copied { ifindex: word(0)?, length: word(4)?, verdict: word(8)?, reserved: word(12)? };
    let end = size_of::<Copied>().checked_add(usize::try_from(copied.length).ok()?)?;
    Some(Copy { copied, frame: record.get(size_of::<Copied>()..end)?.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_taken_apart() {
        let record = |length: u32, frame: &[u8]| {
            let head = [7, length, tap::VERDICT_ACCEPTED, 0].map(u32::to_ne_bytes).concat();
            [head, frame.to_vec()].concat()
        };
        let copied = Copied { ifindex: 7, length: 3, verdict: tap::VERDICT_ACCEPTED, reserved: 0 };
        assert_eq!(copy(&record(3, b"abc\0\0")), Some(Copy { copied, frame: b"abc".to_vec() }));
        for bad in [record(4, b"abc"), record(u32::MAX, b"abc"), Vec::new(), vec![0; 15]] {
            assert_eq!(copy(&bad), None, "{bad:?}");
        }
    }
}
