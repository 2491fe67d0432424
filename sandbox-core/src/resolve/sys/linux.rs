//! Linux: `openat2` with `RESOLVE_NO_SYMLINKS`, since 5.6; filters of containers may hide it.

use std::io;
use std::path::Path;

use cap_std::fs::Dir;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

use crate::resolve::literal::{Use, link};

/// Opens a folder, or tells that the system cannot do so at once.
pub(crate) fn open_whole(path: &Path, how: Use) -> Option<io::Result<Dir>> {
    let way = if how == Use::Names { OFlags::PATH } else { OFlags::empty() };
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let flags = way | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match openat2(CWD, path, flags, Mode::empty(), resolve) {
        Ok(folder) => Some(Ok(Dir::from_std_file(folder.into()))),
        Err(Errno::NOSYS | Errno::PERM) => None,
        Err(Errno::LOOP) => Some(Err(link())),
        Err(error) => Some(Err(error.into())),
    }
}
