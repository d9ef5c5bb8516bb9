//! Settings of interfaces under `/proc/sys/net`: changed while somebody needs them, and then put back.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use crate::net::address::Owner;

/// One setting of one interface.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Setting {
    /// Below `net.ipv6` and not `net.ipv4`.
    pub ipv6: bool,
    /// The interface, or `all`.
    pub interface: String,
    /// The setting's name.
    pub name: &'static str,
}

impl Setting {
    /// A setting of IPv4.
    pub fn v4(interface: &str, name: &'static str) -> Setting {
        Setting { ipv6: false, interface: interface.to_owned(), name }
    }

    /// A setting of IPv6.
    pub fn v6(interface: &str, name: &'static str) -> Setting {
        Setting { ipv6: true, interface: interface.to_owned(), name }
    }

    /// The file behind it. The kernel's names of interfaces have no slash, and neither has what the configuration is
    /// allowed to name.
    pub fn path(&self) -> String {
        let family = if self.ipv6 { "ipv6" } else { "ipv4" };
        format!("/proc/sys/net/{family}/conf/{}/{}", self.interface, self.name)
    }

    fn read(&self) -> io::Result<String> {
        Ok(fs::read_to_string(self.path())?.trim().to_owned())
    }
}

#[derive(Debug)]
struct Changed {
    before: String,
    now: String,
    owners: Vec<Owner>,
}

/// What was changed, for whom, and what it was before.
#[derive(Debug, Default)]
pub struct Sysctls {
    changed: BTreeMap<Setting, Changed>,
}

impl Sysctls {
    /// Says that `owner` needs exactly these values. Returns what could not be set, as sentences; an interface that
    /// is not there is no failure.
    pub fn hold(&mut self, owner: Owner, wanted: &[(Setting, &str)]) -> Vec<String> {
        let released: Vec<Setting> = self
            .changed
            .iter()
            .filter(|(setting, changed)| {
                changed.owners.contains(&owner) && !wanted.iter().any(|(other, _)| other == *setting)
            })
            .map(|(setting, _)| setting.clone())
            .collect();
        for setting in released {
            self.give_back(&setting, owner);
        }
        wanted.iter().filter_map(|(setting, value)| self.set(owner, setting, value).err()).collect()
    }

    /// Says that `owner` needs nothing any more.
    pub fn release(&mut self, owner: Owner) {
        self.hold(owner, &[]);
    }

    /// What is to be written where when nobody is left to put things back.
    pub fn restores(&self, owner: Owner) -> impl Iterator<Item = (String, &str)> {
        self.changed
            .iter()
            .filter(move |(_, changed)| changed.owners.contains(&owner))
            .map(|(setting, changed)| (setting.path(), changed.before.as_str()))
    }

    fn set(&mut self, owner: Owner, setting: &Setting, value: &str) -> Result<(), String> {
        let current = match setting.read() {
            Ok(current) => current,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(format!("cannot read {}: {error}", setting.path())),
        };
        if current != value {
            fs::write(setting.path(), value)
                .map_err(|error| format!("cannot set {} to {value}: {error}", setting.path()))?;
        }
        match self.changed.get_mut(setting) {
            Some(changed) => {
                if !changed.owners.contains(&owner) {
                    changed.owners.push(owner);
                }
            }
            // What was so already is not ours to put back.
            None if current == value => {}
            None => {
                let changed = Changed { before: current, now: value.to_owned(), owners: vec![owner] };
                self.changed.insert(setting.clone(), changed);
            }
        }
        Ok(())
    }

    fn give_back(&mut self, setting: &Setting, owner: Owner) {
        let Some(changed) = self.changed.get_mut(setting) else { return };
        changed.owners.retain(|other| *other != owner);
        if !changed.owners.is_empty() {
            return;
        }
        // What somebody else has set meanwhile is theirs; an interface that is gone took its settings along.
        if setting.read().is_ok_and(|current| current == changed.now) {
            let _ = fs::write(setting.path(), &changed.before);
        }
        self.changed.remove(setting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_the_kernels() {
        assert_eq!(Setting::v4("eth0", "arp_ignore").path(), "/proc/sys/net/ipv4/conf/eth0/arp_ignore");
        assert_eq!(
            Setting::v6("eth0.5", "addr_gen_mode").path(),
            "/proc/sys/net/ipv6/conf/eth0.5/addr_gen_mode"
        );
    }

    #[test]
    fn an_interface_that_is_not_there_is_no_failure() {
        let mut sysctls = Sysctls::default();
        let setting = Setting::v4("nosuch0", "arp_ignore");
        assert!(sysctls.hold(Owner(1), &[(setting, "1")]).is_empty());
        assert_eq!(sysctls.restores(Owner(1)).count(), 0);
    }
}
