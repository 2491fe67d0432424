//! Removing what a command has made.
//!
//! # Theory of operation
//! A command may have chosen every name, depth and mode, and may still run. A tree is taken apart at
//! its top: what a folder holds is removed, and the folders in it are moved up, so that neither the
//! stack nor the table of open files grows with the depth. Each name is looked up in its folder
//! without following a link. The work has a bound.

use std::io;
use std::path::{Path, PathBuf};

use cap_fs_ext::{
    FollowSymlinks, OpenOptionsFollowExt, OpenOptionsMaybeDirExt, OpenOptionsSyncExt,
};
use cap_std::fs::{Dir, File, OpenOptions};

use super::error::Result;
use super::system;
use super::walk::Place;

/// The most steps, so that a command that makes names as fast as they go holds nobody up for ever.
const STEPS: u64 = 1 << 24;

pub(super) fn remove(place: &Place<'_>, recursive: bool) -> Result<()> {
    place.check_movable()?;
    let is_folder = place.metadata()?.is_dir();
    let removed = match (is_folder, recursive) {
        (true, true) => tree(&place.folder, &place.name),
        (true, false) => place.folder.remove_dir(&place.name),
        (false, _) => place.folder.remove_file(&place.name),
    };
    removed.map_err(place.io("removing"))
}

/// Removes what has a name, with everything below it.
pub(super) fn tree(parent: &Dir, name: &Path) -> io::Result<()> {
    if !parent.symlink_metadata(name)?.is_dir() {
        return parent.remove_file(name);
    }
    let top = enter(parent, name)?;
    let mut removal = Removal { top, steps: STEPS, moved: 0 };
    while removal.pass()? {}
    parent.remove_dir(name)
}

/// Opens a folder, also one that is closed to its owner, and lets the owner do everything with it.
pub(super) fn enter(parent: &Dir, name: &Path) -> io::Result<Dir> {
    let opened = match open(parent, name) {
        // It is ours, so a command could change its mode as well as we: nobody gains by this name
        // being somebody else's meanwhile. Root is never refused.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            system::open_by_name(parent, name)?;
            open(parent, name)?
        }
        opened => opened?,
    };
    let found = opened.metadata()?;
    if !found.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    system::open_up(&opened, &found)?;
    Ok(Dir::from_std_file(opened.into_std()))
}

fn open(parent: &Dir, name: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).follow(FollowSymlinks::No).nonblock(true).maybe_dir(true);
    parent.open_with(name, &options)
}

struct Removal {
    top: Dir,
    steps: u64,
    /// How many folders were moved to the top.
    moved: u64,
}

impl Removal {
    /// Removes what lies at the top now; whether there was anything.
    fn pass(&mut self) -> io::Result<bool> {
        let mut any = false;
        for entry in self.top.entries()? {
            any = true;
            self.entry(&PathBuf::from(entry?.file_name()))?;
        }
        Ok(any)
    }

    /// Removes an entry of the top; the folders that a folder has come to the top.
    fn entry(&mut self, name: &Path) -> io::Result<()> {
        if self.unlink(None, name)? {
            return Ok(());
        }
        let folder = enter(&self.top, name)?;
        for entry in folder.entries()? {
            let inner = PathBuf::from(entry?.file_name());
            if !self.unlink(Some(&folder), &inner)? {
                self.lift(&folder, &inner)?;
            }
        }
        self.step()?;
        self.top.remove_dir(name)
    }

    /// Removes an entry of a folder, or of the top, that is no folder; false for a folder.
    fn unlink(&mut self, folder: Option<&Dir>, name: &Path) -> io::Result<bool> {
        self.step()?;
        let folder = folder.unwrap_or(&self.top);
        let removed = folder.symlink_metadata(name).and_then(|found| {
            if found.is_dir() { Ok(false) } else { folder.remove_file(name).map(|()| true) }
        });
        match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            removed => removed,
        }
    }

    /// Moves a folder to the top, under a name that nothing has there.
    fn lift(&mut self, folder: &Dir, name: &Path) -> io::Result<()> {
        // A folder can only be moved by who may write it: its `..` changes.
        drop(enter(folder, name)?);
        loop {
            self.step()?;
            self.moved += 1;
            let lifted = format!(".removed-{}", self.moved);
            match folder.rename(name, &self.top, &lifted) {
                Err(error) if is_taken(&error) => {}
                moved => return moved,
            }
        }
    }

    fn step(&mut self) -> io::Result<()> {
        self.steps = self.steps.checked_sub(1).ok_or(io::ErrorKind::QuotaExceeded)?;
        Ok(())
    }
}

/// Whether a name to move to has something there.
fn is_taken(error: &io::Error) -> bool {
    use io::ErrorKind::{AlreadyExists, DirectoryNotEmpty, IsADirectory, NotADirectory};
    matches!(error.kind(), AlreadyExists | DirectoryNotEmpty | IsADirectory | NotADirectory)
}
