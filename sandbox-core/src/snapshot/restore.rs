//! Restoring: check, stage, exchange.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use cap_fs_ext::DirExt as _;
use cap_std::fs::Dir;

use super::copy::{Copying, Purpose};
use super::entry::{Entry, Listing, ROOT};
use super::fixed::Fixed;
use super::handles::Tree;
use super::journal::{Exchange, Journal, Part, State};
use super::levels::{self, Level, levels};
use super::manifest::{Manifest, damaged, tree_name};
use super::meter::{Meter, Progress};
use super::save::meter;
use super::scan::{Allowance, Closed, Limits, scan};
use super::store::{Place, Store, missing_folder};
use super::{Folder, failed, swap, sys};
use crate::error::Result;
use crate::ids::SnapshotName;

impl Store {
    /// Gives folders the content that a snapshot holds under their labels. The folders themselves
    /// stay what they are, so mounts of them stay, and so does what they spare, and all on the way to
    /// it; everything else in them is replaced, and its room is needed twice for a while. Callers see
    /// to it that nothing changes meanwhile.
    ///
    /// `progress` is called on this thread.
    ///
    /// # Errors
    /// [`SandboxError::NotFound`](crate::SandboxError::NotFound) for the snapshot or a label;
    /// [`SandboxError::InvalidRequest`](crate::SandboxError::InvalidRequest) as for [`Store::save`];
    /// [`SnapshotError::Damaged`](super::SnapshotError::Damaged);
    /// [`SnapshotError::NoLevel`](super::SnapshotError::NoLevel); what the file system answers. The
    /// folders are then as they were, unless the error is
    /// [`SnapshotError::Interrupted`](super::SnapshotError::Interrupted), or was met when the old
    /// content was removed after the new one was in its place.
    pub fn restore(
        &self,
        name: &SnapshotName,
        folders: &[Folder<'_>],
        progress: &dyn Fn(Progress),
    ) -> Result<()> {
        let _lock = self.lock()?;
        swap::recover(self, swap::Leftovers::MustNot)?;
        self.check(folders)?;
        let fixed: Vec<Fixed> = folders.iter().map(Fixed::of).collect::<Result<_>>()?;
        let (place, manifest) = self.find(name)?;
        let saved = folders.iter().map(|folder| Saved::open(&place, &manifest, folder.label));
        let saved: Vec<Saved> = saved.collect::<Result<_>>()?;
        let mut journal = Journal::new(Vec::new());
        let all = folders.iter().zip(&fixed).zip(saved);
        let all = all.map(|((folder, fixed), saved)| Restored { folder, fixed, saved });
        match self.stage(&mut journal, all.collect(), progress) {
            Ok(()) => swap::settle(self, &journal, State::Swap),
            Err(error) => {
                // The first error is the one that matters; the journal knows what is left.
                let _ = swap::settle(self, &journal, State::Stage);
                Err(error)
            }
        }
    }

    fn stage(
        &self,
        journal: &mut Journal,
        all: Vec<Restored<'_>>,
        progress: &dyn Fn(Progress),
    ) -> Result<()> {
        let mut sources = Vec::new();
        for Restored { folder, fixed, saved } in all {
            let from = (saved.dir, saved.path);
            let enter = &mut |path: &Path| self.enter(journal, path);
            let levels = levels(folder.path, fixed, saved.listing, enter)?;
            self.check_mounts(folder.path, fixed)?;
            sources.push((from, levels));
        }
        let levels =
            || sources.iter().flat_map(|(from, levels)| levels.iter().map(move |it| (from, it)));
        for (exchange, (_, level)) in journal.folders.iter_mut().zip(levels()) {
            self.describe(exchange, level)?;
        }
        journal.begin(self)?;
        let meter = meter(levels().map(|(_, level)| &level.listing), progress);
        for (exchange, (from, level)) in journal.folders.iter().zip(levels()) {
            self.fill(exchange, from, level, &meter)?;
        }
        meter.tell();
        Journal::turn(self, State::Stage, State::Swap)
    }

    /// Opens a folder in which names will be exchanged. What is closed is opened for that, which the
    /// journal has to know before.
    fn enter(&self, journal: &mut Journal, path: &Path) -> Result<Dir> {
        let before = swap::look_at(path).map_err(failed("opening", path))?;
        let closed = sys::is_closed(before.mode);
        journal.folders.push(Exchange::of(path, before));
        if closed {
            journal.begin(self)?;
        }
        swap::open_live(&self.disk, path).map_err(failed("opening", path))
    }

    /// What is mounted inside and not spared could not be moved, or would be removed with what is.
    fn check_mounts(&self, path: &Path, fixed: &Fixed) -> Result<()> {
        let live = swap::open_live(&self.disk, path).map_err(failed("opening", path))?;
        let mut unlimited = Allowance::new(Limits::default());
        scan(Tree { dir: &live, path }, fixed, Closed::Passed, &mut unlimited).map(drop)
    }

    /// Notes what goes out of a level and what comes in.
    fn describe(&self, exchange: &mut Exchange, level: &Level) -> Result<()> {
        let path = Path::new(&exchange.path);
        let live = swap::open_live(&self.disk, path).map_err(failed("opening", path))?;
        let entries = &level.listing.entries;
        let top = entries.iter().skip(1).filter(|entry| entry.folder == ROOT);
        exchange.new = top.map(Part::to_be).collect();
        exchange.after = entries[ROOT].attributes.clone();
        exchange.old = parts(&live, &level.stay).map_err(failed("reading", path))?;
        Ok(())
    }

    /// Copies what a level will hold into a working folder in it.
    fn fill(
        &self,
        exchange: &Exchange,
        (copy, place): &(Dir, PathBuf),
        level: &Level,
        meter: &Meter<'_>,
    ) -> Result<()> {
        let path = Path::new(&exchange.path);
        let live = swap::open_live(&self.disk, path).map_err(failed("opening", path))?;
        let room = swap::make_rooms(&self.disk, &live, &exchange.work);
        let path = path.join(&exchange.work).join(swap::NEW);
        let room = room.map_err(failed("making", &path))?;
        let place = place.join(&level.inside);
        let copy = levels::open(copy, &level.inside).map_err(failed("opening", &place))?;
        let from = Tree { dir: &copy, path: &place };
        let to = Tree { dir: &room, path: &path };
        let entries = &level.listing.entries;
        Copying { disk: &self.disk, entries, from, to, purpose: Purpose::Stage }.run(meter)
    }
}

/// What lies in a folder and does not stay there.
fn parts(live: &Dir, stay: &BTreeSet<OsString>) -> std::io::Result<Vec<Part>> {
    let mut parts = Vec::new();
    for entry in live.entries()? {
        let entry = entry?;
        if !stay.contains(&entry.file_name()) {
            parts.push(Part::of(&entry)?);
        }
    }
    Ok(parts)
}

/// A folder, and what it will be.
struct Restored<'a> {
    folder: &'a Folder<'a>,
    fixed: &'a Fixed,
    saved: Saved,
}

/// The copy of a folder in a snapshot, checked.
struct Saved {
    dir: Dir,
    path: PathBuf,
    listing: Listing,
}

impl Saved {
    fn open(place: &Place, manifest: &Manifest, label: &str) -> Result<Self> {
        let mut folders = manifest.folders.iter().enumerate();
        let stored = folders.find(|(_, folder)| folder.label == label);
        let (index, stored) = stored.ok_or_else(|| missing_folder(&manifest.name, label))?;
        let path = place.path.join(tree_name(index));
        let dir = place.dir.open_dir_nofollow(tree_name(index));
        let dir =
            dir.map_err(|error| damaged(&place.path, format!("{}: {error}", tree_name(index))))?;
        let mut unlimited = Allowance::new(Limits::default());
        let tree = Tree { dir: &dir, path: &path };
        let found = scan(tree, &Fixed::default(), Closed::Refused, &mut unlimited)?;
        let entries = stored.check(&place.dir, &place.path, index, &found)?;
        Ok(Self { dir, path, listing: Listing { entries, ..found } })
    }
}

impl Part {
    fn of(entry: &cap_std::fs::DirEntry) -> std::io::Result<Self> {
        let found = entry.metadata()?;
        let mode = sys::attributes(&found)?.mode;
        let closed = found.is_dir() && sys::is_closed(mode);
        Ok(Self { name: entry.file_name(), mode: closed.then_some(mode) })
    }

    fn to_be(entry: &Entry) -> Self {
        let mode = entry.attributes.mode;
        let closed = entry.is_folder() && sys::is_closed(mode);
        Self { name: entry.name.clone(), mode: closed.then_some(mode) }
    }
}
