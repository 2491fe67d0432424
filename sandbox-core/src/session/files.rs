//! Calls on the files of a session's folders, for callers outside of the sandbox.
//!
//! # Theory of operation
//! A caller may do more on the host than the sandbox may, and a command inside can rename, link and
//! replace whatever it can write, at any moment. So a path is never judged by its text and opened
//! afterwards. It is *walked*: from the folder that is mounted on its way, name by name, each opened
//! in the folder before it without following a link (`walk`). A link's target is walked in the
//! same way through the same table of mounts, so it means what it means inside the sandbox; where no
//! mount is, there is nothing. `..` is never given to the system. At the end there are a descriptor
//! of a folder and one name in it, and each call does its work with these two.
//!
//! What is opened is looked at before and, on the descriptor, after: pipes, sockets and devices are
//! not opened, and one that takes a file's place in between holds nobody up. A file is written under
//! no name and then takes its place as a whole; where nothing may be overwritten, the name is
//! reserved first. Whatever a call reads has a bound.
//!
//! Calls block; from asynchronous code they belong on a thread for that (`spawn_blocking`). Copies
//! of [`Files`] are cheap.

mod copy;
mod error;
mod list;
mod mounts;
mod moving;
mod read;
mod removal;
mod reserve;
mod stat;
mod stream;
mod walk;
mod watch;
mod write;

#[cfg(not(unix))]
#[path = "files/other.rs"]
mod system;
#[cfg(unix)]
#[path = "files/unix.rs"]
mod system;

use std::sync::Arc;

use cap_std::fs::Dir;

use crate::confine::OpenFolder;
use crate::mount::FilesystemAccess;
use crate::path::SandboxPath;
use error::Result;
pub(crate) use mounts::FolderRef;
use mounts::Mounts;
use walk::{Last, walk};

pub use error::FileError;
pub use list::{Entry, Listing};
pub use moving::Overwrite;
pub use read::Contents;
pub use stat::{Kind, Stat};
pub use watch::{Changes, FileChange};
pub use write::Create;

/// The folders of a session, by the paths that they have inside of the sandbox.
///
/// ```
/// use cap_std::{ambient_authority, fs::Dir};
/// use sandbox_core::session::files::{Create, Files};
/// use sandbox_core::{FilesystemAccess, SandboxPath};
///
/// # let host = tempfile::tempdir()?;
/// let folder = Dir::open_ambient_dir(host.path(), ambient_authority())?;
/// let work = SandboxPath::new("/work")?;
/// let files = Files::new(vec![(work.clone(), folder, FilesystemAccess::ReadWrite)]);
/// files.write(&work.join("a")?, b"content", Create::New, None)?;
/// assert_eq!(files.read(&work.join("a")?, 1 << 20)?.bytes, b"content");
/// assert!(files.read(&SandboxPath::new("/etc/passwd")?, 1 << 20).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Files {
    mounts: Arc<Mounts>,
}

impl Files {
    /// The files below these targets. The longest target that a path begins with decides, and of
    /// two that are equal the later one.
    #[must_use]
    pub fn new(mounts: Vec<(SandboxPath, Dir, FilesystemAccess)>) -> Self {
        let open = |(target, folder, access)| OpenFolder { target, folder: Some(folder), access };
        Self::of(mounts.into_iter().map(open))
    }

    /// The files of a sandbox's folders.
    #[must_use]
    pub fn of(folders: impl IntoIterator<Item = OpenFolder>) -> Self {
        Self { mounts: Arc::new(Mounts::new(folders)) }
    }

    /// The folders that these files lie in.
    pub(crate) fn folders(&self) -> impl Iterator<Item = FolderRef<'_>> {
        self.mounts.folders()
    }

    /// The content of a file, at most `limit` bytes of it. Links are followed.
    ///
    /// # Errors
    /// [`FileError`], like all that follow.
    pub fn read(&self, path: &SandboxPath, limit: u64) -> Result<Contents> {
        read::read(&walk(&self.mounts, path, Last::Follow)?, limit)
    }

    /// Writes a file. `mode` is its permissions; without, a new file has the usual ones and one
    /// that is replaced keeps its own. What root writes into somebody's folder is theirs. Nothing
    /// is forced to the disk.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn write(
        &self,
        path: &SandboxPath,
        bytes: &[u8],
        create: Create,
        mode: Option<u32>,
    ) -> Result<()> {
        let last = if create == Create::New { Last::Keep } else { Last::Follow };
        let mut fill = |file: &mut dyn std::io::Write| file.write_all(bytes);
        write::write(&walk(&self.mounts, path, last)?, &mut fill, create, mode)
    }

    /// What is in a folder, in the order of the names; of a folder with more than
    /// [`Files::MOST_ENTRIES`], as many. A link to a folder is followed.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn list(&self, path: &SandboxPath) -> Result<Listing> {
        list::list(&walk(&self.mounts, path, Last::Follow)?, Self::MOST_ENTRIES)
    }

    /// The most entries that a folder is listed with.
    pub const MOST_ENTRIES: usize = 10_000;

    /// What is at a path. A link is not followed.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn stat(&self, path: &SandboxPath) -> Result<Stat> {
        stat::stat(&walk(&self.mounts, path, Last::Keep)?)
    }

    /// Makes a folder in one that exists.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn make_dir(&self, path: &SandboxPath) -> Result<()> {
        write::make_folder(&walk(&self.mounts, path, Last::Keep)?)
    }

    /// Moves a file, a folder or a link, also from one folder of the session to another. Between
    /// file systems it is copied, appears as a whole and is then removed; an error in between can
    /// leave both.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn move_to(
        &self,
        from: &SandboxPath,
        to: &SandboxPath,
        overwrite: Overwrite,
    ) -> Result<()> {
        let from = walk(&self.mounts, from, Last::Keep)?;
        let to = walk(&self.mounts, to, Last::Keep)?;
        moving::move_to(&from, &to, overwrite)
    }

    /// Removes a file, a link or a folder; one with something in it only if `recursive`.
    ///
    /// # Errors
    /// [`FileError`]. What was removed of a tree before stays removed.
    pub fn remove(&self, path: &SandboxPath, recursive: bool) -> Result<()> {
        removal::remove(&walk(&self.mounts, path, Last::Keep)?, recursive)
    }

    /// Watches a file, or a folder with everything below it, from now on. A link is followed.
    ///
    /// Called on a Tokio runtime with time enabled, though it blocks like the others.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn watch(&self, path: &SandboxPath) -> Result<Changes> {
        watch::watch(&walk(&self.mounts, path, Last::Follow)?)
    }
}

#[cfg(test)]
mod tests;
