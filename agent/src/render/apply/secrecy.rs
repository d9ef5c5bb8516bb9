//! Whether everybody on this host may read a file: only then is what it holds shown to whoever opens the status page.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::target::{Target, follow};
use crate::render::resource::Resource;

const OTHERS_READ: u32 = 0o004;
const OTHERS_SEARCH: u32 = 0o001;

/// Whether the content of the resource's file, and what a command says of it, are not for everybody.
pub fn is_private(resource: &Resource) -> bool {
    let path = follow(&resource.dest).unwrap_or_else(|_| resource.dest.clone());
    let now = path.metadata().map(|metadata| metadata.permissions().mode());
    let modes = now.ok().into_iter().chain(resource.mode);
    !(modes.into_iter().all(is_readable) && is_reachable(&path))
}

/// Whether a file that is there is not for everybody; one that cannot be looked at is not.
pub fn is_private_file(path: &Path) -> bool {
    let mode = path.metadata().map_or(0, |metadata| metadata.permissions().mode());
    !(is_readable(mode) && is_reachable(path))
}

/// Whether everybody may read what is written and what stood there before.
pub(super) fn is_open(target: &Target) -> bool {
    let before = target.now.as_ref().is_none_or(|now| is_readable(now.attributes.mode));
    before && is_readable(target.wanted.mode) && is_reachable(&target.path)
}

fn is_readable(mode: u32) -> bool {
    mode & OTHERS_READ != 0
}

/// Whether everybody may go through all the folders above. One that is not there yet keeps nobody out.
fn is_reachable(path: &Path) -> bool {
    path.ancestors().skip(1).all(|folder| {
        folder.metadata().map_or(true, |metadata| metadata.permissions().mode() & OTHERS_SEARCH != 0)
    })
}
