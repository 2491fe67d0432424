//! Folders of the session's own, where there are no modes and owners to be told apart.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Makes a folder; the user's own folders are private on these systems.
pub(super) fn make_private(path: &Path) -> io::Result<()> {
    fs::create_dir(path)
}

/// Makes sure of a folder that is real.
pub(super) fn own_private(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    if fs::symlink_metadata(path)?.is_dir() {
        Ok(())
    } else {
        Err(io::ErrorKind::NotADirectory.into())
    }
}

/// An open file keeps its name here.
pub(super) fn is_at(_: &File, _: &Path) -> bool {
    true
}

/// Modes are not known here.
pub(super) fn same_mode(_: &Path, _: &Path) -> io::Result<()> {
    Ok(())
}

/// Removes a tree.
pub(super) fn remove_tree(top: &Path) -> io::Result<()> {
    fs::remove_dir_all(top)
}
