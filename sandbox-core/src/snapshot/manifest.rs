//! What lies beside the copies of a snapshot: the manifest, and a list of names for each folder.
//!
//! The manifest is the last thing that is written, so a snapshot without one was never saved. It
//! knows the lists by their hashes and sums. A list says of every name what lies there, and a
//! snapshot is only used when that is what is found. So whatever has become of the files since,
//! short of other bytes of the same number and date, is noticed before anything is touched.

use std::io::Read as _;
use std::path::Path;

use cap_std::fs::Dir;
use serde::{Deserialize, Serialize};

use super::content;
use super::disk::Disk;
use super::entry::{Entry, Listing, path_of};
use super::error::SnapshotError;
use super::{exists, failed};
use crate::error::{Result, SandboxError};
use crate::ids::SnapshotName;

/// The only version there is.
const VERSION: u32 = 1;
const FILE: &str = "manifest.json";

/// A snapshot as its store knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StoredSnapshot {
    /// What it is called.
    pub name: SnapshotName,
    /// When it was saved, in seconds since the epoch.
    pub created: u64,
    /// The sum of the sizes of its files.
    pub bytes: u64,
    /// How many names it holds: files, folders, links, pipes.
    pub files: u64,
    /// How many sockets and devices were left out: there is nothing of them to keep.
    pub skipped: u64,
    /// The labels of its folders.
    pub folders: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    version: u32,
    pub(super) name: SnapshotName,
    created: u64,
    pub(super) folders: Vec<Stored>,
}

/// One folder of a snapshot.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stored {
    pub(super) label: String,
    bytes: u64,
    files: u64,
    skipped: u64,
    /// Of the list, in hexadecimal digits.
    hash: String,
}

/// What the copy of a folder is called in its snapshot, and what its list.
pub(super) fn tree_name(index: usize) -> String {
    format!("tree-{index}")
}

fn list_name(index: usize) -> String {
    format!("list-{index}")
}

/// Writes the list of a folder.
///
/// # Errors
/// What the file system answers.
pub(super) fn write_list(
    disk: &Disk,
    at: &Dir,
    index: usize,
    label: &str,
    listing: &Listing,
) -> Result<Stored> {
    let mut text = Vec::new();
    for entry in &listing.entries {
        serde_json::to_writer(&mut text, entry).map_err(unwritable)?;
        text.push(b'\n');
    }
    let name = list_name(index);
    disk.write_whole(at, &name, &text).map_err(SandboxError::io(format!("writing {name}")))?;
    Ok(Stored {
        label: label.to_owned(),
        bytes: listing.bytes,
        files: listing.names(),
        skipped: listing.skipped,
        hash: blake3::hash(&text).to_hex().to_string(),
    })
}

/// JSON has a form for all that is written here.
fn unwritable(error: serde_json::Error) -> SandboxError {
    SandboxError::io("writing JSON")(error.into())
}

impl Manifest {
    pub(super) fn new(name: SnapshotName, created: u64, folders: Vec<Stored>) -> Self {
        Self { version: VERSION, name, created, folders }
    }

    /// Writes the manifest, and with it the snapshot is saved.
    ///
    /// # Errors
    /// What the file system answers.
    pub(super) fn write(&self, disk: &Disk, at: &Dir) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(unwritable)?;
        disk.write_whole(at, FILE, &text).map_err(SandboxError::io(format!("writing {FILE}")))
    }

    /// Makes a snapshot one that was never saved.
    ///
    /// # Errors
    /// What the file system answers.
    pub(super) fn remove(disk: &Disk, at: &Dir) -> std::io::Result<()> {
        disk.remove_file(at, FILE)?;
        disk.sync(at)
    }

    /// Whether a folder of the store holds a snapshot that was saved.
    ///
    /// # Errors
    /// What the file system answers: what cannot be seen is not taken for missing.
    pub(super) fn is_in(at: &Dir, place: &Path) -> Result<bool> {
        exists(at, FILE.as_ref()).map_err(failed("reading", &place.join(FILE)))
    }

    /// Reads a manifest; `place` is where it lies, for messages.
    ///
    /// # Errors
    /// [`SnapshotError::Damaged`], and what the file system answers.
    pub(super) fn read(at: &Dir, place: &Path) -> Result<Self> {
        let text = read(at, FILE, place)?;
        let value: serde_json::Value = serde_json::from_slice(&text)
            .map_err(|error| damaged(place, format!("{FILE}: {error}")))?;
        // Asked first: another version may have other fields.
        if value.get("version") != Some(&VERSION.into()) {
            return Err(damaged(place, format!("{FILE} is not of version {VERSION}")));
        }
        serde_json::from_value(value).map_err(|error| damaged(place, format!("{FILE}: {error}")))
    }

    pub(super) fn summary(&self) -> StoredSnapshot {
        let sum = |of: fn(&Stored) -> u64| self.folders.iter().map(of).fold(0, u64::saturating_add);
        StoredSnapshot {
            name: self.name.clone(),
            created: self.created,
            bytes: sum(|folder| folder.bytes),
            files: sum(|folder| folder.files),
            skipped: sum(|folder| folder.skipped),
            folders: self.folders.iter().map(|folder| folder.label.clone()).collect(),
        }
    }
}

impl Stored {
    /// Reads a folder's list and compares it with what lies there.
    ///
    /// # Errors
    /// [`SnapshotError::Damaged`], and what the file system answers.
    pub(super) fn check(
        &self,
        at: &Dir,
        place: &Path,
        index: usize,
        found: &Listing,
    ) -> Result<Vec<Entry>> {
        let name = list_name(index);
        let text = read(at, &name, place)?;
        if blake3::hash(&text).to_hex().as_str() != self.hash {
            return Err(damaged(place, format!("{name} is not what was written")));
        }
        let entries = serde_json::Deserializer::from_slice(&text).into_iter();
        let entries: serde_json::Result<Vec<Entry>> = entries.collect();
        let entries = entries.map_err(|error| damaged(place, format!("{name}: {error}")))?;
        if let Some(why) = difference(&entries, &found.entries) {
            return Err(damaged(place, why));
        }
        if found.bytes != self.bytes || found.names() != self.files {
            return Err(damaged(place, format!("{FILE} counts otherwise than {name}")));
        }
        Ok(entries)
    }
}

/// The first place where what was written down is not what is there. What this compares was listed
/// the same way, so a list that passes is one that could have been written: each name is a single
/// one and lies in a folder.
fn difference(written: &[Entry], found: &[Entry]) -> Option<String> {
    let mut pairs = written.iter().zip(found);
    if let Some(index) = pairs.position(|(one, other)| !one.matches(other)) {
        let path = path_of(Path::new(""), found, index);
        return Some(format!("{path:?} is not what was saved"));
    }
    let (written, found) = (written.len(), found.len());
    (written != found).then(|| format!("it holds {found} names, and {written} were saved"))
}

fn read(at: &Dir, name: &str, place: &Path) -> Result<Vec<u8>> {
    let failed = |error| failed("reading", &place.join(name))(error);
    if !exists(at, name.as_ref()).map_err(failed)? {
        return Err(damaged(place, format!("{name} is missing")));
    }
    if !at.symlink_metadata(name).map_err(failed)?.is_file() {
        return Err(damaged(place, format!("{name} is no file")));
    }
    let source = content::open(at, name.as_ref()).map_err(failed)?;
    let mut text = Vec::new();
    (&source.file).take(source.size).read_to_end(&mut text).map_err(failed)?;
    Ok(text)
}

pub(super) fn damaged(place: &Path, why: String) -> SandboxError {
    SnapshotError::Damaged { place: place.to_path_buf(), why }.into()
}
