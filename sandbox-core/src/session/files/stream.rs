//! Calls for those who copy whole trees: files as streams, links as they are, permissions.
//!
//! A file is read and written piece by piece, so its size costs no memory. Nothing here follows a
//! link at the end of a path: who copies a tree has looked at each name before, and a command that
//! has put a link there since is not to lead the copy elsewhere.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use cap_fs_ext::{
    FollowSymlinks, OpenOptionsFollowExt, OpenOptionsMaybeDirExt, OpenOptionsSyncExt,
};
use cap_std::fs::OpenOptions;

use super::error::{FileError, Result};
use super::stat::Kind;
use super::walk::{Last, Place, walk};
use super::write::{self, Create};
use super::{Files, read, system};
use crate::path::SandboxPath;

/// How much is read at once.
const BLOCK: usize = 64 << 10;

impl Files {
    /// Opens a file for reading. A link is not followed. A command can go on writing to it: read no
    /// more than it had.
    ///
    /// # Errors
    /// [`FileError`], like all that follow.
    pub fn open(&self, path: &SandboxPath) -> Result<File> {
        let place = walk(&self.mounts, path, Last::Keep)?;
        Ok(read::open(&place, OpenOptions::new().read(true))?.into_std())
    }

    /// Writes a file as [`Files::write`] does, with what `content` has up to its end. A link is not
    /// followed, and replaced by [`Create::Replace`].
    ///
    /// # Errors
    /// [`FileError`], also when `content` cannot be read: as [`FileError::Io`] with that error.
    pub fn write_from(
        &self,
        path: &SandboxPath,
        content: &mut dyn Read,
        create: Create,
        mode: Option<u32>,
    ) -> Result<()> {
        let place = walk(&self.mounts, path, Last::Keep)?;
        let mut fill = |file: &mut dyn Write| {
            let mut file = BufWriter::with_capacity(BLOCK, file);
            io::copy(content, &mut file)?;
            file.flush()
        };
        write::write(&place, &mut fill, create, mode)
    }

    /// Where a link leads, as it is written in it.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn read_link(&self, path: &SandboxPath) -> Result<PathBuf> {
        let place = walk(&self.mounts, path, Last::Keep)?;
        place.check_kind(&place.metadata()?, Kind::Link)?;
        place.folder.read_link_contents(&place.name).map_err(place.io("reading the link"))
    }

    /// Makes a link, whatever it leads to. Nothing may be there.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn make_link(&self, path: &SandboxPath, target: &Path) -> Result<()> {
        let place = walk(&self.mounts, path, Last::Keep)?;
        place.check_writable()?;
        system::link(target, &place.folder, &place.name).map_err(place.io("linking"))
    }

    /// Sets the permissions of a file or a folder: what `0o777` covers. A link is not followed.
    ///
    /// # Errors
    /// [`FileError`]; also for what its owner may not read.
    pub fn set_mode(&self, path: &SandboxPath, mode: u32) -> Result<()> {
        let place = walk(&self.mounts, path, Last::Keep)?;
        place.check_writable()?;
        check_plain(&place, Kind::of(&place.metadata()?))?;
        let mut options = OpenOptions::new();
        options.read(true).follow(FollowSymlinks::No).nonblock(true).maybe_dir(true);
        let opened = place.folder.open_with(&place.name, &options).map_err(place.io("opening"))?;
        let found = opened.metadata().map_err(place.io("looking at"))?;
        check_plain(&place, Kind::of(&found))?;
        system::set_mode(&opened, mode).map_err(place.io("changing"))
    }
}

/// Refuses what is neither a file nor a folder.
fn check_plain(place: &Place<'_>, kind: Kind) -> Result<()> {
    match kind {
        Kind::File | Kind::Folder => Ok(()),
        kind => Err(FileError::WrongKind { path: place.path.clone(), kind, wanted: Kind::File }),
    }
}
