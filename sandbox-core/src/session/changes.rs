//! What a session has changed in a copied folder, and what became of it on the host.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How one path differs from the folder that was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChangeKind {
    /// Nothing was there.
    Added,
    /// A file's content differs.
    Changed,
    /// Nothing is there any more; for a folder, with all that was in it.
    Deleted,
    /// Only the mode differs.
    Mode,
    /// A symbolic link points elsewhere.
    Link,
    /// It has become another kind of thing: a file instead of a folder, say.
    Kind,
}

/// One path that differs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Change {
    /// Where, relative to the mount's target. In JSON a text, or bytes where it is none.
    #[serde(with = "crate::path::lossless")]
    pub path: PathBuf,
    /// How.
    pub kind: ChangeKind,
    /// Whether it is a folder now, or was one before it was deleted.
    pub directory: bool,
    /// The size of a file now, in bytes; 0 for what is no file.
    pub size: u64,
}

/// A path that could not be applied, because the host changed it meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Conflict {
    /// Where, relative to the mount's target. In JSON a text, or bytes where it is none.
    #[serde(with = "crate::path::lossless")]
    pub path: PathBuf,
    /// What the session did.
    pub ours: ChangeKind,
    /// What the host did, in words.
    pub theirs: String,
}

/// What applying came to. With conflicts, nothing was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// What was written to the host, in order.
    pub changes: Vec<Change>,
    /// Why nothing was.
    pub conflicts: Vec<Conflict>,
}
