//! The content of one file: shared where the file system can share blocks, else copied.
//!
//! A live folder is written by a payload, so a file is opened without following a link and without
//! waiting for a pipe's other end, and then asked what it is. Files with holes are copied block by
//! block without the blocks that hold nothing, so that a small file that claims to be a huge one
//! takes no more room than it did.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt as _};
use cap_std::fs::{Dir, OpenOptions};

use super::disk::Disk;
use super::sys;

/// How much is copied between two words of progress. Shared by the kernel where it can be, so it is
/// a multiple of every size of block.
const CHUNK: u64 = 16 << 20;

/// How finely holes are found.
const BLOCK: usize = 64 << 10;

/// An open file that is one.
pub(super) struct Source {
    pub(super) file: File,
    /// When it was opened. More is never copied.
    pub(super) size: u64,
}

/// Whether blocks can be shared, until that has failed once.
pub(super) struct Sharing(AtomicBool);

impl Sharing {
    pub(super) fn new() -> Self {
        Self(AtomicBool::new(true))
    }
}

/// Opens something that is no folder, as it is: no link is followed, nothing is waited for.
pub(super) fn open_any(at: &Dir, name: &OsStr) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).follow(FollowSymlinks::No);
    sys::careful(&mut options);
    Ok(at.open_with(name, &options)?.into_std())
}

/// Opens a file, and nothing else.
pub(super) fn open(at: &Dir, name: &OsStr) -> io::Result<Source> {
    let file = open_any(at, name)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no file any more"));
    }
    Ok(Source { file, size: found.len() })
}

impl Source {
    /// Makes a copy and returns it open. `moved` is told of every part.
    pub(super) fn copy(
        &self,
        disk: &Disk,
        sharing: &Sharing,
        (at, name): (&Dir, &OsStr),
        moved: &mut dyn FnMut(u64),
    ) -> io::Result<File> {
        if sharing.0.load(Ordering::Relaxed) {
            if let Ok(shared) = self.share(disk, at, name) {
                moved(self.size);
                return Ok(shared);
            }
            sharing.0.store(false, Ordering::Relaxed);
        }
        let mut copy = disk.make_file(at, name)?;
        if sys::allocated(&self.file)? < self.size {
            self.copy_without_holes(disk, &mut copy, moved)?;
        } else {
            self.copy_chunks(disk, &mut copy, moved)?;
        }
        Ok(copy)
    }

    fn share(&self, disk: &Disk, at: &Dir, name: &OsStr) -> io::Result<File> {
        disk.clone_file(&self.file, at, name)?;
        match open(at, name) {
            Ok(copy) => Ok(copy.file),
            Err(error) => {
                disk.remove_file(at, name)?;
                Err(error)
            }
        }
    }

    fn copy_chunks(
        &self,
        disk: &Disk,
        copy: &mut File,
        moved: &mut dyn FnMut(u64),
    ) -> io::Result<()> {
        let mut left = self.size;
        while left > 0 {
            disk.grow()?;
            let part = io::copy(&mut (&self.file).take(left.min(CHUNK)), copy)?;
            if part == 0 {
                return Ok(());
            }
            moved(part);
            left -= part;
        }
        Ok(())
    }

    fn copy_without_holes(
        &self,
        disk: &Disk,
        copy: &mut File,
        moved: &mut dyn FnMut(u64),
    ) -> io::Result<()> {
        disk.grow()?;
        let mut rest = (&self.file).take(self.size);
        let [mut block, nothing] = [vec![0; BLOCK], vec![0; BLOCK]];
        let mut at = 0;
        loop {
            let length = fill(&mut rest, &mut block)?;
            if length == 0 {
                return copy.set_len(at);
            }
            if block[..length] != nothing[..length] {
                copy.seek(SeekFrom::Start(at))?;
                copy.write_all(&block[..length])?;
            }
            at += length as u64;
            moved(length as u64);
        }
    }
}

/// Whether two files hold the same.
pub(super) fn same(one: &Source, other: &Source) -> io::Result<bool> {
    let [mut ours, mut theirs] = [vec![0; BLOCK], vec![0; BLOCK]];
    loop {
        let length = fill(&mut &one.file, &mut ours)?;
        let also = fill(&mut &other.file, &mut theirs)?;
        if ours[..length] != theirs[..also] {
            return Ok(false);
        }
        if length == 0 {
            return Ok(true);
        }
    }
}

/// Reads until the block is full or there is no more.
fn fill(from: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < block.len() {
        match from.read(&mut block[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}
