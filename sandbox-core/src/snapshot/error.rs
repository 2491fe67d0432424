//! What can be wrong with a snapshot, beside what a file system answers.

use std::path::PathBuf;

use crate::path::quoted;
use crate::size::ByteSize;

/// Why a snapshot was not saved or not restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// What lies in the store is not what was saved. Nothing was changed.
    #[error("the snapshot in {} is damaged: {why}", quoted(.place))]
    Damaged {
        /// Its folder in the store.
        place: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The folders hold more bytes than a snapshot may. Nothing was saved.
    #[error("the folders hold more bytes than the limit of {limit}")]
    TooManyBytes {
        /// The limit.
        limit: ByteSize,
    },
    /// The folders hold more names than a snapshot may. Nothing was saved.
    #[error("the folders hold more files than the limit of {limit}")]
    TooManyFiles {
        /// The limit.
        limit: u64,
    },
    /// Another file system is mounted inside a folder. It can neither be saved with the folder nor
    /// be taken away with it.
    #[error("another file system is mounted at {}", quoted(.path))]
    MountedInside {
        /// Where.
        path: PathBuf,
    },
    /// A folder must stay, because something in it is mounted or it is mounted elsewhere too, and it
    /// is a folder only now or only in the snapshot. Nothing was changed.
    #[error("{} must stay a folder, because of a mount, and {why}", quoted(.path))]
    NoLevel {
        /// The folder.
        path: PathBuf,
        /// What is in the way.
        why: &'static str,
    },
    /// A restore was interrupted, and can be neither completed nor undone now. What is still
    /// missing is kept in the folder or a level of it, under a name that begins with `.sandbox-restore-`.
    #[error("the restore of {} was interrupted and cannot be completed: {why}", quoted(.folder))]
    Interrupted {
        /// The folder.
        folder: PathBuf,
        /// What is in the way.
        why: String,
    },
}
