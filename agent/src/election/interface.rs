//! What an instance needs of its interface beyond addresses: the kernel's settings.

use super::driver::Driver;
use super::message::Level;
use super::registry::Id;
use crate::net::{Owner, Setting};

impl Driver {
    /// Brings the settings of an instance's interface in line with its configuration. They are files of the kernel,
    /// which are read and written in microseconds, and only at the start, at a reload and with a new interface.
    pub(super) fn settle_interface(&mut self, id: Id) {
        let Some(instance) = self.registry.get(id) else { return };
        let mut wanted = Vec::new();
        if instance.model.promote_secondaries {
            wanted.push((Setting::v4(&instance.model.interface, "promote_secondaries"), "1"));
        }
        for failure in self.sysctls.hold(Owner(id.0), &wanted) {
            self.note(id, Level::Warn, failure);
        }
    }

    /// Gives everything back.
    pub(super) fn leave_interface(&mut self, id: Id) {
        self.sysctls.release(Owner(id.0));
    }
}
