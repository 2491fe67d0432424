//! A position in a tree, of any depth, with one descriptor.
//!
//! # Theory of operation
//! The way down goes by name, the way up by `..`. A folder may be moved elsewhere while we are in
//! it, and then `..` leads there: so each folder on the way is remembered by its inode, and a way up
//! that leads to another one is an error. Nothing is ever looked at above the place where the cursor
//! began.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::beneath::{Access, Folder, moved};
use super::entry::Identity;

/// An open folder, and how it was reached.
#[derive(Debug)]
pub(super) struct Cursor {
    here: Folder,
    /// The names on the way here, each with the folder that it was found in.
    way: Vec<(CString, Identity)>,
    access: Access,
}

impl Cursor {
    /// Begins at a name in a folder, which may be `.`.
    ///
    /// # Errors
    /// What the kernel answers.
    pub(super) fn new(at: impl AsFd, name: &CStr, access: Access) -> io::Result<Self> {
        Ok(Self { here: Folder::enter(at, name, access)?, way: Vec::new(), access })
    }

    pub(super) fn here(&self) -> &Folder {
        &self.here
    }

    /// The names that lie between the beginning and here.
    pub(super) fn way(&self) -> impl Iterator<Item = &CStr> {
        self.way.iter().map(|(name, _)| &**name)
    }

    /// How many names lie between the beginning and here.
    pub(super) fn depth(&self) -> usize {
        self.way.len()
    }

    /// Goes to a folder in this one.
    ///
    /// # Errors
    /// What the kernel answers.
    pub(super) fn down(&mut self, name: &CStr) -> io::Result<()> {
        self.down_by(name, name)
    }

    /// Goes to a folder in this one that will have another name.
    ///
    /// # Errors
    /// What the kernel answers.
    pub(super) fn down_by(&mut self, name: &CStr, later: &CStr) -> io::Result<()> {
        let next = Folder::enter(&self.here, name, self.access)?;
        self.way.push((later.to_owned(), self.here.found().identity));
        self.here = next;
        Ok(())
    }

    /// Goes to the folder around this one; returns this one with its name, none at the beginning.
    ///
    /// # Errors
    /// What the kernel answers; [`io::ErrorKind::InvalidData`] if this one was moved.
    pub(super) fn up(&mut self) -> io::Result<Option<(CString, Folder)>> {
        let Some((name, identity)) = self.way.pop() else { return Ok(None) };
        let around = Folder::enter(&self.here, c"..", self.access)?;
        if around.found().identity != identity {
            return Err(moved());
        }
        Ok(Some((name, std::mem::replace(&mut self.here, around))))
    }

    /// Goes to a path from the beginning, by the shortest way.
    ///
    /// # Errors
    /// As for each step.
    pub(super) fn go(&mut self, path: &Path) -> io::Result<()> {
        let same = |(wanted, (name, _)): &(_, &(CString, _))| named(wanted) == name.to_bytes();
        let shared = path.iter().zip(&self.way).take_while(same).count();
        while self.depth() > shared {
            self.up()?;
        }
        for name in path.iter().skip(shared) {
            self.down(&CString::new(name.as_bytes())?)?;
        }
        Ok(())
    }
}

fn named<'a>(name: &&'a std::ffi::OsStr) -> &'a [u8] {
    name.as_bytes()
}
