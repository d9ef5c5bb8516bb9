//! The virtual addresses that the program fences, and the hints that spare it most lookups.

use std::collections::{HashMap, HashSet};

use aya::maps::{Array, HashMap as BpfHashMap, MapData};
use vipward_common::abi::{VipKey, names};
use vipward_common::hint;

use super::failed;
use crate::kernel::error::KernelError;

/// The map of the addresses. An address is hinted at before it is in the map and for as long as it is there, so what
/// the hints turn away is not fenced.
pub(super) struct Fenced {
    vips: BpfHashMap<MapData, VipKey, u32>,
    hints: Array<MapData, u64>,
    /// What is in `hints`.
    words: Vec<u64>,
    /// Which addresses have an end in common.
    ends: HashMap<u16, HashSet<VipKey>>,
}

impl Fenced {
    /// Takes over what is in the map; the hints are this program's own, and empty.
    pub(super) fn new(
        vips: BpfHashMap<MapData, VipKey, u32>,
        hints: Array<MapData, u64>,
    ) -> Result<Fenced, KernelError> {
        let words = vec![0; usize::try_from(hint::WORDS).unwrap_or(0)];
        let mut fenced = Fenced { vips, hints, words, ends: HashMap::new() };
        let inherited: Vec<VipKey> = fenced.vips.keys().flatten().collect();
        for key in inherited {
            fenced.hint_at(key)?;
        }
        Ok(fenced)
    }

    /// Fences an address by the lease in `slot`.
    pub(super) fn insert(&mut self, key: VipKey, slot: u32) -> Result<(), KernelError> {
        self.hint_at(key)?;
        self.vips.insert(key, slot, 0).map_err(failed("add a virtual address", names::VIPS))
    }

    /// Fences an address no longer.
    pub(super) fn remove(&mut self, key: &VipKey) -> Result<(), KernelError> {
        self.vips.remove(key).map_err(failed("remove a virtual address", names::VIPS))?;
        let end = end(key);
        let Some(sharing) = self.ends.get_mut(&end) else { return Ok(()) };
        sharing.remove(key);
        if sharing.is_empty() {
            self.ends.remove(&end);
            self.write(end, false)?;
        }
        Ok(())
    }

    /// Removes all but those.
    pub(super) fn retain(&mut self, wanted: impl Fn(&VipKey) -> bool) -> Result<(), KernelError> {
        let left: Vec<VipKey> = self.vips.keys().flatten().filter(|key| !wanted(key)).collect();
        left.iter().try_for_each(|key| self.remove(key))
    }

    fn hint_at(&mut self, key: VipKey) -> Result<(), KernelError> {
        let end = end(&key);
        // Remembered only once it is so: what failed must be tried again with the next address.
        if !self.ends.contains_key(&end) {
            self.write(end, true)?;
        }
        self.ends.entry(end).or_default().insert(key);
        Ok(())
    }

    fn write(&mut self, end: u16, set: bool) -> Result<(), KernelError> {
        let (index, bit) = hint::at(end);
        let Some(word) = usize::try_from(index).ok().and_then(|index| self.words.get_mut(index)) else {
            return Ok(());
        };
        *word = if set { *word | bit } else { *word & !bit };
        self.hints.set(index, *word, 0).map_err(failed("hint at a virtual address", names::VIP_HINTS))
    }
}

/// The last two bytes of the address, as they lie in memory.
fn end(key: &VipKey) -> u16 {
    match (key.family, key.address) {
        (4, [_, _, a, b, ..]) | (_, [.., a, b]) => u16::from_ne_bytes([a, b]),
    }
}
