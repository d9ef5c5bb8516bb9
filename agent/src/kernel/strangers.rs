//! Who sent odd adverts, as the program remembers it.

use aya::maps::{HashMap as BpfHashMap, MapData};
use vipward_common::abi::{Stranger, StrangerKey, WHAT_ADDRESSES, WHAT_INTERVAL};
use vipward_common::reason::Reason;

/// The program's map of them.
pub(super) struct Strangers(pub(super) BpfHashMap<MapData, StrangerKey, Stranger>);

impl Strangers {
    /// Who is remembered for the router in `slot`, if anybody is.
    pub(super) fn get(&self, slot: u32, what: u32) -> Option<Stranger> {
        self.0.get(&StrangerKey { slot, what }, 0).ok()
    }

    /// Forgets whom the router in `slot` met: the next one there begins anew.
    pub(super) fn forget(&mut self, slot: u32) {
        let whats =
            Reason::ALL.into_iter().map(|reason| reason as u32).chain([WHAT_ADDRESSES, WHAT_INTERVAL]);
        for what in whats {
            // Most were never remembered.
            let _ = self.0.remove(&StrangerKey { slot, what });
        }
    }
}
