//! No named pipes: a snapshot counts them among what it does not hold.

use std::ffi::OsStr;
use std::io;

use cap_std::fs::Dir;

/// Whether they can be made.
pub(crate) const PIPES: bool = false;

pub(crate) fn make_pipe(_: &Dir, _: &OsStr) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
