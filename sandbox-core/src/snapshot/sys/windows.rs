//! Windows: no modes but read-only, no owners, no pipes with names in folders. The times of folders
//! and links are not kept.

use std::ffi::{OsStr, OsString};
use std::fs::{File, FileTimes};
use std::io;
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};

use crate::snapshot::entry::Attributes;

/// Whether named pipes can be made.
pub(crate) const PIPES: bool = false;

const WRITABLE: u32 = 0o777;
const READ_ONLY: u32 = 0o555;

pub(crate) fn private_folder(path: &Path) -> io::Result<Dir> {
    match std::fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    Dir::open_ambient_dir(path, ambient_authority())
}

pub(crate) fn careful(_: &mut OpenOptions) {}

pub(crate) fn name(bytes: Vec<u8>) -> Option<OsString> {
    String::from_utf8(bytes).ok().map(OsString::from)
}

pub(crate) fn allocated(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.len())
}

pub(crate) fn attributes(found: &cap_std::fs::Metadata) -> io::Result<Attributes> {
    let mode = if found.permissions().readonly() { READ_ONLY } else { WRITABLE };
    Ok(Attributes { mode, modified: found.modified()?.into_std().into(), owner: None })
}

pub(crate) fn dress_file(file: &File, attributes: &Attributes) -> io::Result<()> {
    if let Some(time) = attributes.modified.system() {
        file.set_times(FileTimes::new().set_modified(time))?;
    }
    let mut permissions = file.metadata()?.permissions();
    permissions.set_readonly(attributes.mode == READ_ONLY);
    file.set_permissions(permissions)
}

pub(crate) fn dress_folder(_: &Dir, _: &Attributes) -> io::Result<()> {
    Ok(())
}

pub(crate) fn date_folder(_: &Dir, _: &Attributes) -> io::Result<()> {
    Ok(())
}

pub(crate) fn dress_link(_: &Dir, _: &OsStr, _: &Attributes) -> io::Result<()> {
    Ok(())
}

pub(crate) fn set_mode(_: &Dir, _: &OsStr, _: u32) -> io::Result<()> {
    Ok(())
}

pub(crate) fn is_closed(_: u32) -> bool {
    false
}

pub(crate) fn opened(mode: u32) -> u32 {
    mode
}

pub(crate) fn make_folder(at: &Dir, name: &OsStr) -> io::Result<()> {
    at.create_dir(name)
}

pub(crate) fn make_file(at: &Dir, name: &OsStr) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    Ok(at.open_with(name, &options)?.into_std())
}

pub(crate) fn make_pipe(_: &Dir, _: &OsStr) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Folders are made before links, so what a link leads to inside the tree is there already.
pub(crate) fn make_link(target: &OsStr, at: &Dir, name: &OsStr) -> io::Result<()> {
    if at.metadata(target).is_ok_and(|found| found.is_dir()) {
        at.symlink_dir(target, name)
    } else {
        at.symlink_file(target, name)
    }
}

pub(crate) fn sync(_: &Dir) -> io::Result<()> {
    Ok(())
}
