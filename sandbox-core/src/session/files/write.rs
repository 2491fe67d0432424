//! Writing files and making folders.

use std::io::{self, Write};
use std::path::Path;

use cap_fs_ext::{FollowSymlinks, MetadataExt, OpenOptionsFollowExt, OpenOptionsMaybeDirExt};
use cap_std::fs::{Dir, File, Metadata, OpenOptions};
use cap_tempfile::TempFile;

use super::error::{FileError, Result};
use super::reserve::Reservation;
use super::stat::Kind;
use super::walk::Place;
use super::{read, system};

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Create {
    /// As a new one, with all of its content at once. Nothing may be there, not even a link.
    New,
    /// In the place of what is there, if anything, at once: nobody reads a part. Other names of the
    /// old file, hard links, keep its content.
    Replace,
    /// Behind what is there, if anything. A file with several names is refused, because the others
    /// may lie outside of the session's folders.
    Append,
}

/// Writes the content of a file that is open.
pub(super) type Fill<'a> = &'a mut dyn FnMut(&mut dyn Write) -> io::Result<()>;

pub(super) fn write(
    place: &Place<'_>,
    fill: Fill<'_>,
    create: Create,
    mode: Option<u32>,
) -> Result<()> {
    place.check_writable()?;
    match (create, place.found()?) {
        (Create::New, Some(_)) => Err(FileError::Exists { path: place.path.clone() }),
        (Create::Append, Some(_)) => append(place, fill, mode),
        (Create::Replace, Some(before)) if Kind::of(&before) != Kind::Link => {
            place.check_kind(&before, Kind::File)?;
            let mode = mode.or(system::mode(&before));
            put(place, fill, mode, &before).map_err(place.io("writing"))
        }
        (Create::Replace, _) => new(place, fill, mode).map_err(place.io("writing")),
        (Create::New | Create::Append, None) => {
            let reserved = Reservation::take(&place.folder, &place.name, false);
            let reserved = reserved.map_err(place.io("making"))?;
            new(place, fill, mode).map_err(place.io("writing"))?;
            reserved.keep();
            Ok(())
        }
    }
}

/// Puts a file where none was, or in the place of a link.
fn new(place: &Place<'_>, fill: Fill<'_>, mode: Option<u32>) -> io::Result<()> {
    put(place, fill, mode, &place.folder.dir_metadata()?)
}

/// Puts a file in its place as a whole, with the owner of another.
fn put(place: &Place<'_>, fill: Fill<'_>, mode: Option<u32>, owner: &Metadata) -> io::Result<()> {
    let mut file = TempFile::new(&place.folder)?;
    fill(&mut file)?;
    finish(file.as_file(), mode, owner)?;
    file.replace(&place.name)
}

/// Gives a file that was made here its owner and mode. Giving it away can take bits of the mode.
pub(super) fn finish(file: &File, mode: Option<u32>, owner: &Metadata) -> io::Result<()> {
    system::adopt(file, &file.metadata()?, owner)?;
    mode.map_or(Ok(()), |mode| system::set_mode(file, mode))
}

fn append(place: &Place<'_>, fill: Fill<'_>, mode: Option<u32>) -> Result<()> {
    let mut file = read::open(place, OpenOptions::new().append(true))?;
    let found = file.metadata().map_err(place.io("looking at"))?;
    if found.nlink() > 1 {
        return Err(FileError::SeveralNames { path: place.path.clone() });
    }
    fill(&mut file).map_err(place.io("writing"))?;
    let set = |mode| system::set_mode(&file, mode).map_err(place.io("changing"));
    mode.map_or(Ok(()), set)
}

pub(super) fn make_folder(place: &Place<'_>) -> Result<()> {
    place.check_writable()?;
    if place.found()?.is_some() {
        return Err(FileError::Exists { path: place.path.clone() });
    }
    folder_in(&place.folder, &place.name).map_err(place.io("making"))?;
    Ok(())
}

/// Makes a folder in another, with its owner, and opens it.
pub(super) fn folder_in(parent: &Dir, name: &Path) -> io::Result<File> {
    parent.create_dir(name)?;
    let mut options = OpenOptions::new();
    options.read(true).follow(FollowSymlinks::No).maybe_dir(true);
    let made = parent.open_with(name, &options)?;
    let found = made.metadata()?;
    // A command may have put another folder there. One that is empty is no loss to anybody.
    let inside = Dir::from_std_file(made.try_clone()?.into_std());
    if found.is_dir() && inside.entries()?.next().is_none() {
        system::adopt(&made, &found, &parent.dir_metadata()?)?;
    }
    Ok(made)
}
