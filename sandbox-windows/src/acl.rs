//! Places of the policy as changes to access lists.
//!
//! A package reaches a file only where the file's access list names it. So a place is granted by
//! entries for the run's own package on the root of the place, which everything below inherits; no
//! tree is ever rewritten. Entries for files and for folders are separate, because Windows uses one
//! bit for reading a file and listing a folder, and another for writing a file and adding to a
//! folder; the policy tells them apart.
//!
//! A place inside another that grants less, or nothing, is *sealed* first: inheritance ends there
//! and everybody but the package keeps what they had. This rests on nothing but inheritance; deny
//! entries would have to be ordered against what is already in the list.
//!
//! # Security
//! Deleting is granted to what lies in a place, never to its root, and never as the right to delete
//! the children of a folder, which would also cover children that are sealed.

use std::path::{Path, PathBuf};

use sandbox_core::plan::{Content, Place};
use sandbox_core::policy::filesystem::Rights;

/// Access rights, with the values of `FILE_*` and of the standard rights.
pub mod mask {
    /// `FILE_READ_DATA`, and `FILE_LIST_DIRECTORY` for a folder.
    pub const READ_DATA: u32 = 0x1;
    /// `FILE_WRITE_DATA`, and `FILE_ADD_FILE` for a folder.
    pub const WRITE_DATA: u32 = 0x2;
    /// `FILE_APPEND_DATA`, and `FILE_ADD_SUBDIRECTORY` for a folder.
    pub const APPEND_DATA: u32 = 0x4;
    /// `FILE_READ_EA`.
    pub const READ_EA: u32 = 0x8;
    /// `FILE_WRITE_EA`.
    pub const WRITE_EA: u32 = 0x10;
    /// `FILE_EXECUTE`, and `FILE_TRAVERSE` for a folder.
    pub const EXECUTE: u32 = 0x20;
    /// `FILE_DELETE_CHILD`. Never granted.
    pub const DELETE_CHILD: u32 = 0x40;
    /// `FILE_READ_ATTRIBUTES`.
    pub const READ_ATTRIBUTES: u32 = 0x80;
    /// `FILE_WRITE_ATTRIBUTES`.
    pub const WRITE_ATTRIBUTES: u32 = 0x100;
    /// `DELETE`.
    pub const DELETE: u32 = 0x1_0000;
    /// `READ_CONTROL`.
    pub const READ_CONTROL: u32 = 0x2_0000;
    /// `SYNCHRONIZE`: without it no handle can be waited for, and most opens ask for it.
    pub const SYNCHRONIZE: u32 = 0x10_0000;
}

use mask::{
    APPEND_DATA, DELETE, EXECUTE, READ_ATTRIBUTES, READ_CONTROL, READ_DATA, READ_EA, SYNCHRONIZE,
    WRITE_ATTRIBUTES, WRITE_DATA, WRITE_EA,
};

/// What every entry grants: to see that something is there, and what.
const LOOK: u32 = READ_ATTRIBUTES | READ_CONTROL | SYNCHRONIZE;

/// What an entry applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reach {
    /// The object itself alone.
    Itself,
    /// The folder and all folders below it (`CONTAINER_INHERIT_ACE`).
    Folders,
    /// All files below the folder (`OBJECT_INHERIT_ACE`, `INHERIT_ONLY_ACE`).
    Files,
    /// Everything below the folder, not itself (both, and `INHERIT_ONLY_ACE`).
    Below,
}

impl Reach {
    /// The flags of the entry.
    #[must_use]
    pub const fn flags(self) -> u8 {
        match self {
            Self::Itself => 0,
            Self::Folders => 0x2,
            Self::Files => 0x1 | 0x8,
            Self::Below => 0x1 | 0x2 | 0x8,
        }
    }
}

/// One change to one access list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// End inheritance here: others keep what they had, the package has nothing.
    Seal {
        /// The path.
        path: PathBuf,
    },
    /// Add an entry that grants something to the package.
    Grant {
        /// The path.
        path: PathBuf,
        /// The rights, of [`mask`].
        mask: u32,
        /// What it applies to.
        reach: Reach,
    },
}

/// Compiles the places of a plan to changes, parents first. Undoing them goes the other way.
///
/// Private places get no entry: the run's own folders stand in for them.
#[must_use]
pub fn compile(places: &[Place]) -> Vec<Change> {
    let mut changes = Vec::new();
    for place in places {
        let rights = granted(place);
        let around = around(places, &place.path).map_or(Rights::empty(), granted);
        if !rights.contains(around) || place.content == Content::Hidden {
            changes.push(Change::Seal { path: place.path.clone() });
        }
        grants(place, rights, &mut changes);
    }
    changes
}

fn granted(place: &Place) -> Rights {
    if place.content == Content::Host { place.rights } else { Rights::empty() }
}

/// The innermost place that a path lies in, itself aside.
fn around<'a>(places: &'a [Place], path: &Path) -> Option<&'a Place> {
    let names = folded(path);
    let above = places.iter().filter(|place| {
        let other = folded(&place.path);
        other.len() < names.len() && names.starts_with(&other)
    });
    above.max_by_key(|place| place.path.components().count())
}

/// The names of a path without regard to case, as Windows compares them. Folding may take two names
/// for one that Windows tells apart; then a seal is set that was not needed.
fn folded(path: &Path) -> Vec<String> {
    let name = |part: std::path::Component<'_>| part.as_os_str().to_string_lossy().to_lowercase();
    path.components().map(name).collect()
}

fn grants(place: &Place, rights: Rights, changes: &mut Vec<Change>) {
    if rights.is_empty() {
        return;
    }
    let mut grant = |mask, reach| {
        changes.push(Change::Grant { path: place.path.clone(), mask, reach });
    };
    if !place.directory {
        // Deleting needs an entry on what lies in a place; a place of its own stays.
        grant(file_mask(rights), Reach::Itself);
        return;
    }
    grant(folder_mask(rights), Reach::Folders);
    grant(file_mask(rights), Reach::Files);
    if rights.contains(Rights::DELETE) {
        grant(DELETE, Reach::Below);
    }
}

fn file_mask(rights: Rights) -> u32 {
    let parts = [
        (Rights::READ, READ_DATA | READ_EA),
        (Rights::WRITE, WRITE_DATA | APPEND_DATA | WRITE_EA | WRITE_ATTRIBUTES),
        (Rights::EXECUTE, EXECUTE),
    ];
    sum(rights, &parts)
}

fn folder_mask(rights: Rights) -> u32 {
    let parts = [
        (Rights::LIST, READ_DATA | READ_EA),
        (Rights::CREATE, WRITE_DATA | APPEND_DATA),
        (Rights::WRITE, WRITE_EA | WRITE_ATTRIBUTES),
    ];
    // To pass through a folder is part of every right in it.
    sum(rights, &parts) | EXECUTE
}

fn sum(rights: Rights, parts: &[(Rights, u32)]) -> u32 {
    let held = parts.iter().filter(|(right, _)| rights.contains(*right));
    held.fold(LOOK, |mask, (_, part)| mask | part)
}

#[cfg(test)]
mod tests;
