//! Where the sources of mounts lie, found once.
//!
//! A mount names its source as a rule names its path, so the same holds: a link that a command of
//! the session could have made is not followed. What is found stays the source for as long as the
//! session lives, and for its forks; a link that comes into its place later is never followed.

use std::io;
use std::path::{Path, PathBuf};

use super::Host;
use super::mounted::{self, Mounted};
use super::rules;
use crate::error::{Result, SandboxError};
use crate::mount::{FilesystemAccess, FilesystemMount, MountSource};
use crate::path::SandboxPath;
use crate::policy::{Policy, PolicyError};
use crate::resolve::{Memo, Resolved, resolve};

/// Where the source of each mount lies on the host, without links; `None` for those that have none
/// there. `known` are the mounts that the session has already.
///
/// # Errors
/// [`SandboxError::MissingPath`], and
/// [`FilesystemError::PlantedLink`](crate::policy::filesystem::FilesystemError::PlantedLink).
pub fn sources(
    policy: &Policy,
    mounts: &[FilesystemMount],
    known: &[Mounted],
    host: &Host<'_>,
) -> Result<Vec<Option<PathBuf>>> {
    let files = Memo::new(host.files);
    let find = |mount| look_up(mount, &files).transpose();
    let found: Vec<Option<Resolved>> = mounts.iter().map(find).collect::<Result<_>>()?;
    let both = mounts.iter().zip(&found);
    let written = both.clone().filter(|(mount, _)| is_written(mount));
    let mut open: Vec<&Path> = written.filter_map(|(_, it)| Some(&*it.as_ref()?.path)).collect();
    open.extend(mounted::open(known));
    if found.iter().flatten().any(|found| !found.links.is_empty()) {
        let rules = rules::look_up(policy, &open, &files)?;
        for (path, found) in both.filter_map(|(mount, found)| source(mount).zip(found.as_ref())) {
            if let Some(error) = rules::planted(path, found, &rules, &open) {
                return Err(PolicyError::from(error).into());
            }
        }
    }
    Ok(found.into_iter().map(|found| Some(found?.path)).collect())
}

fn source(mount: &FilesystemMount) -> Option<&SandboxPath> {
    match &mount.source {
        MountSource::Bind { source, .. } | MountSource::Overlay { source } => Some(source),
        _ => None,
    }
}

fn look_up(mount: &FilesystemMount, files: &Memo<'_>) -> Option<Result<Resolved>> {
    let path = source(mount)?;
    let missing = |source| SandboxError::MissingPath { path: path.clone().into(), source };
    let found = resolve(files, path.as_path()).map_err(missing);
    Some(found.and_then(|found| match found.kind {
        Some(_) => Ok(found),
        None => Err(missing(io::ErrorKind::NotFound.into())),
    }))
}

/// Whether commands can write to the source, at once or when their changes are applied.
fn is_written(mount: &FilesystemMount) -> bool {
    match &mount.source {
        MountSource::Bind { access, .. } => *access == FilesystemAccess::ReadWrite,
        MountSource::Overlay { .. } => true,
        _ => false,
    }
}
