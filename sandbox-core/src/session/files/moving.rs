//! Moving, within a file system and between two.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::PathBuf;

use super::error::Result;
use super::reserve::Reservation;
use super::walk::Place;
use super::{copy, removal};

/// What becomes of something at the place that something is moved to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overwrite {
    /// It stays, and the move fails.
    No,
    /// It is replaced; a folder only if it is empty.
    Yes,
}

pub(super) fn move_to(from: &Place<'_>, to: &Place<'_>, overwrite: Overwrite) -> Result<()> {
    from.check_movable()?;
    to.check_movable()?;
    let is_folder = from.metadata()?.is_dir();
    let reserved = match overwrite {
        Overwrite::Yes => None,
        Overwrite::No => {
            let reserved = Reservation::take(&to.folder, &to.name, is_folder);
            Some(reserved.map_err(to.io("making"))?)
        }
    };
    match from.folder.rename(&from.name, &to.folder, &to.name) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            bring_across(from, to).map_err(from.io("copying"))?;
        }
        renamed => renamed.map_err(from.io("moving"))?,
    }
    if let Some(reserved) = reserved {
        reserved.keep();
    }
    Ok(())
}

/// Copies under another name, which then becomes the right one, and removes what was copied.
pub(super) fn bring_across(from: &Place<'_>, to: &Place<'_>) -> io::Result<()> {
    let unfinished = PathBuf::from(format!(".moving-{:x}", RandomState::new().hash_one(0)));
    let moved = copy::copy(&from.folder, &from.name, &to.folder, &unfinished)
        .and_then(|()| to.folder.rename(&unfinished, &to.folder, &to.name));
    if let Err(error) = moved {
        // What cannot be removed stays under that name; the first error is the one that counts.
        let _ = removal::tree(&to.folder, &unfinished);
        return Err(error);
    }
    removal::tree(&from.folder, &from.name)
}
