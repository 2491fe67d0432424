//! Named pipes.

use std::ffi::OsStr;
use std::io;

use cap_std::fs::Dir;
use rustix::fs::{Mode, mkfifoat};

/// Whether they can be made.
pub(crate) const PIPES: bool = true;

pub(crate) fn make_pipe(at: &Dir, name: &OsStr) -> io::Result<()> {
    Ok(mkfifoat(at, name, Mode::RUSR | Mode::WUSR)?)
}
