//! Takes a whole tree away, of any depth and however it is closed.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, unlinkat};
use rustix::io::Errno;
use sandbox_core::path::quoted;
use sandbox_core::{Result, SandboxError};

use super::beneath::Access;
use super::cursor::Cursor;

/// Removes what has a name in a folder: one thing, or a folder with everything in it. Follows no
/// link and enters no mount. That there is nothing is no error.
///
/// Folders that are closed to their owner are opened. Nobody should be writing in the tree: what is
/// moved meanwhile ends the removal with an error, and so does what is added.
///
/// # Errors
/// What the file system answers.
pub fn remove_tree(at: impl AsFd, name: impl AsRef<OsStr>) -> Result<()> {
    let name = name.as_ref();
    let removed = CString::new(name.as_bytes()).map_err(Into::into);
    let removed = removed.and_then(|name| remove(at, &name));
    removed.map_err(SandboxError::io(format!("removing {}", quoted(name))))
}

/// As [`remove_tree`].
///
/// # Errors
/// What the file system answers.
pub(super) fn remove(at: impl AsFd, name: &CStr) -> io::Result<()> {
    if unlink(at.as_fd(), name)? {
        return Ok(());
    }
    let mut cursor = Cursor::new(&at, name, Access::Write)?;
    let mut lists = vec![cursor.here().names()?];
    while let Some(list) = lists.last_mut() {
        match list.pop() {
            Some(name) => {
                if !unlink(cursor.here().as_fd(), &name)? {
                    cursor.down(&name)?;
                    lists.push(cursor.here().names()?);
                }
            }
            None => {
                lists.pop();
                if let Some((name, _)) = cursor.up()? {
                    unlinkat(cursor.here(), &*name, AtFlags::REMOVEDIR)?;
                }
            }
        }
    }
    drop(cursor);
    Ok(unlinkat(at, name, AtFlags::REMOVEDIR)?)
}

/// Removes what is no folder; false for a folder.
fn unlink(at: BorrowedFd<'_>, name: &CStr) -> io::Result<bool> {
    match unlinkat(at, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::ISDIR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
