//! Taking down what an agent left pinned, when no agent will come to take it over.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use aya::maps::{HashMap as BpfHashMap, Map, MapData};
use vipward_common::abi::{VipKey, names};
use vipward_vrrp::address::from_abi;
use vipward_vrrp::types::Family;

use super::error::KernelError;
use super::pins::Pins;

/// What was taken down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unfenced {
    /// Names of the pins.
    pub pins: Vec<String>,
    /// The addresses that were fenced, and on which interfaces. Empty if another version left them.
    pub vips: Vec<(u32, IpAddr)>,
}

/// Removes what agents of whatever version pinned in a run directory. From then on their programs are detached and
/// nothing is fenced; addresses that they held are still there.
pub fn unfence(run_dir: &Path) -> io::Result<Unfenced> {
    let Some(pins) = Pins::find(run_dir)? else { return Ok(Unfenced::default()) };
    let unfenced = Unfenced { pins: pins.names()?, vips: vips(&pins.map(names::VIPS)) };
    pins.remove()?;
    Ok(unfenced)
}

/// Whether an agent of this version could go on with what is pinned in a run directory.
pub fn can_take_over(run_dir: &Path) -> Result<(), KernelError> {
    let found = Pins::find(run_dir).map_err(|error| {
        KernelError::Pins(format!("cannot look for pins in {}: {error}", run_dir.display()))
    })?;
    found.map_or(Ok(()), |pins| pins.check())
}

/// The addresses in a pinned map. What cannot be read as ours is somebody else's business.
fn vips(pin: &Path) -> Vec<(u32, IpAddr)> {
    let Ok(map) = MapData::from_pin(pin) else { return Vec::new() };
    let Ok(map) = BpfHashMap::<_, VipKey, u32>::try_from(Map::HashMap(map)) else { return Vec::new() };
    let family = |key: &VipKey| if key.family == Family::V4.number() { Family::V4 } else { Family::V6 };
    map.keys().flatten().map(|key| (key.ifindex, from_abi(key.address, family(&key)))).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_another_version_pinned_cannot_be_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        can_take_over(dir.path()).unwrap();
        let pins = Pins::open(dir.path()).unwrap();
        // Folders stand for pins: they have names too, and need no BPF.
        let (ours, other) = (pins.map("LEASES"), dir.path().join("bpf/LEASES-v0"));
        fs::create_dir(&ours).unwrap();
        can_take_over(dir.path()).unwrap();
        fs::create_dir(&other).unwrap();
        let refused = can_take_over(dir.path()).map_err(|error| error.to_string());
        for folder in [ours, other] {
            fs::remove_dir(folder).unwrap();
        }
        pins.remove().unwrap();
        let refused = refused.unwrap_err();
        assert!(refused.contains("LEASES-v0") && refused.contains("vipward unfence"), "{refused}");
    }
}
