//! Folders of the session's own, on Unix.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

/// Makes a folder that is open to its owner alone.
pub(super) fn make_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// Makes sure of a folder that is real, ours, and open to nobody else.
pub(super) fn own_private(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).recursive(true).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = fs::symlink_metadata(path)?;
    let ours = found.is_dir()
        && found.uid() == rustix::process::geteuid().as_raw()
        && found.mode() & 0o077 == 0;
    if ours { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}

/// Whether a path still leads to an open file.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    let identity = |found: fs::Metadata| (found.dev(), found.ino());
    let (open, named) = (file.metadata().map(identity), fs::symlink_metadata(path).map(identity));
    open.is_ok_and(|open| named.is_ok_and(|named| named == open))
}

/// Gives a folder the mode of another.
pub(super) fn same_mode(like: &Path, path: &Path) -> io::Result<()> {
    let mode = fs::metadata(like)?.mode() & 0o777;
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// Removes a tree that a payload may have filled: folders that are closed to us are opened, and deep
/// ones are taken apart at the top, so that no depth overflows a stack or the length of a path.
pub(super) fn remove_tree(top: &Path) -> io::Result<()> {
    let mut number = 0u64;
    loop {
        let entries = fs::read_dir(top)?.collect::<io::Result<Vec<_>>>()?;
        if entries.is_empty() {
            return fs::remove_dir(top);
        }
        for entry in entries {
            let path = entry.path();
            if !entry.file_type()?.is_dir() {
                fs::remove_file(path)?;
                continue;
            }
            open(&path)?;
            for inner in fs::read_dir(&path)?.collect::<io::Result<Vec<_>>>()? {
                if inner.file_type()?.is_dir() {
                    // A folder can only be moved by who may write it: its `..` changes.
                    open(&inner.path())?;
                    lift(&inner.path(), top, &mut number)?;
                } else {
                    fs::remove_file(inner.path())?;
                }
            }
            fs::remove_dir(path)?;
        }
    }
}

/// Moves a folder to the top, under a name that whoever began this removal before has not used.
fn lift(folder: &Path, top: &Path, number: &mut u64) -> io::Result<()> {
    use io::ErrorKind::{AlreadyExists, DirectoryNotEmpty};
    loop {
        *number += 1;
        let moved = fs::rename(folder, top.join(format!(".removed-{number}")));
        if !moved.as_ref().is_err_and(|it| matches!(it.kind(), AlreadyExists | DirectoryNotEmpty)) {
            return moved;
        }
    }
}

fn open(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, Permissions::from_mode(0o700))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removal_that_was_broken_off_is_finished() {
        let place = tempfile::tempdir().unwrap();
        let top = place.path().join("top");
        // What a removal leaves that had just begun, and more of the same depth.
        for folder in [".removed-1/a/b", ".removed-2/c", "x/y/z", "w"] {
            fs::create_dir_all(top.join(folder)).unwrap();
            fs::write(top.join(folder).join("file"), "").unwrap();
        }
        remove_tree(&top).unwrap();
        assert!(!top.exists());
    }

    #[test]
    fn a_file_that_was_replaced_is_not_at_its_path() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        let file = File::create(&path).unwrap();
        assert!(is_at(&file, &path));
        fs::remove_file(&path).unwrap();
        assert!(!is_at(&file, &path));
        File::create(&path).unwrap();
        assert!(!is_at(&file, &path));
    }
}
