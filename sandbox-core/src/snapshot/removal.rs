//! Takes a tree away, whatever a payload has made of it.
//!
//! Folders that are closed to their owner are opened. A folder in a folder is first moved to the
//! top, so that no depth overflows a stack or the number of descriptors. Each name is looked up in
//! the descriptor of its own folder, no link is followed, and what another file system has mounted
//! is neither entered nor taken away. Interrupted anywhere, the work can be begun again.

use std::ffi::OsStr;
use std::io;

use cap_fs_ext::{DirExt as _, MetadataExt as _};
use cap_std::fs::{Dir, DirEntry};

use super::disk::Disk;
use super::sys;
use crate::path::quoted;

/// Removes what has a name, with all that is in it; nothing is no error.
pub(super) fn remove(disk: &Disk, at: &Dir, name: &OsStr) -> io::Result<()> {
    match at.symlink_metadata(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.is_dir() => return disk.remove_file(at, name),
        Ok(_) => {}
    }
    let device = at.dir_metadata()?.dev();
    let top = enter(disk, device, at, name)?;
    let mut removal = Removal { disk, device, top: &top, moved: 0 };
    while removal.pass()? {}
    disk.remove_folder(at, name)
}

/// Opens a folder in a folder, and lets its owner do everything with it.
fn enter(disk: &Disk, device: u64, at: &Dir, name: &OsStr) -> io::Result<Dir> {
    let found = at.symlink_metadata(name)?;
    if found.dev() != device {
        let message = format!("another file system is mounted at {}", quoted(name));
        return Err(io::Error::new(io::ErrorKind::CrossesDevices, message));
    }
    let mode = sys::attributes(&found)?.mode;
    if sys::is_closed(mode) {
        disk.set_mode(at, name, sys::opened(mode))?;
    }
    at.open_dir_nofollow(name)
}

struct Removal<'a> {
    disk: &'a Disk,
    top: &'a Dir,
    device: u64,
    /// How many folders were moved to the top.
    moved: u64,
}

impl Removal<'_> {
    /// Removes what lies at the top now; whether there was anything.
    fn pass(&mut self) -> io::Result<bool> {
        let mut any = false;
        for entry in self.top.entries()? {
            any = true;
            self.remove(&entry?)?;
        }
        Ok(any)
    }

    /// Removes an entry of the top; the folders that a folder has come to the top.
    fn remove(&mut self, entry: &DirEntry) -> io::Result<()> {
        let name = entry.file_name();
        if !entry.file_type()?.is_dir() {
            return self.disk.remove_file(self.top, &name);
        }
        let folder = enter(self.disk, self.device, self.top, &name)?;
        for inner in folder.entries()? {
            let inner = inner?;
            if inner.file_type()?.is_dir() {
                self.lift(&folder, &inner.file_name())?;
            } else {
                self.disk.remove_file(&folder, inner.file_name())?;
            }
        }
        drop(folder);
        self.disk.remove_folder(self.top, &name)
    }

    /// Moves a folder to the top, under a name that nothing has there.
    fn lift(&mut self, at: &Dir, name: &OsStr) -> io::Result<()> {
        // A folder can only be moved by who may write it: its `..` changes.
        drop(enter(self.disk, self.device, at, name)?);
        loop {
            self.moved += 1;
            let free = format!(".removed-{}", self.moved);
            if self.top.symlink_metadata(&free).is_err() {
                return self.disk.rename(at, name, self.top, &free);
            }
        }
    }
}
