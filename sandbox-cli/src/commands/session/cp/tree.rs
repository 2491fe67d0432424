//! Copying from one table of files to another, name by name.
//!
//! Each name is looked at without following a link, and opened in the same way. What is no file, no
//! folder and no link is skipped.

use std::io::Read;

use sandbox_core::SandboxError;
use sandbox_core::SandboxPath;
use sandbox_core::session::files::{Create, Files, Kind, Stat};
use serde::Serialize;

use super::progress::{Counted, Progress};
use crate::failure::Failure;

/// The deepest tree that is copied.
pub(super) const DEPTH: u32 = 100;

/// A copy under way.
pub(super) struct Copying<'a> {
    pub(super) from: &'a Files,
    pub(super) to: &'a Files,
    recursive: bool,
    progress: Progress,
    pub(super) copied: Copied,
}

/// What was copied.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Copied {
    files: u64,
    pub(super) folders: u64,
    links: u64,
    bytes: u64,
    pub(super) skipped: Vec<String>,
}

impl<'a> Copying<'a> {
    pub(super) fn new(from: &'a Files, to: &'a Files, recursive: bool, progress: Progress) -> Self {
        Self { from, to, recursive, progress, copied: Copied::default() }
    }

    /// Copies what is at a path, under a new one. What was named and cannot be copied is an error.
    pub(super) fn whole(&mut self, from: &SandboxPath, to: &SandboxPath) -> Result<(), Failure> {
        let kind = self.from.stat(from).map_err(SandboxError::from)?.kind;
        if kind == Kind::Special {
            return Err(Failure::usage(format!("{from} is {kind}"))
                .with_help("files, folders and links can be copied"));
        }
        self.entry(from, to, DEPTH)
    }

    /// Copies what is in a folder into another.
    pub(super) fn contents(&mut self, from: &SandboxPath, to: &SandboxPath) -> Result<(), Failure> {
        self.check_recursive(from)?;
        self.children(from, to, DEPTH)
    }

    /// What was copied.
    pub(super) fn finish(self) -> Copied {
        Copied { bytes: self.progress.bytes(), ..self.copied }
    }

    pub(super) fn entry(
        &mut self,
        from: &SandboxPath,
        to: &SandboxPath,
        depth: u32,
    ) -> Result<(), Failure> {
        let found = self.from.stat(from).map_err(SandboxError::from)?;
        match found.kind {
            Kind::File => Ok(self.file(from, to, &found)?),
            Kind::Folder => self.folder(from, to, &found, depth),
            Kind::Link => Ok(self.link(from, to)?),
            special => {
                self.copied.skipped.push(format!("{from} is {special}"));
                Ok(())
            }
        }
    }

    fn file(
        &mut self,
        from: &SandboxPath,
        to: &SandboxPath,
        found: &Stat,
    ) -> Result<(), SandboxError> {
        self.progress.begin(from, found.size);
        let file = self.from.open(from)?;
        // Not more than there is now, should a command go on writing.
        let inner = file.take(found.size);
        let mut content = Counted { inner, progress: &mut self.progress };
        self.to.write_from(to, &mut content, Create::Replace, found.mode)?;
        self.copied.files += 1;
        Ok(())
    }

    fn link(&mut self, from: &SandboxPath, to: &SandboxPath) -> Result<(), SandboxError> {
        let target = self.from.read_link(from)?;
        if let Ok(Stat { kind: Kind::File | Kind::Link, .. }) = self.to.stat(to) {
            self.to.remove(to, false)?;
        }
        self.to.make_link(to, &target)?;
        self.copied.links += 1;
        Ok(())
    }

    pub(super) fn check_recursive(&self, from: &SandboxPath) -> Result<(), Failure> {
        if self.recursive {
            return Ok(());
        }
        Err(Failure::usage(format!("{from} is a folder"))
            .with_help("add --recursive to copy it with everything in it"))
    }
}
