//! Open folders of one tree, so that each name is looked up in a descriptor of its own folder.
//!
//! No path is ever given to the system: who moves a folder or puts a link in its place meanwhile
//! changes what is found, never where it is looked for. Only the last few folders that were used
//! stay open, so a tree may be deeper than the system has descriptors; one that was closed is
//! reached again from the nearest one above it.

use std::io;
use std::path::Path;

use cap_fs_ext::DirExt as _;
use cap_std::fs::Dir;

use super::entry::{Entry, ROOT, path_of};
use super::failed;
use crate::error::SandboxError;

/// A tree: its folder, and what messages call it.
#[derive(Clone, Copy)]
pub(super) struct Tree<'a> {
    pub(super) dir: &'a Dir,
    pub(super) path: &'a Path,
}

impl Tree<'_> {
    /// Names the entry that an I/O error came from. Only then: the path of a deep one is long.
    pub(super) fn failed<'e>(
        self,
        doing: &'e str,
        entries: &'e [Entry],
        index: usize,
    ) -> impl FnOnce(io::Error) -> SandboxError + 'e
    where
        Self: 'e,
    {
        move |error| failed(doing, &path_of(self.path, entries, index))(error)
    }
}

/// The open folders.
pub(super) struct Handles<'a> {
    root: &'a Dir,
    /// With their places in the listing, the one that was used last at the end.
    open: Vec<(usize, Dir)>,
    most: usize,
}

impl<'a> Handles<'a> {
    /// Few enough for two trees where a process may have 256 descriptors.
    const MOST: usize = 64;

    pub(super) fn new(root: &'a Dir) -> Self {
        Self { root, open: Vec::new(), most: Self::MOST }
    }

    /// Few enough for several threads with two trees each.
    pub(super) fn of_a_thread(root: &'a Dir) -> Self {
        Self { most: Self::MOST / 4, ..Self::new(root) }
    }

    /// The folder at a place of the listing.
    ///
    /// # Errors
    /// What the system answers to looking up one of the names on the way. What is no folder any
    /// more is not entered, links included.
    pub(super) fn get(&mut self, entries: &[Entry], index: usize) -> io::Result<&Dir> {
        let mut missing = Vec::new();
        let mut at = index;
        while at != ROOT && !self.touch(at) {
            missing.push(at);
            at = entries[at].folder;
        }
        for place in missing.into_iter().rev() {
            let parent = if at == ROOT { self.root } else { self.last() };
            let dir = parent.open_dir_nofollow(&entries[place].name)?;
            if self.open.len() >= self.most {
                self.open.remove(0);
            }
            self.open.push((place, dir));
            at = place;
        }
        Ok(if index == ROOT { self.root } else { self.last() })
    }

    /// Makes an open folder the one that was used last; false if it is not open.
    fn touch(&mut self, index: usize) -> bool {
        let Some(at) = self.open.iter().rposition(|(place, _)| *place == index) else {
            return false;
        };
        self.open[at..].rotate_left(1);
        true
    }

    fn last(&self) -> &Dir {
        self.open.last().map_or(self.root, |(_, dir)| dir)
    }
}
