//! The journal of a restore: what is being exchanged for what, and how far that is.
//!
//! It is one file. What it says is written once, before the first change; how far the work is, is
//! the file's name. So going on is a single rename, which is there or not and needs no room on the
//! disk:
//!
//! ```text
//! stage -> swap -> done -> (none)
//!            |
//!            +-> undo -> stage -> (none)
//! ```
//!
//! Up to `swap` nothing in the folders has changed but for a working folder in each, so that this is
//! all that has to be taken away. From there on the new state is complete, and every interruption is
//! answered by going on. Only an error turns round.

use std::ffi::OsString;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Read as _};
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use super::entry::Attributes;
use super::manifest::damaged;
use super::store::Store;
use super::{content, exists, failed, text};
use crate::error::{Result, SandboxError};

const VERSION: u32 = 1;

/// What working folders are called, before a number that nobody can foresee.
const PREFIX: &str = ".sandbox-restore-";

/// How far the work is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The new state is being prepared. To be given up.
    Stage,
    /// The new state is moved in. To be completed.
    Swap,
    /// The old state is moved back. To be completed.
    Undo,
    /// The new state is in. What is left of the old one is to be removed.
    Done,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Journal {
    version: u32,
    pub(super) folders: Vec<Exchange>,
}

/// One folder, or a level in one. An outer one stands before an inner one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exchange {
    #[serde(with = "text")]
    pub(super) path: OsString,
    /// The name of its working folder.
    pub(super) work: String,
    /// What lay in it.
    pub(super) old: Vec<Part>,
    /// What will.
    pub(super) new: Vec<Part>,
    /// The folder's own mode and times, as they were.
    pub(super) before: Attributes,
    /// As they will be.
    pub(super) after: Attributes,
}

/// A name in the folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    #[serde(with = "text")]
    pub(super) name: OsString,
    /// The mode of a folder that must be opened to be moved.
    pub(super) mode: Option<u32>,
}

impl State {
    const ALL: [Self; 4] = [Self::Swap, Self::Undo, Self::Done, Self::Stage];

    fn file(self) -> &'static str {
        match self {
            Self::Stage => "restore-stage.json",
            Self::Swap => "restore-swap.json",
            Self::Undo => "restore-undo.json",
            Self::Done => "restore-done.json",
        }
    }
}

impl Exchange {
    /// An exchange of which nothing is known but the folder as it is.
    pub(super) fn of(path: &Path, before: Attributes) -> Self {
        let (work, after) = (Self::work_name(), before.clone());
        Self { path: path.into(), work, old: Vec::new(), new: Vec::new(), before, after }
    }

    /// A name for a working folder, which nothing has.
    pub(super) fn work_name() -> String {
        // The standard library keys each hasher with the system's randomness.
        format!("{PREFIX}{:016x}", RandomState::new().build_hasher().finish())
    }

    /// Whether every name is a single one, and the working folder's one of ours.
    fn is_legal(&self) -> bool {
        let number = self.work.strip_prefix(PREFIX).unwrap_or_default();
        let parts = self.old.iter().chain(&self.new);
        number.len() == 16
            && number.bytes().all(|byte| byte.is_ascii_hexdigit())
            && parts.into_iter().all(|part| is_single(&part.name))
    }
}

/// Whether a name names something in a folder, and nothing beside or above it.
fn is_single(name: &OsString) -> bool {
    let first = Path::new(name).components().next();
    matches!(first, Some(Component::Normal(normal)) if normal == name)
}

impl Journal {
    pub(super) fn new(folders: Vec<Exchange>) -> Self {
        Self { version: VERSION, folders }
    }

    /// Writes the journal of a restore that begins, in place of what it said before.
    ///
    /// # Errors
    /// What the file system answers.
    pub(super) fn begin(&self, store: &Store) -> Result<()> {
        let text = serde_json::to_vec(self).map_err(|error| {
            let doing = "writing the journal of a restore";
            SandboxError::io(doing)(error.into())
        })?;
        let name = State::Stage.file();
        let written = store.disk.write_whole(&store.dir, name, &text);
        written.map_err(failed("writing", &store.path.join(name)))
    }

    /// The journal of a restore that was interrupted. One that was not even begun leaves nothing
    /// but an unfinished journal.
    ///
    /// # Errors
    /// [`SnapshotError::Damaged`](super::SnapshotError::Damaged), and what the file system answers.
    pub(super) fn find(store: &Store) -> Result<Option<(State, Self)>> {
        let first = State::Stage.file();
        let removed = store.disk.remove_unfinished(&store.dir, first);
        removed.map_err(failed("removing", &store.path.join(first)))?;
        for state in State::ALL {
            let path = store.path.join(state.file());
            if !exists(&store.dir, state.file().as_ref()).map_err(failed("reading", &path))? {
                continue;
            }
            let text = read(store, state).map_err(failed("reading", &path))?;
            let wrong = |why: String| damaged(&store.path, format!("{}: {why}", state.file()));
            let journal: Self = serde_json::from_slice(&text).map_err(|e| wrong(e.to_string()))?;
            if journal.version != VERSION || !journal.folders.iter().all(Exchange::is_legal) {
                return Err(wrong("it was written otherwise".into()));
            }
            return Ok(Some((state, journal)));
        }
        Ok(None)
    }

    /// Goes on to the next state.
    ///
    /// # Errors
    /// What the file system answers; the state is what it was.
    pub(super) fn turn(store: &Store, from: State, to: State) -> Result<()> {
        let turned = store.disk.rename(&store.dir, from.file(), &store.dir, to.file());
        turned.map_err(failed("writing", &store.path.join(to.file())))?;
        // The state has changed, whatever comes of this: only a power failure could tell.
        let _ = store.disk.sync(&store.dir);
        Ok(())
    }

    /// Ends the restore.
    ///
    /// # Errors
    /// What the file system answers.
    pub(super) fn end(store: &Store, state: State) -> Result<()> {
        let removed = store.disk.remove_file(&store.dir, state.file());
        removed.map_err(failed("removing", &store.path.join(state.file())))
    }
}

fn read(store: &Store, state: State) -> io::Result<Vec<u8>> {
    let source = content::open(&store.dir, state.file().as_ref())?;
    let mut text = Vec::new();
    (&source.file).take(source.size).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn working_folders_are_called_by_what_nobody_foresees() {
        let names = [(); 100].map(|()| Exchange::work_name());
        let mut unique = names.to_vec();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), names.len());
    }

    #[test]
    fn a_part_is_a_single_name() {
        for good in ["a", "..a", ".sandbox", "a b"] {
            assert!(is_single(&good.into()), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "/a", "a/", "../a", "./a"] {
            assert!(!is_single(&bad.into()), "{bad}");
        }
    }
}
