//! The table of mounts: which folder is where.

use std::path::Path;

use cap_std::fs::Dir;

use crate::confine::OpenFolder;
use crate::mount::FilesystemAccess;
use crate::path::SandboxPath;

#[derive(Debug)]
pub(super) struct Mounts(Vec<Mount>);

/// A folder of the session.
#[derive(Debug)]
pub(super) struct Mount {
    pub(super) target: SandboxPath,
    /// `None` where a call from outside has no way to.
    pub(super) folder: Option<Dir>,
    pub(super) access: FilesystemAccess,
}

/// One folder as it was handed in.
pub(crate) struct FolderRef<'a> {
    pub(crate) target: &'a SandboxPath,
    pub(crate) folder: Option<&'a Dir>,
    pub(crate) access: FilesystemAccess,
}

impl Mounts {
    pub(super) fn new(mounts: impl IntoIterator<Item = OpenFolder>) -> Self {
        let mut table: Vec<Mount> = Vec::new();
        for OpenFolder { target, folder, access } in mounts {
            table.retain(|mount| mount.target != target);
            table.push(Mount { target, folder, access });
        }
        table.sort_by(|a, b| a.target.cmp(&b.target));
        Self(table)
    }

    /// What is mounted at a path.
    pub(super) fn at(&self, path: &Path) -> Option<&Mount> {
        self.0.iter().find(|mount| mount.target.as_path() == path)
    }

    /// A mount at a path or below it.
    pub(super) fn within(&self, path: &Path) -> Option<&Mount> {
        self.0.iter().find(|mount| mount.target.as_path().starts_with(path))
    }

    pub(super) fn folders(&self) -> impl Iterator<Item = FolderRef<'_>> {
        self.0.iter().map(|mount| FolderRef {
            target: &mount.target,
            folder: mount.folder.as_ref(),
            access: mount.access,
        })
    }

    pub(super) fn targets(&self) -> Vec<SandboxPath> {
        self.0.iter().map(|mount| mount.target.clone()).collect()
    }
}
