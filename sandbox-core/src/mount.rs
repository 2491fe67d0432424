//! Mounts of a session: what appears where, and where it comes from.
//!
//! A mount shows a folder under a path of the sandbox's own choosing. What is written through it
//! goes to the host ([`MountSource::Bind`]), to a layer of the session ([`MountSource::Overlay`]),
//! or lives and dies with the session ([`MountSource::Scratch`], [`MountSource::Tmpfs`]).

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::path::{PathError, SandboxPath};
use crate::size::ByteSize;

/// What may be done with a mount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FilesystemAccess {
    /// Read and execute.
    #[default]
    ReadOnly,
    /// Everything.
    ReadWrite,
}

/// Where a mount's content comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum MountSource {
    /// A file or folder of the host, directly.
    Bind {
        /// The host's path.
        source: SandboxPath,
        /// What may be done with it.
        #[serde(default)]
        access: FilesystemAccess,
    },
    /// A folder of the host, copied on write: changes stay in the session until they are applied.
    Overlay {
        /// The host's folder.
        source: SandboxPath,
    },
    /// An empty folder on the host's disk, removed with the session.
    Scratch,
    /// An empty folder in memory.
    Tmpfs {
        /// The most that it holds; as much as the system gives without.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<ByteSize>,
    },
}

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesystemMount {
    /// Where it appears in the sandbox.
    pub target: SandboxPath,
    /// What appears there.
    #[serde(flatten)]
    pub source: MountSource,
}

impl FilesystemMount {
    /// A file or folder of the host, directly.
    ///
    /// # Errors
    /// [`PathError`] for a path that is not absolute and normalised.
    pub fn bind(
        source: impl AsRef<Path>,
        target: impl AsRef<Path>,
        access: FilesystemAccess,
    ) -> Result<Self, PathError> {
        let source = MountSource::Bind { source: SandboxPath::new(source)?, access };
        Ok(Self { target: SandboxPath::new(target)?, source })
    }

    /// A folder of the host, copied on write.
    ///
    /// # Errors
    /// As [`FilesystemMount::bind`].
    pub fn overlay(source: impl AsRef<Path>, target: impl AsRef<Path>) -> Result<Self, PathError> {
        let source = MountSource::Overlay { source: SandboxPath::new(source)? };
        Ok(Self { target: SandboxPath::new(target)?, source })
    }

    /// An empty folder on the host's disk.
    ///
    /// # Errors
    /// As [`FilesystemMount::bind`].
    pub fn scratch(target: impl AsRef<Path>) -> Result<Self, PathError> {
        Ok(Self { target: SandboxPath::new(target)?, source: MountSource::Scratch })
    }

    /// An empty folder in memory.
    ///
    /// # Errors
    /// As [`FilesystemMount::bind`].
    pub fn tmpfs(target: impl AsRef<Path>, size: Option<ByteSize>) -> Result<Self, PathError> {
        Ok(Self { target: SandboxPath::new(target)?, source: MountSource::Tmpfs { size } })
    }
}
