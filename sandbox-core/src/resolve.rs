//! Where a path of the policy really lies on the host.
//!
//! A rule names a path; the kernel enforces on what that path resolves to. Resolution walks the
//! path one name at a time and keeps every symbolic link it crosses, so that a sandbox can show the
//! same link and let the target be found by both names. The lookups go through [`Lookup`], so that
//! tests can forge a file system.
//!
//! # Security
//! The result is a wish, not a proof: a name can change before the kernel sees it. Backends open
//! the resolved path without following links, and fail when it has become one.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs::FileType;
use std::io;
use std::path::{Component, Path, PathBuf};

mod literal;
mod sys;

pub(crate) use literal::open_around;
pub use literal::open_folder;

/// What a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// Anything else that is no symbolic link.
    File,
    /// A symbolic link.
    Link,
}

/// The two questions that resolution asks of a file system.
pub trait Lookup {
    /// What `path` itself is; a link is not followed.
    ///
    /// # Errors
    /// Whatever the file system answers.
    fn kind(&self, path: &Path) -> io::Result<Kind>;

    /// Where the link `path` points.
    ///
    /// # Errors
    /// Whatever the file system answers.
    fn target(&self, path: &Path) -> io::Result<PathBuf>;

    /// Everything in a folder, if that can be told at little cost.
    fn entries(&self, folder: &Path) -> Option<Vec<(OsString, Kind)>> {
        let _ = folder;
        None
    }
}

/// The file system of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostFiles;

impl Lookup for HostFiles {
    fn kind(&self, path: &Path) -> io::Result<Kind> {
        Ok(std::fs::symlink_metadata(path)?.file_type().into())
    }

    fn target(&self, path: &Path) -> io::Result<PathBuf> {
        std::fs::read_link(path)
    }

    fn entries(&self, folder: &Path) -> Option<Vec<(OsString, Kind)>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).ok()? {
            let entry = entry.ok()?;
            found.push((entry.file_name(), entry.file_type().ok()?.into()));
            if found.len() > FEW {
                return None;
            }
        }
        Some(found)
    }
}

/// What is still listed faster than a few names are looked up.
const FEW: usize = 64;

impl From<FileType> for Kind {
    fn from(kind: FileType) -> Self {
        if kind.is_symlink() {
            Self::Link
        } else if kind.is_dir() {
            Self::Directory
        } else {
            Self::File
        }
    }
}

/// Remembers answers, so that paths with the same parents ask for them once; a folder that is asked
/// about often is listed instead, since policies name dozens of paths in a home directory. For the
/// making of one plan, in which the same question must not have two answers anyway.
pub struct Memo<'a> {
    files: &'a dyn Lookup,
    /// By the paths' bytes: they are all written in one way, and comparing names takes longer.
    kinds: RefCell<HashMap<OsString, Result<Kind, io::ErrorKind>>>,
    folders: RefCell<HashMap<OsString, Folder>>,
}

/// What is known of a folder.
enum Folder {
    /// How many names were looked up in it.
    Asked(usize),
    /// All that is in it.
    Listed(Names),
}

/// The names of a folder, in lower case: a file system may take names that differ in case for the
/// same, so only what is there in no case is known not to be there.
struct Names(HashMap<String, (OsString, Kind)>);

impl Names {
    /// The names that were listed. What file systems make of letters beyond ASCII they alone know.
    fn new(listed: Vec<(OsString, Kind)>) -> Option<Self> {
        let plain = |(name, kind): (OsString, Kind)| Some((lower(&name)?, (name, kind)));
        listed.into_iter().map(plain).collect::<Option<_>>().map(Self)
    }

    /// What a name is; `None` when the file system has to be asked.
    fn kind(&self, name: &OsStr) -> Option<Result<Kind, io::ErrorKind>> {
        match self.0.get(&lower(name)?) {
            Some((exact, kind)) => (exact == name).then_some(Ok(*kind)),
            None => Some(Err(io::ErrorKind::NotFound)),
        }
    }
}

/// A name in lower case, if it is a plain one; `~` can stand in a second, short name of a file.
fn lower(name: &OsStr) -> Option<String> {
    let name = name.to_str()?;
    (name.is_ascii() && !name.contains('~')).then(|| name.to_ascii_lowercase())
}

/// After how many names a folder is listed.
const OFTEN: usize = 4;

impl<'a> Memo<'a> {
    /// Remembers the answers of `files`.
    #[must_use]
    pub fn new(files: &'a dyn Lookup) -> Self {
        Self { files, kinds: RefCell::default(), folders: RefCell::default() }
    }

    /// What a listing says of a path, if its folder is listed: it is now if that is worth it.
    fn listed(&self, path: &Path) -> Option<Result<Kind, io::ErrorKind>> {
        let (parent, name) = (path.parent()?, path.file_name()?);
        let mut folders = self.folders.borrow_mut();
        let folder = match folders.get_mut(parent.as_os_str()) {
            Some(folder) => folder,
            None => folders.entry(parent.into()).or_insert(Folder::Asked(0)),
        };
        if let Folder::Asked(times) = folder {
            *times += 1;
            if *times == OFTEN
                && let Some(names) = self.files.entries(parent).and_then(Names::new)
            {
                *folder = Folder::Listed(names);
            }
        }
        let Folder::Listed(names) = folder else { return None };
        names.kind(name)
    }
}

impl Lookup for Memo<'_> {
    fn kind(&self, path: &Path) -> io::Result<Kind> {
        if let Some(known) = self.kinds.borrow().get(path.as_os_str()) {
            return known.map_err(io::Error::from);
        }
        if let Some(listed) = self.listed(path) {
            return listed.map_err(io::Error::from);
        }
        let answer = self.files.kind(path);
        let kept = answer.as_ref().copied().map_err(io::Error::kind);
        self.kinds.borrow_mut().insert(path.into(), kept);
        answer
    }

    fn target(&self, path: &Path) -> io::Result<PathBuf> {
        self.files.target(path)
    }
}

/// A resolved path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The path without any symbolic link.
    pub path: PathBuf,
    /// What lies there; `None` when the last names do not exist.
    pub kind: Option<Kind>,
    /// The links that were crossed: where each lies, and where it points.
    pub links: BTreeMap<PathBuf, PathBuf>,
}

/// The kernel's own bound on links in one path.
const MOST_LINKS: usize = 40;

/// Resolves an absolute path. Names at the end that do not exist are kept as they are. What comes
/// back has no `..`.
///
/// # Errors
/// What the file system answers, but for "not found"; `FilesystemLoop`-like errors after 40 links.
pub fn resolve(files: &dyn Lookup, path: &Path) -> io::Result<Resolved> {
    let mut names: VecDeque<OsString> = names_of(path);
    let mut found = PathBuf::from("/");
    let mut links = BTreeMap::new();
    let mut crossed = 0;
    let mut kind = Some(Kind::Directory);
    while let Some(name) = names.pop_front() {
        if name == ".." {
            if kind != Some(Kind::Directory) {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            found.pop();
            continue;
        }
        let next = found.join(&name);
        match files.kind(&next) {
            Ok(Kind::Link) => {
                let target = files.target(&next)?;
                crossed += 1;
                if crossed > MOST_LINKS {
                    return Err(io::Error::other("too many symbolic links"));
                }
                if target.is_absolute() {
                    found = PathBuf::from("/");
                }
                for name in names_of(&target).into_iter().rev() {
                    names.push_front(name);
                }
                links.insert(next, target);
            }
            Ok(here) => {
                kind = Some(here);
                found = next;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // The parent of what does not exist does not exist either.
                if names.iter().any(|name| name == "..") {
                    return Err(error);
                }
                found = next;
                found.extend(names);
                return Ok(Resolved { path: found, kind: None, links });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Resolved { path: found, kind, links })
}

fn names_of(path: &Path) -> VecDeque<OsString> {
    let name = |component: Component<'_>| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    };
    path.components().filter_map(name).collect()
}

#[cfg(test)]
pub(crate) mod forged;
#[cfg(test)]
mod tests;
