//! `use_vmac`: the interface with the virtual MAC, and which VIPs it carries.

use std::collections::{HashMap, HashSet};

use crate::config::diagnostic::{Findings, quoted};
use crate::config::lex::Word;
use crate::config::model::{Family, Instance, Location, Vip, Vmac};
use crate::config::tree::Node;

use super::values;

/// The virtual MACs of RFC 9568 §7.3, without the VRID.
const MAC_V4: [u8; 5] = [0, 0, 0x5e, 0, 1];
const MAC_V6: [u8; 5] = [0, 0, 0x5e, 0, 2];

/// What the lines say so far.
#[derive(Clone, Debug, Default)]
pub(super) struct VmacLines {
    asked: Option<Location>,
    name: Option<String>,
    /// Six bytes, or five and the VRID.
    mac: Option<Vec<u8>>,
    xmit_base: Option<Location>,
}

impl VmacLines {
    /// `use_vmac [NAME] [MAC]`
    pub(super) fn ask(&mut self, node: &Node, findings: &mut Findings) -> Option<()> {
        self.asked = Some(node.at().clone());
        for word in node.args() {
            if word.text.contains(':') {
                self.mac = Some(mac(word, findings)?);
            } else {
                self.name = Some(values::interface(word, findings)?);
            }
        }
        Some(())
    }

    /// `vmac_xmit_base`
    pub(super) fn xmit_base(&mut self, node: &Node) {
        self.xmit_base = Some(node.at().clone());
    }

    /// Strict mode: adverts have the virtual MAC.
    pub(super) fn refuse_xmit_base(&mut self, findings: &mut Findings) {
        if let Some(at) = self.xmit_base.take() {
            findings.warning(&at, "strict mode has no `vmac_xmit_base`: it is ignored");
        }
    }

    /// What the lines mean. A name that none gives is found later, see [`name_all`].
    pub(super) fn settle(
        self,
        vrid: u8,
        family: Family,
        unicast: bool,
        findings: &mut Findings,
    ) -> Option<Vmac> {
        let Some(at) = self.asked else {
            if let Some(at) = &self.xmit_base {
                findings.warning(at, "`vmac_xmit_base` has no effect without `use_vmac`");
            }
            return None;
        };
        if unicast && self.xmit_base.is_none() {
            findings
                .error(&at, "unicast with `use_vmac` needs `vmac_xmit_base` too")
                .help("the peers answer to the address of the interface itself");
        }
        let prefix = if family == Family::V4 { MAC_V4 } else { MAC_V6 };
        let mut bytes = self.mac.unwrap_or_else(|| prefix.to_vec());
        bytes.resize(6, vrid);
        let mut mac = [0; 6];
        mac.copy_from_slice(&bytes);
        Some(Vmac { name: self.name.unwrap_or_default(), mac, xmit_base: self.xmit_base.is_some(), at })
    }
}

fn mac(word: &Word, findings: &mut Findings) -> Option<Vec<u8>> {
    let byte = |text: &str| if text.len() <= 2 { u8::from_str_radix(text, 16).ok() } else { None };
    let bytes: Option<Vec<u8>> = word.text.split(':').map(byte).collect();
    let fine = bytes.filter(
        |bytes| matches!(bytes.as_slice(), [first, ..] if first & 1 == 0 && matches!(bytes.len(), 5 | 6)),
    );
    if fine.is_none() {
        findings
            .error(&word.at, format!("{} is no MAC of an interface", quoted(&word.text)))
            .help("six bytes, or five and the VRID follows, as in 02:00:5e:00:01:07");
    }
    fine
}

/// Gives names to those that have none, as keepalived does: `vrrp.7`, then `vrrp1.7`; and lets them carry the VIPs of
/// their instances that have no interface of their own. VIPs of the other family stay on the instance's interface, for
/// the MAC is not theirs.
pub(super) fn name_all(instances: &mut [Instance], prefix: &str, findings: &mut Findings) {
    let mut taken: HashSet<String> = HashSet::new();
    for vmac in instances.iter().filter_map(|instance| instance.vmac.as_ref()) {
        if !vmac.name.is_empty() && !taken.insert(vmac.name.clone()) {
            findings.error(&vmac.at, format!("another `use_vmac` has the name {}", quoted(&vmac.name)));
        }
    }
    // By VRID, the first number that has not been tried: all before it are taken.
    let mut untried: HashMap<u8, u32> = HashMap::new();
    for instance in instances {
        let Some(vmac) = &mut instance.vmac else { continue };
        let number = untried.entry(instance.vrid).or_default();
        while vmac.name.is_empty() {
            let name = match *number {
                0 => format!("{prefix}.{}", instance.vrid),
                number => format!("{prefix}{number}.{}", instance.vrid),
            };
            *number += 1;
            if taken.insert(name.clone()) {
                vmac.name = name;
            }
        }
        let carried = |vip: &&mut Vip| vip.dev.is_none() && Family::of(vip.address) == instance.family;
        for vip in instance.vips.iter_mut().filter(carried) {
            vip.dev = Some(vmac.name.clone());
        }
    }
}
