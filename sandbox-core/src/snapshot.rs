//! Snapshots: a session's folders, copied, and put back whole.
//!
//! For folders that are mounted directly, and for systems without layers.
//!
//! # Theory of operation
//! A [`Store`] is one folder of the session's own, which no sandbox sees. In it lies a numbered
//! folder for each snapshot, with a copy of each folder, a list of what the copy holds, and a
//! manifest. The names that people gave are in the manifest alone.
//!
//! ```text
//! store/                 nobody else's
//!   lock                 held while anything is changed
//!   restore-STATE.json   the journal of a restore that is under way
//!   1/ 2/ ...            a snapshot each
//!     manifest.json      written last: without it there is no snapshot
//!     list-0 tree-0/ ... each folder
//! ```
//!
//! **Saving** writes to a folder without a manifest. However it ends, the snapshot is there whole or
//! not at all, and what is left over is removed at the next opening.
//!
//! **Restoring** replaces what lies in a folder and leaves the folder itself, because it is mounted
//! somewhere. Nothing is removed before the new state is complete: it is first copied into a working
//! folder inside the folder itself, the only place that is surely on the same file system and may
//! surely be written. Then names are moved, the old ones out and the new ones in. The journal says
//! what is moved, so an exchange that was interrupted is completed at the next opening; one that
//! fails is undone. Several folders are one exchange.
//!
//! **Mounts inside.** A mount hangs on a folder or file, whatever its name is: moved away with the
//! old state, it would leave the new state bare, and what a sandbox hides would lie open. So a
//! [`Folder`] names the paths that are places of their own. What lies there is *spared*: neither
//! saved nor compared nor moved. Each folder on the way there stays as well, and is a *level*: a
//! folder whose other names are exchanged, with a working folder of its own, as if it were restored
//! alone. A level must be a folder both in the snapshot and now; where it is one in neither, there
//! is nothing to be kept. All levels are in one journal, the outer before the inner.
//!
//! **Nothing is trusted but the store's place.** A live folder was written by a payload, which may
//! even still run. Each name is looked up in a descriptor of its own folder and no link is followed,
//! so nothing outside is read or written, whatever is moved or replaced meanwhile. A snapshot was
//! written by us, but perhaps long ago: it is compared with its list before anything is touched.
//!
//! # What is kept
//! Files, folders, links and named pipes, with content, mode and date; hard links within a folder
//! and a level; holes; the owner, where the caller is root. Names of one file in several levels become
//! a file in each. Set-ID bits are never kept. Extended attributes and access lists are not. Sockets
//! and devices are left out and counted. A file that the caller can read but does not own becomes the
//! caller's, so that a restored folder may have other owners.
//!
//! Blocks are shared where the file system can share them, and copied elsewhere.
//!
//! # What is promised
//! All of this holds when the process is killed and when the disk is full. After a power failure the
//! journal and the manifests are whole, but the system may not have written every file's content yet;
//! a snapshot whose files have lost theirs is noticed by their sizes.

mod content;
mod copy;
mod diff;
mod disk;
mod entry;
mod error;
mod fixed;
mod handles;
mod journal;
mod levels;
mod manifest;
mod meter;
mod removal;
mod restore;
mod save;
mod scan;
mod store;
mod swap;
mod sys;
mod text;

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;

use crate::error::SandboxError;
use crate::path::quoted;

pub use diff::diff_trees;
pub use error::SnapshotError;
pub use manifest::StoredSnapshot;
pub use meter::Progress;
pub use scan::Limits;
pub use store::Store;

/// A folder that is saved or restored.
#[derive(Clone, Copy, Debug)]
pub struct Folder<'a> {
    /// What it is called in snapshots: the target of its mount, say.
    pub label: &'a str,
    /// Where it lies now: the whole path, on which nothing may be a link. A path that becomes one is
    /// an error.
    pub path: &'a Path,
    /// Paths in it that are left alone: what lies there is neither saved nor compared, and a restore
    /// neither moves nor changes it. What is a place of its own in a sandbox belongs here. Nothing
    /// has to lie there.
    pub spared: &'a [PathBuf],
    /// Folders in it that stay the same folders when what they hold is restored, because they are
    /// mounted elsewhere too, say. Nothing has to lie there.
    pub fixed: &'a [PathBuf],
}

impl<'a> Folder<'a> {
    /// A folder of which everything is saved and exchanged.
    #[must_use]
    pub fn new(label: &'a str, path: &'a Path) -> Self {
        Self { label, path, spared: &[], fixed: &[] }
    }
}

/// Names the file that an I/O error came from.
fn failed(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> SandboxError + use<> {
    SandboxError::io(format!("{doing} {}", quoted(path)))
}

/// Whether a folder has such a name, whatever it names.
fn exists(at: &Dir, name: &OsStr) -> io::Result<bool> {
    match at.symlink_metadata(name) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(all(test, unix))]
mod tests;
