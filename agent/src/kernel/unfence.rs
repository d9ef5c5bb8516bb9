//! Taking down what an agent left pinned, when no agent will come to take it over.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use aya::maps::{HashMap as BpfHashMap, Map, MapData};
use vipward_common::abi::{VipKey, names};
use vipward_vrrp::address::from_abi;
use vipward_vrrp::types::Family;

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

/// The addresses in a pinned map. What cannot be read as ours is somebody else's business.
fn vips(pin: &Path) -> Vec<(u32, IpAddr)> {
    let Ok(map) = MapData::from_pin(pin) else { return Vec::new() };
    let Ok(map) = BpfHashMap::<_, VipKey, u32>::try_from(Map::HashMap(map)) else { return Vec::new() };
    let family = |key: &VipKey| if key.family == Family::V4.number() { Family::V4 } else { Family::V6 };
    map.keys().flatten().map(|key| (key.ifindex, from_abi(key.address, family(&key)))).collect()
}
