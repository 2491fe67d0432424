//! Unix: modes and owners.
//!
//! Only root can give files away, so owners are set where the caller is root, and are the caller's
//! elsewhere. Whoever is neither root nor a file's owner may read it by a mode that would shut out
//! himself, once the file is his: such modes are read with the owner's right to read added.

use std::ffi::{OsStr, OsString};
use std::fs::{File, FileTimes, Permissions};
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use cap_fs_ext::{DirExt as _, SystemTimeSpec};
use cap_std::fs::{Dir, MetadataExt as _, OpenOptions, OpenOptionsExt as _};
use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid, chownat, fchmod, fchown, fstat};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::snapshot::entry::Attributes;

/// Permissions and the sticky bit.
const KEPT: u32 = 0o1777;

/// Opens the store's folder, which is made if it is not there: the caller's own and nobody else's.
pub(crate) fn private_folder(path: &Path) -> io::Result<Dir> {
    match rustix::fs::mkdir(path, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::open(path, flags, Mode::empty())?;
    let found = fstat(&folder)?;
    if Uid::from_raw(found.st_uid) != geteuid() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is somebody else's"));
    }
    fchmod(&folder, Mode::RWXU)?;
    Ok(Dir::from_std_file(folder.into()))
}

/// Opening must neither wait for a pipe's other end nor take a terminal.
pub(crate) fn careful(options: &mut OpenOptions) {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    options.custom_flags(flags.bits().cast_signed());
}

/// A name from the bytes that it was written as.
pub(crate) fn name(bytes: Vec<u8>) -> Option<OsString> {
    Some(OsString::from_vec(bytes))
}

/// How much of a file's size is on the disk.
pub(crate) fn allocated(file: &File) -> io::Result<u64> {
    let blocks = std::os::unix::fs::MetadataExt::blocks(&file.metadata()?);
    Ok(blocks.saturating_mul(512))
}

pub(crate) fn attributes(found: &cap_std::fs::Metadata) -> io::Result<Attributes> {
    let mode = if found.is_symlink() { 0o777 } else { found.mode() & KEPT };
    let user = geteuid();
    let ours = user.is_root() || user.as_raw() == found.uid();
    let added = match (ours, found.is_dir()) {
        (true, _) => 0,
        (false, true) => 0o500,
        (false, false) => 0o400,
    };
    let modified = found.modified()?.into_std().into();
    Ok(Attributes { mode: mode | added, modified, owner: Some((found.uid(), found.gid())) })
}

/// Sets what can be set on an open file, pipe or folder. The owner comes first: giving a file away
/// changes its mode.
pub(crate) fn dress_file(file: &File, attributes: &Attributes) -> io::Result<()> {
    if let Some((user, group)) = given(attributes) {
        fchown(file, Some(user), Some(group))?;
    }
    file.set_permissions(Permissions::from_mode(attributes.mode & KEPT))?;
    date(file, attributes)
}

fn date(file: &File, attributes: &Attributes) -> io::Result<()> {
    match attributes.modified.system() {
        Some(time) => file.set_times(FileTimes::new().set_modified(time)),
        None => Ok(()),
    }
}

pub(crate) fn dress_folder(folder: &Dir, attributes: &Attributes) -> io::Result<()> {
    dress_file(&readable(folder)?, attributes)
}

pub(crate) fn date_folder(folder: &Dir, attributes: &Attributes) -> io::Result<()> {
    date(&readable(folder)?, attributes)
}

pub(crate) fn dress_link(at: &Dir, name: &OsStr, attributes: &Attributes) -> io::Result<()> {
    if let Some((user, group)) = given(attributes) {
        chownat(at, name, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    let time = attributes.modified.system().map(cap_std::time::SystemTime::from_std);
    at.set_symlink_times(name, None, time.map(SystemTimeSpec::Absolute))
}

/// The owner to set, where the caller can.
fn given(attributes: &Attributes) -> Option<(Uid, Gid)> {
    let (user, group) = attributes.owner.filter(|_| geteuid().is_root())?;
    Some((Uid::from_raw(user), Gid::from_raw(group)))
}

/// Sets the permissions of what has this name, also where it cannot be opened. All other bits of its
/// mode stay.
pub(crate) fn set_mode(at: &Dir, name: &OsStr, mode: u32) -> io::Result<()> {
    let permissions = permissions(at.symlink_metadata(name)?.mode(), mode);
    at.set_permissions(name, cap_std::fs::Permissions::from_std(permissions))
}

fn permissions(now: u32, mode: u32) -> Permissions {
    Permissions::from_mode(now & 0o7000 | mode & 0o777)
}

/// Whether its owner cannot list, enter and change a folder of this mode.
pub(crate) fn is_closed(mode: u32) -> bool {
    mode & 0o700 != 0o700
}

/// The mode, with all that the owner needs to change the folder.
pub(crate) fn opened(mode: u32) -> u32 {
    mode | 0o700
}

pub(crate) fn make_folder(at: &Dir, name: &OsStr) -> io::Result<()> {
    Ok(rustix::fs::mkdirat(at, name, Mode::RWXU)?)
}

pub(crate) fn make_file(at: &Dir, name: &OsStr) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    Ok(at.open_with(name, &options)?.into_std())
}

pub(crate) fn make_link(target: &OsStr, at: &Dir, name: &OsStr) -> io::Result<()> {
    at.symlink_contents(target, name)
}

pub(crate) fn sync(folder: &Dir) -> io::Result<()> {
    readable(folder)?.sync_all()
}

/// The folder by a descriptor that can do more than look names up.
fn readable(folder: &Dir) -> io::Result<File> {
    Ok(folder.open(".")?.into_std())
}
