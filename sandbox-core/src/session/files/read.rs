//! Reading a file, and opening one that is nothing else.

use std::io::Read;

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt, OpenOptionsSyncExt};
use cap_std::fs::{File, OpenOptions};

use super::error::Result;
use super::stat::Kind;
use super::walk::Place;

/// The content of a file, up to a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contents {
    /// Its first bytes.
    pub bytes: Vec<u8>,
    /// Whether there are more.
    pub truncated: bool,
}

pub(super) fn read(place: &Place<'_>, limit: u64) -> Result<Contents> {
    let file = open(place, OpenOptions::new().read(true))?;
    let mut bytes = Vec::new();
    // One more than is kept tells whether there are more, whatever size the file claims.
    let mut bounded = file.take(limit.saturating_add(1));
    bounded.read_to_end(&mut bytes).map_err(place.io("reading"))?;
    let truncated = bytes.len() as u64 > limit;
    bytes.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(Contents { bytes, truncated })
}

/// Opens a regular file. What is something else is not opened.
pub(super) fn open(place: &Place<'_>, options: &mut OpenOptions) -> Result<File> {
    place.check_kind(&place.metadata()?, Kind::File)?;
    open_now(place, options)
}

/// Opens what is there now: something else may have taken the file's place since. That is opened
/// without waiting for anybody, and closed.
pub(super) fn open_now(place: &Place<'_>, options: &mut OpenOptions) -> Result<File> {
    options.follow(FollowSymlinks::No).nonblock(true);
    let file = place.folder.open_with(&place.name, options).map_err(place.io("opening"))?;
    let opened = file.metadata().map_err(place.io("looking at"))?;
    place.check_kind(&opened, Kind::File)?;
    Ok(file)
}
