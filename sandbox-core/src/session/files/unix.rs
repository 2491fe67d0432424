//! Permissions, owners and links, on systems that have them.

use std::io;
use std::os::unix::fs::fchown;
use std::path::Path;

use cap_std::fs::{Dir, File, Metadata, MetadataExt, Permissions, PermissionsExt};

/// What can be set: neither set-user-id nor its like.
const MODE: u32 = 0o777;

/// All that its owner needs of a folder to change what is in it.
const OWN: u32 = 0o700;

pub(super) fn mode(metadata: &Metadata) -> Option<u32> {
    Some(metadata.mode() & 0o7777)
}

pub(super) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode & MODE))
}

/// Lets the owner do everything with a folder that is open.
pub(super) fn open_up(folder: &File, found: &Metadata) -> io::Result<()> {
    if found.mode() & OWN == OWN {
        return Ok(());
    }
    folder.set_permissions(Permissions::from_mode(OWN))
}

/// Lets the owner do everything with a folder that cannot be opened.
pub(super) fn open_by_name(parent: &Dir, name: &Path) -> io::Result<()> {
    parent.set_permissions(name, Permissions::from_mode(OWN))
}

/// Gives what was made here to the owner of another file, or of the folder that it is in: what root
/// makes in somebody's folder is to be theirs. Who may not give things away keeps them.
pub(super) fn adopt(made: &File, found: &Metadata, owner: &Metadata) -> io::Result<()> {
    if found.uid() == owner.uid() {
        return Ok(());
    }
    match fchown(made, Some(owner.uid()), Some(owner.gid())) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        given => given,
    }
}

/// When anything about a file last changed, its times included, which a command cannot set.
pub(super) fn changed(metadata: &Metadata) -> (i64, i64) {
    (metadata.ctime(), metadata.ctime_nsec())
}

/// Makes a link, whatever it leads to.
pub(super) fn link(target: &Path, folder: &Dir, name: &Path) -> io::Result<()> {
    folder.symlink_contents(target, name)
}
