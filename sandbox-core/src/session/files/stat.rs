//! What is at a path.

use std::fmt;
use std::time::SystemTime;

use cap_std::fs::Metadata;

use super::error::Result;
use super::system;
use super::walk::Place;

/// What kind of thing has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A pipe, a socket or a device.
    Special,
}

/// What is at a path. Links are not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stat {
    /// What it is.
    pub kind: Kind,
    /// Its size in bytes; for other things than files, what the system says.
    pub size: u64,
    /// When its content last changed, as far as the system tells. A command can set it.
    pub modified: Option<SystemTime>,
    /// Its permissions, where the system has such.
    pub mode: Option<u32>,
}

pub(super) fn stat(place: &Place<'_>) -> Result<Stat> {
    Ok(Stat::of(&place.metadata()?))
}

impl Kind {
    pub(super) fn of(metadata: &Metadata) -> Self {
        match metadata.file_type() {
            kind if kind.is_file() => Self::File,
            kind if kind.is_dir() => Self::Folder,
            kind if kind.is_symlink() => Self::Link,
            _ => Self::Special,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "a file",
            Self::Folder => "a folder",
            Self::Link => "a symbolic link",
            Self::Special => "a pipe, a socket or a device",
        })
    }
}

impl Stat {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            kind: Kind::of(metadata),
            size: metadata.len(),
            modified: metadata.modified().ok().map(cap_std::time::SystemTime::into_std),
            mode: system::mode(metadata),
        }
    }
}
