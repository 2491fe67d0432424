//! Copying a folder with everything in it, except what goes away meanwhile.

use sandbox_core::SandboxError;
use sandbox_core::SandboxPath;
use sandbox_core::session::files::{FileError, Files, Kind, Stat};

use super::child;
use super::tree::{Copying, DEPTH};
use crate::failure::Failure;

/// All that its owner needs of a folder while it is filled.
const OWN: u32 = 0o700;

impl Copying<'_> {
    pub(super) fn folder(
        &mut self,
        from: &SandboxPath,
        to: &SandboxPath,
        found: &Stat,
        depth: u32,
    ) -> Result<(), Failure> {
        self.check_recursive(from)?;
        let depth = depth.checked_sub(1).ok_or_else(|| {
            Failure::usage(format!("{from} is more than {DEPTH} folders deep"))
                .with_help("pack it with tar, and copy that")
        })?;
        // One that is there already keeps its mode.
        let mode = if self.make(to)? { found.mode } else { None };
        let set = |mode| self.to.set_mode(to, mode).map_err(SandboxError::from);
        // What nobody else may see must not be seen while it is filled.
        mode.map_or(Ok(()), |mode| set(mode | OWN))?;
        self.children(from, to, depth)?;
        self.copied.folders += 1;
        let narrow = mode.filter(|mode| mode & OWN != OWN);
        Ok(narrow.map_or(Ok(()), |mode| self.to.set_mode(to, mode)).map_err(SandboxError::from)?)
    }

    /// Makes a folder unless it is there; whether it was made.
    fn make(&self, to: &SandboxPath) -> Result<bool, SandboxError> {
        match self.to.make_dir(to) {
            Ok(()) => Ok(true),
            Err(FileError::Exists { .. }) => match self.to.stat(to)?.kind {
                Kind::Folder => Ok(false),
                kind => {
                    let (path, wanted) = (to.clone(), Kind::Folder);
                    Err(FileError::WrongKind { path, kind, wanted }.into())
                }
            },
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn children(
        &mut self,
        from: &SandboxPath,
        to: &SandboxPath,
        depth: u32,
    ) -> Result<(), Failure> {
        let listing = self.from.list(from).map_err(SandboxError::from)?;
        if listing.truncated {
            let message = format!("{from} has more than {} names", Files::MOST_ENTRIES);
            return Err(Failure::usage(message).with_help("pack it with tar, and copy that"));
        }
        for entry in listing.entries {
            let (from, to) = (child(from, &entry.name)?, child(to, &entry.name)?);
            match self.entry(&from, &to, depth) {
                Err(failure) if has_gone(&failure, &from) => {
                    self.copied.skipped.push(format!("{from} has gone away"));
                }
                copied => copied?,
            }
        }
        Ok(())
    }
}

/// Whether a name has gone away since it was listed.
fn has_gone(failure: &Failure, from: &SandboxPath) -> bool {
    matches!(
        failure.sandbox_error(),
        Some(SandboxError::File(FileError::NotFound { path })) if path == from
    )
}
