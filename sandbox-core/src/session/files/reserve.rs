//! Taking a name that nothing has.
//!
//! Renaming replaces what is there, and not every system can be told not to. So a name is first
//! taken by something empty of the same sort, which the system refuses if anything is there; what is
//! then renamed onto it replaces nothing else.

use std::io;
use std::path::{Path, PathBuf};

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::{Dir, OpenOptions};

/// A name that was taken; given back when it is dropped.
pub(super) struct Reservation<'a> {
    folder: &'a Dir,
    name: PathBuf,
    is_folder: bool,
    used: bool,
}

impl<'a> Reservation<'a> {
    /// Takes a name for a folder, or for anything else.
    pub(super) fn take(folder: &'a Dir, name: &Path, is_folder: bool) -> io::Result<Self> {
        if is_folder {
            folder.create_dir(name)?;
        } else {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).follow(FollowSymlinks::No);
            folder.open_with(name, &options)?;
        }
        Ok(Self { folder, name: name.to_owned(), is_folder, used: false })
    }

    /// Something has been renamed onto it.
    pub(super) fn keep(mut self) {
        self.used = true;
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if self.used {
            return;
        }
        // What cannot be given back stays, empty; the caller is told of what went wrong before.
        let _ = if self.is_folder {
            self.folder.remove_dir(&self.name)
        } else {
            self.folder.remove_file(&self.name)
        };
    }
}
