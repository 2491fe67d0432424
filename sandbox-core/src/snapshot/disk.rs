//! Everything that changes a file system, one step at a time.
//!
//! What a snapshot promises is a promise about being stopped between any two of these steps, so
//! each of them asks first. Nobody answers but the tests, which stop the work there.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Arc;

use cap_std::fs::Dir;

use super::entry::Attributes;
use super::{exists, sys};

/// What a step does to the room on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It takes some.
    Takes,
    /// It moves, removes or dresses what is there.
    Moves,
}

/// Whoever is asked before each step.
pub(super) trait Watch: Send + Sync {
    /// # Errors
    /// What the step shall fail with, instead of being done.
    fn before(&self, step: Step) -> io::Result<()>;
}

struct Nobody;

impl Watch for Nobody {
    fn before(&self, _: Step) -> io::Result<()> {
        Ok(())
    }
}

/// The steps.
#[derive(Clone)]
pub(super) struct Disk(Arc<dyn Watch>);

impl Default for Disk {
    fn default() -> Self {
        Self::watched(Arc::new(Nobody))
    }
}

impl Disk {
    pub(super) fn watched(watch: Arc<dyn Watch>) -> Self {
        Self(watch)
    }

    /// Makes a folder that nobody else can enter.
    pub(super) fn make_folder(&self, at: &Dir, name: impl AsRef<OsStr>) -> io::Result<()> {
        self.0.before(Step::Takes)?;
        sys::make_folder(at, name.as_ref())
    }

    /// Makes an empty file that nobody else can open.
    pub(super) fn make_file(&self, at: &Dir, name: &OsStr) -> io::Result<File> {
        self.0.before(Step::Takes)?;
        sys::make_file(at, name)
    }

    /// Makes a file that shares the blocks of another one, where the file system can.
    pub(super) fn clone_file(&self, from: &File, at: &Dir, name: &OsStr) -> io::Result<()> {
        self.0.before(Step::Takes)?;
        reflink_copy::reflink_file_to_dir(from, at, name)
    }

    pub(super) fn make_pipe(&self, at: &Dir, name: &OsStr) -> io::Result<()> {
        self.0.before(Step::Takes)?;
        sys::make_pipe(at, name)
    }

    pub(super) fn make_link(&self, target: &OsStr, at: &Dir, name: &OsStr) -> io::Result<()> {
        self.0.before(Step::Takes)?;
        sys::make_link(target, at, name)
    }

    /// Gives a file a second name.
    pub(super) fn make_twin(
        &self,
        from: &Dir,
        file: &OsStr,
        at: &Dir,
        name: &OsStr,
    ) -> io::Result<()> {
        self.0.before(Step::Takes)?;
        from.hard_link(file, at, name)
    }

    /// Asks before a file grows.
    pub(super) fn grow(&self) -> io::Result<()> {
        self.0.before(Step::Takes)
    }

    pub(super) fn dress_file(&self, file: &File, attributes: &Attributes) -> io::Result<()> {
        self.0.before(Step::Moves)?;
        sys::dress_file(file, attributes)
    }

    pub(super) fn dress_folder(&self, folder: &Dir, attributes: &Attributes) -> io::Result<()> {
        self.0.before(Step::Moves)?;
        sys::dress_folder(folder, attributes)
    }

    pub(super) fn date_folder(&self, folder: &Dir, attributes: &Attributes) -> io::Result<()> {
        self.0.before(Step::Moves)?;
        sys::date_folder(folder, attributes)
    }

    pub(super) fn dress_link(
        &self,
        at: &Dir,
        name: &OsStr,
        attributes: &Attributes,
    ) -> io::Result<()> {
        self.0.before(Step::Moves)?;
        sys::dress_link(at, name, attributes)
    }

    pub(super) fn set_mode(&self, at: &Dir, name: &OsStr, mode: u32) -> io::Result<()> {
        self.0.before(Step::Moves)?;
        sys::set_mode(at, name, mode)
    }

    pub(super) fn rename(
        &self,
        from: &Dir,
        old: impl AsRef<OsStr>,
        to: &Dir,
        new: impl AsRef<OsStr>,
    ) -> io::Result<()> {
        self.0.before(Step::Moves)?;
        from.rename(old.as_ref(), to, new.as_ref())
    }

    pub(super) fn remove_file(&self, at: &Dir, name: impl AsRef<OsStr>) -> io::Result<()> {
        self.0.before(Step::Moves)?;
        at.remove_file(name.as_ref())
    }

    pub(super) fn remove_folder(&self, at: &Dir, name: impl AsRef<OsStr>) -> io::Result<()> {
        self.0.before(Step::Moves)?;
        at.remove_dir(name.as_ref())
    }

    /// Waits until the names in a folder are on the disk.
    pub(super) fn sync(&self, folder: &Dir) -> io::Result<()> {
        self.0.before(Step::Moves)?;
        sys::sync(folder)
    }

    /// Writes a file that is there whole or not at all, also after a power failure.
    pub(super) fn write_whole(&self, at: &Dir, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.remove_unfinished(at, name)?;
        let unfinished = unfinished(name);
        let mut file = self.make_file(at, unfinished.as_ref())?;
        self.grow()?;
        file.write_all(bytes)?;
        file.sync_all()?;
        self.rename(at, &unfinished, at, name)?;
        self.sync(at)
    }

    /// Removes what was left when writing a file whole was interrupted.
    pub(super) fn remove_unfinished(&self, at: &Dir, name: &str) -> io::Result<()> {
        let unfinished = unfinished(name);
        if exists(at, unfinished.as_ref())? { self.remove_file(at, unfinished) } else { Ok(()) }
    }
}

/// What a file is called until it is whole.
fn unfinished(name: &str) -> String {
    format!("{name}.new")
}
