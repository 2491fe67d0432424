//! Permissions, owners and links, on systems that do not have those of Unix.

use std::io;
use std::path::Path;

use cap_std::fs::{Dir, File, Metadata};

pub(super) fn mode(_: &Metadata) -> Option<u32> {
    None
}

pub(super) fn set_mode(_: &File, _: u32) -> io::Result<()> {
    Ok(())
}

pub(super) fn open_up(_: &File, _: &Metadata) -> io::Result<()> {
    Ok(())
}

pub(super) fn open_by_name(_: &Dir, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::PermissionDenied.into())
}

pub(super) fn adopt(_: &File, _: &Metadata, _: &Metadata) -> io::Result<()> {
    Ok(())
}

pub(super) fn changed(_: &Metadata) -> (i64, i64) {
    (0, 0)
}

/// A link is of one kind for files and of another for folders here, and what it leads to may not be
/// there to tell.
pub(super) fn link(_: &Path, _: &Dir, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
