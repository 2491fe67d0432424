//! The store: one folder, with a numbered folder in it for each snapshot.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use cap_fs_ext::{DirExt as _, FollowSymlinks, OpenOptionsFollowExt as _};
use cap_std::fs::{Dir, OpenOptions};

use super::disk::Disk;
use super::manifest::{Manifest, StoredSnapshot, tree_name};
use super::{Folder, exists, failed, removal, swap, sys};
use crate::error::{Result, SandboxError};
use crate::ids::SnapshotName;
use crate::path::quoted;
use crate::resolve::open_around;

const LOCK: &str = "lock";

/// The snapshots of one session; see the module's documentation.
pub struct Store {
    pub(super) path: PathBuf,
    pub(super) dir: Dir,
    pub(super) disk: Disk,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A snapshot's folder in the store.
pub(super) struct Place {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    pub(super) dir: Dir,
}

impl Store {
    /// Opens a store, which is made if it is not there; the folder around it must be. What was
    /// interrupted before is completed or undone. Waits while somebody else changes the store.
    ///
    /// # Errors
    /// What the file system answers, also to a folder that is a link or somebody else's;
    /// [`SnapshotError::Interrupted`](super::SnapshotError::Interrupted).
    pub fn open(folder: &Path) -> Result<Self> {
        Self::watched(folder, Disk::default())
    }

    pub(super) fn watched(folder: &Path, disk: Disk) -> Result<Self> {
        let dir = sys::private_folder(folder).map_err(failed("opening", folder))?;
        // Compared with folders that are saved, so it must be the whole path.
        let path = folder.canonicalize().map_err(failed("opening", folder))?;
        let store = Self { path, dir, disk };
        let lock = store.lock()?;
        store.sweep()?;
        swap::recover(&store, swap::Leftovers::May)?;
        drop(lock);
        Ok(store)
    }

    /// All snapshots, the oldest first.
    ///
    /// # Errors
    /// [`SnapshotError::Damaged`](super::SnapshotError::Damaged), and what the file system answers.
    pub fn list(&self) -> Result<Vec<StoredSnapshot>> {
        let mut found = Vec::new();
        for number in self.numbers()? {
            found.extend(self.saved(number)?.map(|(_, manifest)| manifest.summary()));
        }
        Ok(found)
    }

    /// Removes a snapshot.
    ///
    /// # Errors
    /// [`SandboxError::NotFound`], and what the file system answers.
    pub fn remove(&self, name: &SnapshotName) -> Result<()> {
        let _lock = self.lock()?;
        let (place, _) = self.find(name)?;
        self.discard(place)
    }

    /// Where the copy of a folder lies, to be compared with the folder as it is now by
    /// [`diff_trees`](super::diff_trees). It must not be changed.
    ///
    /// # Errors
    /// [`SandboxError::NotFound`], [`SnapshotError::Damaged`](super::SnapshotError::Damaged), and
    /// what the file system answers.
    pub fn copy_of(&self, name: &SnapshotName, label: &str) -> Result<PathBuf> {
        let (place, manifest) = self.find(name)?;
        let index = manifest.folders.iter().position(|folder| folder.label == label);
        let index = index.ok_or_else(|| missing_folder(name, label))?;
        Ok(place.path.join(tree_name(index)))
    }

    /// Held while anything is changed. It belongs to the open file, so nobody else changes anything
    /// meanwhile, neither another thread nor another process, and it goes with a process that is
    /// killed.
    pub(super) fn lock(&self) -> Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).follow(FollowSymlinks::No);
        sys::careful(&mut options);
        let locked = self.dir.open_with(LOCK, &options).and_then(|file| wait(file.into_std()));
        locked.map_err(failed("locking", &self.path.join(LOCK)))
    }

    /// The snapshot of a name. A damaged one only matters when none is found: it may be the one.
    pub(super) fn find(&self, name: &SnapshotName) -> Result<(Place, Manifest)> {
        let mut missing = SandboxError::NotFound { what: format!("snapshot \"{name}\"") };
        for number in self.numbers()? {
            match self.saved(number) {
                Ok(Some((place, manifest))) if manifest.name == *name => {
                    return Ok((place, manifest));
                }
                Ok(_) => {}
                Err(error) => missing = error,
            }
        }
        Err(missing)
    }

    /// The snapshot of a number; none for one that is being saved or removed, perhaps right now.
    fn saved(&self, number: u64) -> Result<Option<(Place, Manifest)>> {
        if !exists(&self.dir, number.to_string().as_ref()).map_err(failed("reading", &self.path))? {
            return Ok(None);
        }
        let place = self.place(number)?;
        match Manifest::read(&place.dir, &place.path) {
            Ok(manifest) => Ok(Some((place, manifest))),
            Err(_) if !Manifest::is_in(&place.dir, &place.path)? => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The numbers that are taken, in order.
    pub(super) fn numbers(&self) -> Result<Vec<u64>> {
        let failed = |error| failed("reading", &self.path)(error);
        let mut numbers = Vec::new();
        for entry in self.dir.entries().map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let number = name.to_str().and_then(|name| name.parse::<u64>().ok());
            numbers.extend(number.filter(|number| name.to_str() == Some(&number.to_string())));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    pub(super) fn place(&self, number: u64) -> Result<Place> {
        let path = self.path.join(number.to_string());
        let dir = self.dir.open_dir_nofollow(number.to_string());
        Ok(Place { number, dir: dir.map_err(failed("opening", &path))?, path })
    }

    /// Removes the folder of a snapshot, which is none from the first step on.
    pub(super) fn discard(&self, place: Place) -> Result<()> {
        let Place { number, path, dir } = place;
        if Manifest::is_in(&dir, &path)? {
            Manifest::remove(&self.disk, &dir).map_err(failed("removing", &path))?;
        }
        // What is open cannot be removed everywhere.
        drop(dir);
        let name = number.to_string();
        removal::remove(&self.disk, &self.dir, name.as_ref()).map_err(failed("removing", &path))
    }

    /// Removes what saves and removals have left when they were interrupted.
    fn sweep(&self) -> Result<()> {
        for number in self.numbers()? {
            let place = self.place(number)?;
            if !Manifest::is_in(&place.dir, &place.path)? {
                self.discard(place)?;
            }
        }
        Ok(())
    }

    /// Refuses folders that lie in one another or have the store in them: neither could be taken
    /// away to make room for what was saved. What lies at a spared path stays, so it may be another
    /// folder, if that comes later, or the store. Nor may a folder be reached by a link.
    pub(super) fn check(&self, folders: &[Folder<'_>]) -> Result<()> {
        let mut paths: Vec<PathBuf> = Vec::new();
        for (index, folder) in folders.iter().enumerate() {
            let found = open_around(folder.path).and_then(|_| folder.path.canonicalize());
            let path = found.map_err(failed("opening", folder.path))?;
            let mut outer = paths.iter().zip(folders);
            let shared = self.path.starts_with(&path) && !spares(folder, &path, &self.path)
                || path.starts_with(&self.path)
                || paths.iter().any(|other| other.starts_with(&path))
                || outer.any(|(other, it)| path.starts_with(other) && !spares(it, other, &path));
            if shared {
                let message = format!("{} is shared with another folder", quoted(&path));
                return Err(SandboxError::InvalidRequest(message));
            }
            if folders[..index].iter().any(|other| other.label == folder.label) {
                let message = format!("two folders are called {:?}", folder.label);
                return Err(SandboxError::InvalidRequest(message));
            }
            paths.push(path);
        }
        Ok(())
    }
}

/// Whether a folder, which lies at `path`, leaves something in it alone.
fn spares(folder: &Folder<'_>, path: &Path, inner: &Path) -> bool {
    let inside = inner.strip_prefix(path).unwrap_or(Path::new(""));
    folder.spared.iter().any(|spared| inside.starts_with(spared))
}

/// Waits until nobody else has locked the file.
fn wait(file: File) -> io::Result<File> {
    loop {
        match file.lock() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            locked => return locked.map(|()| file),
        }
    }
}

pub(super) fn missing_folder(name: &SnapshotName, label: &str) -> SandboxError {
    SandboxError::NotFound { what: format!("folder {label:?} in the snapshot \"{name}\"") }
}
