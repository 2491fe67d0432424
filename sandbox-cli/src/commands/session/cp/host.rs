//! The side of this machine: one folder, held by a descriptor, under its own path.

use std::path::Path;

use cap_fs_ext::DirExt;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use sandbox_core::session::files::Files;
use sandbox_core::{FilesystemAccess, SandboxError, SandboxPath};

use crate::args::{Form, Outside};

/// The files that a source is, or lies in. Of a folder nothing around it: a link in it leads nowhere
/// else then, whoever puts it there while we copy.
pub(super) fn source(side: &Outside) -> Result<Files, SandboxError> {
    let path = side.path.as_path();
    let call = SandboxError::io(format!("looking at {}", side.path));
    // A slash at the end asks for what a link leads to.
    let found = match side.form {
        Form::Plain => std::fs::symlink_metadata(path).map_err(call)?,
        Form::Folder | Form::Contents => std::fs::metadata(path).map_err(call)?,
    };
    if !found.is_dir() {
        return around(&side.path, FilesystemAccess::ReadOnly);
    }
    let call = SandboxError::io(format!("opening {}", side.path));
    let folder = match (side.form, path.parent(), path.file_name()) {
        (Form::Plain, Some(parent), Some(name)) => {
            Dir::open_ambient_dir(parent, ambient_authority())
                .and_then(|parent| parent.open_dir_nofollow(Path::new(name)))
        }
        _ => Dir::open_ambient_dir(path, ambient_authority()),
    };
    let folder = folder.map_err(call)?;
    Ok(Files::new(vec![(side.path.clone(), folder, FilesystemAccess::ReadOnly)]))
}

/// The files that a target is, if it is a folder, or lies in.
pub(super) fn target(side: &Outside) -> Result<Files, SandboxError> {
    let path = side.path.as_path();
    if !std::fs::metadata(path).is_ok_and(|found| found.is_dir()) {
        return around(&side.path, FilesystemAccess::ReadWrite);
    }
    let folder = Dir::open_ambient_dir(path, ambient_authority());
    let folder = folder.map_err(SandboxError::io(format!("opening {}", side.path)))?;
    Ok(Files::new(vec![(side.path.clone(), folder, FilesystemAccess::ReadWrite)]))
}

/// The folder that a path lies in.
fn around(path: &SandboxPath, access: FilesystemAccess) -> Result<Files, SandboxError> {
    let parent = path.as_path().parent().unwrap_or(path.as_path());
    let parent = SandboxPath::new(parent).map_err(sandbox_core::policy::PolicyError::from)?;
    let folder = Dir::open_ambient_dir(parent.as_path(), ambient_authority());
    let folder = folder.map_err(SandboxError::io(format!("opening {parent}")))?;
    Ok(Files::new(vec![(parent, folder, access)]))
}
