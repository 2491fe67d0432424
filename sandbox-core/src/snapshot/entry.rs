//! What a listing says about one name in a tree: what is there, and how it is dressed.
//!
//! A listing is a sequence of entries. Each entry names the folder that it lies in by that folder's
//! place in the listing, so a tree of any depth takes room by its names alone, and no path has to
//! be taken apart to be judged. The first entry is the tree's own folder; the entries of one folder
//! stand together, sorted by name.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::text;

/// The tree's own folder.
pub(super) const ROOT: usize = 0;

/// One name of a tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    /// The place of its folder in the listing; its own for the tree's folder.
    #[serde(rename = "in")]
    pub(super) folder: usize,
    /// Empty for the tree's folder.
    #[serde(with = "text")]
    pub(super) name: OsString,
    pub(super) kind: Kind,
    pub(super) attributes: Attributes,
}

/// What is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Kind {
    Folder,
    File {
        size: u64,
    },
    Link {
        #[serde(with = "text")]
        target: OsString,
    },
    Pipe,
    /// Another name of a file that stands earlier in the listing.
    Twin {
        of: usize,
    },
}

/// What can be set on anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Attributes {
    /// Permissions and the sticky bit; never set-ID bits.
    pub(super) mode: u32,
    pub(super) modified: Time,
    /// User and group, where the system has such.
    pub(super) owner: Option<(u32, u32)>,
}

/// Seconds since the epoch, and nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Time(i64, u32);

/// What a whole tree is made of.
#[derive(Clone, Debug)]
pub(super) struct Listing {
    pub(super) entries: Vec<Entry>,
    /// Of all files, each counted once.
    pub(super) bytes: u64,
    /// Sockets and devices, which no snapshot holds.
    pub(super) skipped: u64,
}

impl Entry {
    /// Whether two entries say the same, but for the owner: who reads a snapshot back need not be
    /// who could set it.
    pub(super) fn matches(&self, other: &Self) -> bool {
        let (ours, theirs) = (&self.attributes, &other.attributes);
        self.folder == other.folder
            && self.name == other.name
            && self.kind == other.kind
            && ours.mode == theirs.mode
            && ours.modified == theirs.modified
    }

    pub(super) fn is_folder(&self) -> bool {
        self.kind == Kind::Folder
    }
}

impl Listing {
    /// How many names there are below the tree's own folder.
    pub(super) fn names(&self) -> u64 {
        self.entries.len() as u64 - 1
    }
}

/// The path of an entry, below `base`.
pub(super) fn path_of(base: &Path, entries: &[Entry], index: usize) -> PathBuf {
    let mut names = Vec::new();
    let mut at = index;
    while at != ROOT {
        names.push(&entries[at].name);
        at = entries[at].folder;
    }
    let mut path = base.to_path_buf();
    path.extend(names.into_iter().rev());
    path
}

impl From<SystemTime> for Time {
    fn from(time: SystemTime) -> Self {
        let whole = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self(whole(after.as_secs()), after.subsec_nanos()),
            Err(before) => {
                let before = before.duration();
                let seconds = -whole(before.as_secs());
                match before.subsec_nanos() {
                    0 => Self(seconds, 0),
                    nanos => Self(seconds - 1, 1_000_000_000 - nanos),
                }
            }
        }
    }
}

impl Time {
    /// The time as the standard library's type; none for what that cannot hold.
    pub(super) fn system(self) -> Option<SystemTime> {
        let whole = Duration::from_secs(self.0.unsigned_abs());
        let nanos = Duration::from_nanos(self.1.into());
        let seconds = match self.0 {
            0.. => UNIX_EPOCH.checked_add(whole),
            _ => UNIX_EPOCH.checked_sub(whole),
        };
        seconds?.checked_add(nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_both_ways() {
        for (seconds, nanos) in [(0, 0), (1, 5), (-1, 0), (-1, 999_999_999), (i64::MAX >> 8, 1)] {
            let time = Time(seconds, nanos);
            let system = time.system().expect("a time of this system");
            assert_eq!(Time::from(system), time);
        }
    }
}
