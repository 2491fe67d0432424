//! From a path to a folder and a name in it, as the sandbox would go.
//!
//! # Theory of operation
//! The walk stands in a folder, which it has open, and knows its path, in which there is no link any
//! more. It takes the next name: a mount's target leads into that mount; a folder is opened in the
//! one before; a link's target goes in front of what is still ahead. An absolute target starts at
//! the root again, and so does `..`, with the path of the folder above: a descriptor of it is not
//! kept, so that a path of thousands of names needs no more than one.
//!
//! Above the mounts the sandbox has folders that are not the session's. The walk goes through those
//! that lead to a mount, and nowhere else.

use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

use cap_fs_ext::DirExt;
use cap_std::fs::{Dir, Metadata};

use super::error::{FileError, Result};
use super::mounts::{Mount, Mounts};
use super::stat::Kind;
use crate::mount::FilesystemAccess;
use crate::path::SandboxPath;

/// As many links as the kernel follows.
const MOST_LINKS: u32 = 40;

/// Four times as many names as a path can have: links can multiply them.
const MOST_NAMES: u32 = 8192;

const PARENT: &str = "..";

/// What a link at the end of a path means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    /// What it leads to.
    Follow,
    /// Itself.
    Keep,
}

/// Where a path leads.
pub(super) struct Place<'a> {
    /// The path as it was asked for, for messages.
    pub(super) path: SandboxPath,
    /// The folder that it lies in; a mount's own for its target.
    pub(super) folder: Dir,
    /// One name; `.` for a mount's target.
    pub(super) name: PathBuf,
    mount: &'a Mount,
    mounts: &'a Mounts,
    /// The path without links.
    at: PathBuf,
}

/// Walks a path.
pub(super) fn walk<'a>(mounts: &'a Mounts, path: &SandboxPath, last: Last) -> Result<Place<'a>> {
    let mut walk = Walk {
        mounts,
        path,
        at: PathBuf::new(),
        here: None,
        ahead: Vec::new(),
        links: 0,
        names: 0,
    };
    walk.put_ahead(path.as_path())?;
    walk.run(last)
}

struct Walk<'a, 'p> {
    mounts: &'a Mounts,
    path: &'p SandboxPath,
    /// The folder that the walk stands in.
    at: PathBuf,
    /// The same, open, with its mount; `None` above the mounts.
    here: Option<(&'a Mount, Dir)>,
    /// The names that are still to go, the next one last.
    ahead: Vec<OsString>,
    links: u32,
    names: u32,
}

impl<'a> Walk<'a, '_> {
    fn run(mut self, last: Last) -> Result<Place<'a>> {
        while let Some(name) = self.ahead.pop() {
            self.names += 1;
            if self.names > MOST_NAMES {
                return Err(FileError::TooManyLinks { path: self.path.clone() });
            }
            if name == PARENT {
                self.up()?;
                continue;
            }
            let next = self.at.join(&name);
            if let Some(mount) = self.mounts.at(&next) {
                self.enter(mount)?;
            } else if !self.ahead.is_empty() {
                self.step(&name, next)?;
            } else if let Some(target) = self.link_to_follow(&name, last) {
                self.follow(&target)?;
            } else {
                return self.arrive(name.into(), next);
            }
        }
        // The last name was a mount's target.
        let at = self.at.clone();
        self.arrive(".".into(), at)
    }

    /// Puts a path in front of what is ahead; an absolute one begins at the root.
    fn put_ahead(&mut self, path: &Path) -> Result<()> {
        if path.is_absolute() {
            self.at = PathBuf::from("/");
            self.here = None;
            if let Some(root) = self.mounts.at(Path::new("/")) {
                self.enter(root)?;
            }
        }
        for component in path.components().rev() {
            match component {
                Component::Normal(name) => self.ahead.push(name.to_owned()),
                Component::ParentDir => self.ahead.push(PARENT.into()),
                Component::RootDir | Component::CurDir => {}
                // Another drive is nowhere in the sandbox.
                Component::Prefix(_) => return Err(self.outside(path)),
            }
        }
        Ok(())
    }

    /// Into the root of a mount.
    fn enter(&mut self, mount: &'a Mount) -> Result<()> {
        let target = mount.target.as_path();
        let folder = mount.folder.as_ref().ok_or_else(|| self.outside(target))?;
        let folder = folder.try_clone().map_err(FileError::io("opening", self.path))?;
        self.at = mount.target.as_path().to_path_buf();
        self.here = Some((mount, folder));
        Ok(())
    }

    /// Into a folder of the folder that the walk stands in.
    fn step(&mut self, name: &OsString, next: PathBuf) -> Result<()> {
        let opened = self.here.as_ref();
        let opened = opened.map(|(mount, folder)| (*mount, folder.open_dir_nofollow(name)));
        match opened {
            Some((mount, Ok(inner))) => {
                self.here = Some((mount, inner));
                self.at = next;
            }
            // Whatever is there on the host: the sandbox has a folder here, for what it mounts below.
            _ if self.mounts.within(&next).is_some() => {
                self.here = None;
                self.at = next;
            }
            None => return Err(self.outside(&next)),
            Some((_, Err(error))) => match self.link_to_follow(name, Last::Follow) {
                Some(target) => self.follow(&target)?,
                None => return Err(FileError::io("following", self.path)(error)),
            },
        }
        Ok(())
    }

    /// The target of a link that is to be followed.
    fn link_to_follow(&self, name: &OsString, last: Last) -> Option<PathBuf> {
        let (_, folder) = self.here.as_ref().filter(|_| last == Last::Follow)?;
        folder.read_link_contents(name).ok()
    }

    fn follow(&mut self, target: &Path) -> Result<()> {
        self.links += 1;
        if self.links > MOST_LINKS {
            return Err(FileError::TooManyLinks { path: self.path.clone() });
        }
        self.put_ahead(target)
    }

    /// To the folder above, or as many folders above as are asked for in a row.
    fn up(&mut self) -> Result<()> {
        let mut above = self.at.clone();
        above.pop();
        while self.ahead.pop_if(|next| *next == PARENT).is_some() {
            above.pop();
        }
        self.put_ahead(&above)
    }

    fn arrive(self, name: PathBuf, at: PathBuf) -> Result<Place<'a>> {
        match self.here {
            None => Err(self.outside(&at)),
            Some((mount, folder)) => {
                let path = self.path.clone();
                Ok(Place { path, folder, name, mount, mounts: self.mounts, at })
            }
        }
    }

    fn outside(&self, target: &Path) -> FileError {
        let (path, mounts) = (self.path.clone(), self.mounts.targets());
        if self.links == 0 {
            return FileError::Outside { path, mounts };
        }
        let target = target.join(self.ahead.iter().rev().collect::<PathBuf>());
        FileError::LeadsOutside { path, target, mounts }
    }
}

impl Place<'_> {
    /// Refuses what must not be changed.
    pub(super) fn check_writable(&self) -> Result<()> {
        match self.mount.access {
            FilesystemAccess::ReadWrite => Ok(()),
            FilesystemAccess::ReadOnly => Err(FileError::ReadOnly {
                path: self.path.clone(),
                mount: self.mount.target.clone(),
            }),
        }
    }

    /// Refuses a name that must not be changed: a mount is there or below it, which the sandbox
    /// would not move either.
    pub(super) fn check_movable(&self) -> Result<()> {
        self.check_writable()?;
        match self.mounts.within(&self.at) {
            None => Ok(()),
            Some(mount) => {
                let mount = mount.target.clone();
                Err(FileError::Mounted { path: self.path.clone(), mount })
            }
        }
    }

    /// What is there; the link itself if it is one.
    pub(super) fn metadata(&self) -> Result<Metadata> {
        self.folder.symlink_metadata(&self.name).map_err(self.io("looking at"))
    }

    /// What is there, if anything.
    pub(super) fn found(&self) -> Result<Option<Metadata>> {
        match self.metadata() {
            Err(FileError::NotFound { .. }) => Ok(None),
            found => found.map(Some),
        }
    }

    /// Refuses what is of another kind.
    pub(super) fn check_kind(&self, found: &Metadata, wanted: Kind) -> Result<()> {
        match Kind::of(found) {
            kind if kind == wanted => Ok(()),
            kind => Err(FileError::WrongKind { path: self.path.clone(), kind, wanted }),
        }
    }

    /// Names the call that an answer of the system came from.
    pub(super) fn io(&self, call: &'static str) -> impl FnOnce(io::Error) -> FileError {
        FileError::io(call, &self.path)
    }
}
