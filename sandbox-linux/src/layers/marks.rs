//! What overlayfs writes beside the files of a layer, in extended attributes.
//!
//! They are written by the kernel alone: to a payload, attributes of these names appear one level
//! deeper (`user.overlay.overlay.`), or are refused before Linux 6.7.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::{fgetxattr, fgetxattr_query};
use rustix::io::Errno;

/// What all of them begin with.
pub(super) const PREFIX: &[u8] = b"user.overlay.";

/// What the mark `opaque` says of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opaque {
    /// What lies in the layers below is seen through it.
    No,
    /// The layers below are hidden.
    Yes,
    /// Empty files in it may be whiteouts, by a mark of their own.
    HasWhiteouts,
}

/// Reads the mark of a folder.
///
/// # Errors
/// What the kernel answers.
pub(super) fn opaque(folder: impl AsFd) -> io::Result<Opaque> {
    let mut value = [0];
    match fgetxattr(folder, c"user.overlay.opaque", &mut value) {
        Ok(1) if value == *b"y" => Ok(Opaque::Yes),
        Ok(1) if value == *b"x" => Ok(Opaque::HasWhiteouts),
        // As the kernel reads it: a value that is longer is none.
        Ok(_) | Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::RANGE) => Ok(Opaque::No),
        Err(error) => Err(error.into()),
    }
}

/// Whether an empty file stands for nothing.
///
/// # Errors
/// What the kernel answers.
pub(super) fn is_whiteout(file: impl AsFd) -> io::Result<bool> {
    has(file, "user.overlay.whiteout")
}

/// Whether a folder was copied from a layer below, when something in it was first changed.
///
/// # Errors
/// What the kernel answers.
pub(super) fn is_copy(folder: impl AsFd) -> io::Result<bool> {
    has(folder, "user.overlay.origin")
}

fn has(file: impl AsFd, mark: &str) -> io::Result<bool> {
    match fgetxattr_query(file, mark) {
        Ok(_) => Ok(true),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
