//! What is in a folder.

use std::ffi::OsString;
use std::io;

use cap_fs_ext::DirExt;
use cap_std::fs::Dir;

use super::error::Result;
use super::stat::{Kind, Stat};
use super::walk::Place;

/// What is in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listing {
    /// In the order of the names.
    pub entries: Vec<Entry>,
    /// Whether there are more; which of them are listed is not said then.
    pub truncated: bool,
}

/// One name in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The name, which need not be text.
    pub name: OsString,
    /// What it is.
    pub stat: Stat,
}

pub(super) fn list(place: &Place<'_>, most: usize) -> Result<Listing> {
    entries(&open(place)?, most).map_err(place.io("listing"))
}

/// Opens a folder.
pub(super) fn open(place: &Place<'_>) -> Result<Dir> {
    place.check_kind(&place.metadata()?, Kind::Folder)?;
    place.folder.open_dir_nofollow(&place.name).map_err(place.io("opening"))
}

fn entries(folder: &Dir, most: usize) -> io::Result<Listing> {
    let (mut entries, mut truncated) = (Vec::new(), false);
    for entry in folder.entries()? {
        let entry = entry?;
        if entries.len() == most {
            truncated = true;
            break;
        }
        match entry.metadata() {
            Ok(metadata) => {
                entries.push(Entry { name: entry.file_name(), stat: Stat::of(&metadata) });
            }
            // It has gone away since.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Listing { entries, truncated })
}
