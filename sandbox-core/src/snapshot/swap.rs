//! Exchanges the content of folders for what was staged, and recovers from an exchange that was
//! interrupted.
//!
//! A working folder in the folder itself, and so on the same file system, has two rooms. `new` holds
//! the complete new state before anything else happens. Then, name by name, what lay in the folder
//! goes to `old`, and what is new comes out of `new`. Where a name is found tells how far it is: so
//! each pass can be begun again, and ends the same.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use cap_fs_ext::DirExt as _;
use cap_std::fs::Dir;

use super::disk::Disk;
use super::entry::Attributes;
use super::error::SnapshotError;
use super::journal::{Exchange, Journal, Part, State};
use super::store::Store;
use super::{exists, failed, removal, sys};
use crate::error::Result;
use crate::resolve::open_around;

const OLD: &str = "old";
pub(super) const NEW: &str = "new";

/// Whether an old restore may leave files that cannot be removed now.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Leftovers {
    May,
    MustNot,
}

/// Completes what the journal says was interrupted.
///
/// # Errors
/// [`SnapshotError::Interrupted`], and what the file system answers. Then the journal stays, for the
/// next time.
pub(super) fn recover(store: &Store, leftovers: Leftovers) -> Result<()> {
    let Some((state, journal)) = Journal::find(store)? else { return Ok(()) };
    let Err(error) = settle(store, &journal, state) else { return Ok(()) };
    match (Journal::find(store)?, leftovers) {
        // It could not be completed, and was undone.
        (None, _) => Ok(()),
        // The folders are as they should be; what is left is only in the way of the next restore.
        (Some((State::Stage | State::Done, _)), Leftovers::May) => Ok(()),
        _ => Err(error),
    }
}

/// Goes on from a state to the end.
///
/// # Errors
/// Why the new state could not be moved in, after the old one is back; [`SnapshotError::Interrupted`]
/// if it is not; what the file system answers to removing what is left.
pub(super) fn settle(store: &Store, journal: &Journal, state: State) -> Result<()> {
    match state {
        State::Stage => finish(store, journal, State::Stage),
        State::Done => finish(store, journal, State::Done),
        State::Undo => undo(store, journal),
        State::Swap => {
            Rooms::check(store, journal)?;
            match journal.folders.iter().try_for_each(|it| Rooms::open(store, it)?.forward()) {
                Ok(()) => {
                    Journal::turn(store, State::Swap, State::Done)?;
                    finish(store, journal, State::Done)
                }
                Err(error) => {
                    Journal::turn(store, State::Swap, State::Undo)?;
                    undo(store, journal)?;
                    Err(error)
                }
            }
        }
    }
}

fn undo(store: &Store, journal: &Journal) -> Result<()> {
    Rooms::check(store, journal)?;
    for exchange in &journal.folders {
        let back = Rooms::open(store, exchange)?.back();
        back.map_err(|error| interrupted(exchange, error.to_string()))?;
    }
    Journal::turn(store, State::Undo, State::Stage)?;
    finish(store, journal, State::Stage)
}

/// Removes the working folders, and dresses the folders as they were or will be. An inner one comes
/// before an outer one, which may be closed then; and all are opened first, because that may be so
/// already.
fn finish(store: &Store, journal: &Journal, state: State) -> Result<()> {
    for exchange in &journal.folders {
        there(store, exchange)?;
    }
    for exchange in journal.folders.iter().rev() {
        let path = Path::new(&exchange.path);
        let attributes = match state {
            State::Done => &exchange.after,
            _ => &exchange.before,
        };
        if let Some(live) = there(store, exchange)? {
            let removed = removal::remove(&store.disk, &live, exchange.work.as_ref());
            removed.map_err(failed("removing", &path.join(&exchange.work)))?;
            dress(&store.disk, &live, attributes).map_err(failed("changing", path))?;
        }
    }
    Journal::end(store, state)
}

/// A live folder, open; none where nothing is, and so nothing is left.
fn there(store: &Store, exchange: &Exchange) -> Result<Option<Dir>> {
    let path = Path::new(&exchange.path);
    match open_live(&store.disk, path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        live => live.map(Some).map_err(failed("opening", path)),
    }
}

/// The mode and times of a live folder, which a payload may have closed.
pub(super) fn look_at(path: &Path) -> io::Result<Attributes> {
    let (around, name) = open_around(path)?;
    sys::attributes(&around.symlink_metadata(name)?)
}

/// Opens a live folder so that its content can be changed, by way of the folder around it: nothing
/// can be looked up in one that is closed, not even the folder itself.
pub(super) fn open_live(disk: &Disk, path: &Path) -> io::Result<Dir> {
    let (around, name) = open_around(path)?;
    let mode = sys::attributes(&around.symlink_metadata(name)?)?.mode;
    if sys::is_closed(mode) {
        disk.set_mode(&around, name, sys::opened(mode))?;
    }
    around.open_dir_nofollow(name)
}

/// Gives a live folder its mode and times. Who may only write a folder, because it is somebody
/// else's, may not do so; then a payload could not either, and nothing has to be undone.
fn dress(disk: &Disk, live: &Dir, attributes: &Attributes) -> io::Result<()> {
    let now = sys::attributes(&live.dir_metadata()?)?;
    let dressed = if now.mode == attributes.mode && now.owner == attributes.owner {
        // What is not kept of a mode is kept where the mode is not touched.
        disk.date_folder(live, attributes)
    } else {
        disk.dress_folder(live, attributes)
    };
    match dressed {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        dressed => dressed,
    }
}

/// A working folder and the folder that it lies in.
struct Rooms<'a> {
    disk: &'a Disk,
    exchange: &'a Exchange,
    live: Dir,
    old: Dir,
    new: Dir,
    /// What is in the two rooms.
    in_old: BTreeSet<OsString>,
    in_new: BTreeSet<OsString>,
}

impl<'a> Rooms<'a> {
    /// Opens all of them once, before anything is moved: a folder may be gone, or not be mounted yet.
    fn check(store: &'a Store, journal: &'a Journal) -> Result<()> {
        journal.folders.iter().try_for_each(|it| Self::open(store, it).map(drop))
    }

    fn open(store: &'a Store, exchange: &'a Exchange) -> Result<Self> {
        let path = Path::new(&exchange.path);
        let missing = |error: io::Error| interrupted(exchange, error.to_string());
        let live = open_live(&store.disk, path).map_err(missing)?;
        let work = live.open_dir_nofollow(&exchange.work).map_err(missing)?;
        let [old, new] = [OLD, NEW].map(|room| work.open_dir_nofollow(room));
        let (old, new) = (old.map_err(missing)?, new.map_err(missing)?);
        let failed = || failed("reading", &path.join(&exchange.work));
        let in_old = names(&old).map_err(failed())?;
        let in_new = names(&new).map_err(failed())?;
        Ok(Self { disk: &store.disk, exchange, live, old, new, in_old, in_new })
    }

    /// Moves the old state out and the new one in.
    fn forward(&self) -> Result<()> {
        let comes: BTreeSet<_> = self.exchange.new.iter().map(|part| &part.name).collect();
        for part in &self.exchange.old {
            let is_new = comes.contains(&part.name) && !self.in_new.contains(&part.name);
            if !is_new && !self.in_old.contains(&part.name) {
                self.carry(&self.live, part, &self.old)?;
            }
        }
        for part in &self.exchange.new {
            if self.in_new.contains(&part.name) {
                self.make_room(part, &self.old)?;
                self.carry(&self.new, part, &self.live)?;
            }
            self.close(part)?;
        }
        self.sync()
    }

    /// Moves the new state out and the old one in.
    fn back(&self) -> Result<()> {
        for part in &self.exchange.new {
            if !self.in_new.contains(&part.name) {
                self.carry(&self.live, part, &self.new)?;
            }
        }
        for part in &self.exchange.old {
            if self.in_old.contains(&part.name) {
                self.make_room(part, &self.new)?;
                self.carry(&self.old, part, &self.live)?;
            }
            self.close(part)?;
        }
        self.sync()
    }

    fn carry(&self, from: &Dir, part: &Part, to: &Dir) -> Result<()> {
        let moved = self.rename(from, part, to, &part.name);
        moved.map_err(failed("moving", &self.path(part)))
    }

    /// Moves a name. What is not there was taken away by somebody else.
    fn rename(&self, from: &Dir, part: &Part, to: &Dir, name: &OsString) -> io::Result<()> {
        if !exists(from, &part.name)? {
            return Ok(());
        }
        if let Some(mode) = part.mode {
            self.disk.set_mode(from, &part.name, sys::opened(mode))?;
        }
        self.disk.rename(from, &part.name, to, name)
    }

    /// Something that was made meanwhile under a name that is needed goes where what is not needed
    /// goes.
    fn make_room(&self, part: &Part, room: &Dir) -> Result<()> {
        let stray = OsString::from(Exchange::work_name());
        let open = Part { mode: None, ..part.clone() };
        let moved = self.rename(&self.live, &open, room, &stray);
        moved.map_err(failed("moving", &self.path(part)))
    }

    /// Gives a folder that was opened to be moved its own mode again.
    fn close(&self, part: &Part) -> Result<()> {
        let Some(mode) = part.mode else { return Ok(()) };
        let closed = match exists(&self.live, &part.name) {
            Ok(true) => self.disk.set_mode(&self.live, &part.name, mode),
            there => there.map(drop),
        };
        closed.map_err(failed("changing", &self.path(part)))
    }

    fn sync(&self) -> Result<()> {
        let synced = [&self.old, &self.new, &self.live].map(|room| self.disk.sync(room));
        let synced: io::Result<()> = synced.into_iter().collect();
        synced.map_err(failed("writing", Path::new(&self.exchange.path)))
    }

    fn path(&self, part: &Part) -> PathBuf {
        Path::new(&self.exchange.path).join(&part.name)
    }
}

/// Makes a working folder and its rooms, and returns the one for the new state.
///
/// # Errors
/// What the file system answers.
pub(super) fn make_rooms(disk: &Disk, live: &Dir, work: &str) -> io::Result<Dir> {
    disk.make_folder(live, work)?;
    let work = live.open_dir_nofollow(work)?;
    disk.make_folder(&work, OLD)?;
    disk.make_folder(&work, NEW)?;
    work.open_dir_nofollow(NEW)
}

fn names(dir: &Dir) -> io::Result<BTreeSet<OsString>> {
    dir.entries()?.map(|entry| Ok(entry?.file_name())).collect()
}

fn interrupted(exchange: &Exchange, why: String) -> crate::SandboxError {
    SnapshotError::Interrupted { folder: exchange.path.clone().into(), why }.into()
}
