//! A second copy of a layer, as overlayfs wrote it: for a snapshot of a folder that is in use, where
//! no fresh layer can be put over the old one.
//!
//! Blocks are shared where the file system can share them. What overlayfs says by attributes and
//! devices is copied as what it is, so the copy means the same in a stack.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags, chownat,
    copy_file_range, fgetxattr, flistxattr, fsetxattr, ftruncate, futimens, ioctl_ficlone, linkat,
    mkdirat, mknodat, openat, readlinkat, symlinkat, utimensat,
};
use rustix::io::Errno;
use sandbox_core::Result;

use super::beneath::{self, Access};
use super::cursor::Cursor;
use super::entry::{Entry, Identity, Kind};

/// Copies everything in one folder into another, which is empty and of the caller alone.
///
/// Nothing may write to the first meanwhile. Sockets are left out: whoever listened on one does not
/// listen on its copy.
///
/// # Errors
/// What the file system answers; a part of the copy is left then.
pub fn duplicate(from: &Path, to: &Path) -> Result<()> {
    let (source, target) = (super::open(from)?, super::open(to)?);
    copy(&source, &target).map_err(super::at("copying the layer", from))
}

fn copy(source: &OwnedFd, target: &OwnedFd) -> io::Result<()> {
    let mut work = Work {
        read: Cursor::new(source, c".", Access::Read)?,
        write: Cursor::new(target, c".", Access::Write)?,
        target: target.as_fd(),
        names: HashMap::new(),
        way: Vec::new(),
    };
    attributes(work.read.here(), work.write.here())?;
    let mut lists = vec![work.read.here().names()?];
    while let Some(list) = lists.last_mut() {
        match list.pop() {
            Some(name) => {
                if work.entry(&name)? {
                    lists.push(work.read.here().names()?);
                }
            }
            None => {
                lists.pop();
                work.leave()?;
            }
        }
    }
    Ok(())
}

struct Work<'a> {
    read: Cursor,
    write: Cursor,
    target: BorrowedFd<'a>,
    /// Where the copies of things with several names are, from the top.
    names: HashMap<Identity, CString>,
    /// The folders on the way here.
    way: Vec<Entry>,
}

impl Work<'_> {
    /// Copies what has a name here; `true` after going down into a folder.
    fn entry(&mut self, name: &CStr) -> io::Result<bool> {
        let Some(found) = Entry::look(self.read.here(), name)? else {
            return Err(beneath::moved());
        };
        match found.kind {
            Kind::Folder => return self.enter(name, found).map(|()| true),
            Kind::Socket => return Ok(false),
            Kind::Device => return Err(Errno::NXIO.into()),
            _ if self.linked(name, &found)? => return Ok(false),
            Kind::File => self.file(name, &found)?,
            _ => self.other(name, &found)?,
        }
        Ok(false)
    }

    /// Copies what has no content of its own.
    fn other(&self, name: &CStr, found: &Entry) -> io::Result<()> {
        let to = self.write.here().as_fd();
        match found.kind {
            Kind::Link => {
                symlinkat(&*readlinkat(self.read.here(), name, Vec::new())?, to, name)?;
            }
            Kind::Fifo => mknodat(to, name, FileType::Fifo, found.mode, 0)?,
            // A device is told from a whiteout by its number, and was refused.
            _ => mknodat(to, name, FileType::CharacterDevice, Mode::empty(), 0)?,
        }
        adopt(to, name, found)?;
        Ok(utimensat(to, name, &times(found), AtFlags::SYMLINK_NOFOLLOW)?)
    }

    fn enter(&mut self, name: &CStr, found: Entry) -> io::Result<()> {
        mkdirat(self.write.here(), name, Mode::RWXU)?;
        adopt(self.write.here().as_fd(), name, &found)?;
        self.read.down(name)?;
        self.write.down(name)?;
        self.way.push(found);
        attributes(self.read.here(), self.write.here())
    }

    /// Gives a folder that is complete its mode and times, and goes up.
    fn leave(&mut self) -> io::Result<()> {
        self.read.up()?;
        let Some((_, folder)) = self.write.up()? else { return Ok(()) };
        let Some(found) = self.way.pop() else { return Ok(()) };
        futimens(&folder, &times(&found))?;
        folder.finish(found.mode)
    }

    fn file(&mut self, name: &CStr, found: &Entry) -> io::Result<()> {
        let from = beneath::file(self.read.here(), name, Access::Read)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let to = openat(self.write.here(), name, flags, Mode::RUSR | Mode::WUSR)?;
        if ioctl_ficlone(&to, &from).is_err() {
            content(&from, &to, found.size)?;
        }
        adopt(self.write.here().as_fd(), name, found)?;
        attributes(&from, &to)?;
        rustix::fs::fchmod(&to, found.mode)?;
        Ok(futimens(&to, &times(found))?)
    }

    /// Whether this is one more name of something that was copied; it is then.
    fn linked(&mut self, name: &CStr, found: &Entry) -> io::Result<bool> {
        if found.names < 2 {
            return Ok(false);
        }
        if let Some(first) = self.names.get(&found.identity) {
            linkat(self.target, &**first, self.write.here(), name, AtFlags::empty())?;
            return Ok(true);
        }
        let way = self.write.way().flat_map(|name| [name.to_bytes(), b"/"]).flatten();
        let path: Vec<u8> = way.chain(name.to_bytes()).copied().collect();
        // One that is too deep to be named becomes a thing of its own.
        if path.len() < LONGEST {
            self.names.insert(found.identity, CString::new(path)?);
        }
        Ok(false)
    }
}

/// The longest path that the kernel takes (`PATH_MAX`).
const LONGEST: usize = 4096;

fn times(found: &Entry) -> Timestamps {
    let (tv_sec, tv_nsec) = (found.modified.seconds, found.modified.nanoseconds.into());
    let time = Timespec { tv_sec, tv_nsec };
    Timestamps { last_access: time, last_modification: time }
}

/// Gives a copy its owner, who is the caller where the caller is not root.
fn adopt(at: BorrowedFd<'_>, name: &CStr, found: &Entry) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let (user, group) = (Uid::from_raw(found.owner.0), Gid::from_raw(found.owner.1));
    Ok(chownat(at, name, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Copies the part of a file that is no hole.
fn content(from: &OwnedFd, to: &OwnedFd, size: u64) -> io::Result<()> {
    ftruncate(to, size)?;
    let mut at = 0;
    while at < size {
        let begin = match rustix::fs::seek(from, rustix::fs::SeekFrom::Data(at)) {
            Err(Errno::NXIO) => return Ok(()),
            found => found?,
        };
        let end = rustix::fs::seek(from, rustix::fs::SeekFrom::Hole(begin))?;
        let (mut read, mut write) = (begin, begin);
        while read < end {
            let left = usize::try_from(end - read).unwrap_or(usize::MAX);
            if copy_file_range(from, Some(&mut read), to, Some(&mut write), left)? == 0 {
                return Err(beneath::moved());
            }
        }
        at = end;
    }
    Ok(())
}

/// Copies the attributes that anybody may set, those of overlayfs among them.
fn attributes(from: impl AsFd, to: impl AsFd) -> io::Result<()> {
    let mut list = vec![0; 64 << 10];
    let length = match flistxattr(&from, &mut list) {
        Err(Errno::OPNOTSUPP) => return Ok(()),
        listed => listed?,
    };
    let mut value = vec![0; 64 << 10];
    for name in list[..length].split_inclusive(|byte| *byte == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
        let kept = [&b"user."[..], b"system.posix_acl_"];
        if kept.iter().any(|kind| name.to_bytes().starts_with(kind)) {
            let length = fgetxattr(&from, name, &mut value)?;
            fsetxattr(&to, name, &value[..length], XattrFlags::empty())?;
        }
    }
    Ok(())
}
