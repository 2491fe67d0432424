//! What a session has on the host: a folder of its own, and a place for layers that it may share
//! with the sessions that were forked from it.
//!
//! ```text
//! ROOT/sessions/ID/{lock,memory,outputs,scratch/N,snapshots}
//! ROOT/layers/NUMBER/{lock,N/{upper,work}}
//! ```
//!
//! Everything is open to its owner alone. A folder is held by a lock on a file in it for as long as
//! its session lives, so that no second owner is possible, and so that what nobody holds can be
//! told from what is in use and be taken away: the kernel gives a lock up however its holder ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::error::{Result, SandboxError};
use crate::ids::SessionId;
use crate::session::local::system;

/// A session's folder. Dropping it removes it.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes the folder of a new session.
    ///
    /// # Errors
    /// [`SandboxError::AlreadyExists`] when some session has the identifier, here or elsewhere.
    pub(super) fn make(root: &Path, id: &SessionId) -> Result<Self> {
        let sessions = private_folder(root, "sessions")?;
        let path = sessions.join(id.as_str());
        let failed = || SandboxError::io(format!("making the folder of the session {id}"));
        let taken = || SandboxError::AlreadyExists { what: format!("the session {id}") };
        let lock = match held(&path).map_err(failed())? {
            Some(lock) => lock,
            // What a session left behind that nobody owns any more is no session.
            None if sweep(&path) => held(&path).map_err(failed())?.ok_or_else(taken)?,
            None => return Err(taken()),
        };
        for name in ["memory", "outputs"] {
            system::make_private(&path.join(name)).map_err(failed())?;
        }
        Ok(Self { path, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The folders that commands write to, with names that are the same for a fork's.
    pub(super) fn own(&self) -> Result<Vec<(String, PathBuf)>> {
        let failed = || SandboxError::io("listing a session's folders");
        let named = |name: &str| (name.to_owned(), self.path.join(name));
        let mut all = vec![named("memory"), named("outputs")];
        let scratch = match fs::read_dir(self.path.join("scratch")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(all),
            listed => listed.map_err(failed())?,
        };
        for entry in scratch {
            let name = entry.map_err(failed())?.file_name();
            all.push(named(&format!("scratch/{}", name.display())));
        }
        Ok(all)
    }

    /// A new empty folder for a scratch mount.
    pub(super) fn scratch(&self, number: usize) -> Result<PathBuf> {
        let failed = || SandboxError::io("making a scratch folder");
        let all = self.path.join("scratch");
        match system::make_private(&all) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed()(error));
            }
            _ => {}
        }
        let path = all.join(number.to_string());
        system::make_private(&path).map_err(failed())?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is swept by the next owner of the root.
        let _ = take_away(&self.path);
    }
}

/// A place for layers, shared by sessions that have them in common. The last one removes it.
#[derive(Debug)]
pub(super) struct LayerFolder {
    path: PathBuf,
    _lock: File,
    /// The number of the last layer; those before may be gone.
    last: AtomicU64,
}

impl LayerFolder {
    /// Makes a new one.
    ///
    /// # Errors
    /// What the file system answers.
    pub(super) fn make(root: &Path) -> Result<Self> {
        let failed = || SandboxError::io("making a folder for layers");
        let all = private_folder(root, "layers")?;
        let mut number = 1u64;
        loop {
            let path = all.join(number.to_string());
            if let Some(lock) = held(&path).map_err(failed())? {
                return Ok(Self { path, _lock: lock, last: AtomicU64::new(0) });
            }
            number += 1;
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A new layer: where changes go, and what the system needs beside it.
    pub(super) fn layer(&self, like: &Path) -> Result<PathBuf> {
        let failed = || SandboxError::io("making a layer");
        // Two at once find two numbers all the same.
        let next = self.last.load(Ordering::Relaxed) + 1;
        let (path, number) = numbered(&self.path, next).map_err(failed())?;
        self.last.fetch_max(number, Ordering::Relaxed);
        for name in ["upper", "work"] {
            system::make_private(&path.join(name)).map_err(failed())?;
        }
        system::same_mode(like, &path.join("upper")).map_err(failed())?;
        Ok(path)
    }
}

impl Drop for LayerFolder {
    fn drop(&mut self) {
        // What cannot be removed is swept by the next owner of the root.
        let _ = take_away(&self.path);
    }
}

/// Where a session has its folder.
#[cfg(unix)]
pub(crate) fn path_of(root: &Path, id: &SessionId) -> PathBuf {
    root.join("sessions").join(id.as_str())
}

/// The identifiers of all sessions that have a folder, or had one that is left.
///
/// # Errors
/// The root is no folder of the caller's alone, or cannot be read.
#[cfg(unix)]
pub(crate) fn identifiers(root: &Path) -> Result<Vec<SessionId>> {
    let folder = private_folder(root, "sessions")?;
    let entries = fs::read_dir(&folder).map_err(SandboxError::io("listing sessions"))?;
    let id = |entry: fs::DirEntry| SessionId::new(entry.file_name().into_string().ok()?).ok();
    let mut all: Vec<SessionId> = entries.flatten().filter_map(id).collect();
    all.sort();
    Ok(all)
}

/// Takes away what sessions left behind whose owner is gone; how many they were.
pub(crate) fn sweep_all(root: &Path) -> Result<usize> {
    let mut gone = 0;
    for (kind, counts) in [("sessions", true), ("layers", false)] {
        let folder = private_folder(root, kind)?;
        let entries = fs::read_dir(&folder).map_err(SandboxError::io("listing sessions"))?;
        for entry in entries.flatten() {
            gone += usize::from(sweep(&entry.path()) && counts);
        }
    }
    Ok(gone)
}

/// Removes a folder that nobody holds.
fn sweep(path: &Path) -> bool {
    // The lock is held until the folder is gone, so that nobody takes it over meanwhile.
    let Ok(Some(_held)) = lock(path) else { return false };
    take_away(path).is_ok()
}

/// Removes a folder that the caller holds. It loses its name first: nobody finds a part of it, or
/// puts a lock of his own where the old one was.
fn take_away(path: &Path) -> io::Result<()> {
    let gone = unnamed(path);
    match fs::rename(path, &gone) {
        Ok(()) => system::remove_tree(&gone),
        Err(_) => system::remove_tree(path),
    }
}

/// A path beside another, with a name that is no session's and nobody else's.
fn unnamed(path: &Path) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    path.with_file_name(format!(".{}-{count}", std::process::id()))
}

/// Makes a folder and holds it; `None` when there is one already.
///
/// It gets its name when it is held. Whoever takes away what nobody holds may come before: then it
/// is begun again, under a name that is no session's.
fn held(path: &Path) -> io::Result<Option<File>> {
    loop {
        let begun = unnamed(path);
        match system::make_private(&begun) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            made => made?,
        }
        let lock = match lock(&begun) {
            Ok(Some(lock)) => lock,
            Ok(None) => continue,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let named = fs::rename(&begun, path);
        if named.is_err() {
            // What cannot be removed is swept.
            let _ = system::remove_tree(&begun);
        }
        return match named.as_ref().map_err(io::Error::kind) {
            Ok(()) => Ok(Some(lock)),
            // One that somebody holds is never empty.
            Err(io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty) => Ok(None),
            Err(_) => named.map(|()| None),
        };
    }
}

/// Locks a folder, if nobody else holds it.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let path = path.join("lock");
    let file = OpenOptions::new().create(true).append(true).open(&path)?;
    match file.try_lock() {
        // It may have been taken away, and another folder made there, before it was locked.
        Ok(()) => Ok(system::is_at(&file, &path).then_some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// A folder of the root that is the caller's alone, by its path without links: what is mounted from
/// it is looked up by that.
fn private_folder(root: &Path, name: &str) -> Result<PathBuf> {
    let path = root.join(name);
    for folder in [root, &path] {
        system::own_private(folder).map_err(|source| {
            let folder = crate::path::quoted(folder);
            SandboxError::io(format!("using {folder}, which must be a folder of yours alone"))(
                source,
            )
        })?;
    }
    path.canonicalize().map_err(SandboxError::io("finding the folder of the sessions"))
}

/// Makes a folder whose name is the first number that is free, from one on.
fn numbered(folder: &Path, mut number: u64) -> io::Result<(PathBuf, u64)> {
    loop {
        let path = folder.join(number.to_string());
        match system::make_private(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            made => return made.map(|()| (path, number)),
        }
    }
}
