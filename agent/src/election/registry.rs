//! The instances of this agent, found by number, by name, or by the key that the data path reports.

use std::collections::{BTreeMap, HashMap};

use vipward_common::abi::RouterKey;

use super::instance::Instance;

/// An instance for as long as it is configured; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Id(pub(crate) u32);

/// All instances.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    instances: BTreeMap<Id, Instance>,
    by_key: HashMap<RouterKey, Id>,
    next: u32,
}

impl Registry {
    /// Takes in a new instance.
    pub(crate) fn insert(&mut self, instance: Instance) -> Id {
        let id = Id(self.next);
        self.next += 1;
        self.instances.insert(id, instance);
        id
    }

    /// Takes an instance out for good.
    pub(crate) fn remove(&mut self, id: Id) -> Option<Instance> {
        let instance = self.instances.remove(&id)?;
        if let Some(key) = instance.key {
            self.by_key.remove(&key);
        }
        Some(instance)
    }

    /// Ties an instance to the key under which the data path knows it, or unties it.
    pub(crate) fn bind(&mut self, id: Id, key: Option<RouterKey>) {
        if let Some(instance) = self.instances.get_mut(&id) {
            if let Some(old) = std::mem::replace(&mut instance.key, key) {
                self.by_key.remove(&old);
            }
            if let Some(key) = key {
                self.by_key.insert(key, id);
            }
        }
    }

    pub(crate) fn get_mut(&mut self, id: Id) -> Option<&mut Instance> {
        self.instances.get_mut(&id)
    }

    pub(crate) fn get(&self, id: Id) -> Option<&Instance> {
        self.instances.get(&id)
    }

    pub(crate) fn find(&self, key: &RouterKey) -> Option<Id> {
        self.by_key.get(key).copied()
    }

    pub(crate) fn ids(&self) -> Vec<Id> {
        self.instances.keys().copied().collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Id, &Instance)> {
        self.instances.iter().map(|(id, instance)| (*id, instance))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (Id, &mut Instance)> {
        self.instances.iter_mut().map(|(id, instance)| (*id, instance))
    }

    /// Those from `first` on, in the order of their numbers.
    pub(crate) fn from(&self, first: Id) -> impl Iterator<Item = (Id, &Instance)> {
        self.instances.range(first..).map(|(id, instance)| (*id, instance))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.instances.is_empty()
    }
}
