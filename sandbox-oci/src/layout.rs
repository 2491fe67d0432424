//! A plan as mounts, parents first: what both formats are made from.
//!
//! A place of the host is bound, a private one is a file system in memory, and a hidden one is
//! covered: a folder by an empty file system that nobody may enter, a file by the null device.
//! Symbolic links beside the places become second mounts of what they point to, but only where no
//! place lies inside the target: a second mount would show that part without its rule.
//!
//! Mounts tell read-only from writable and executable from not, and nothing else. A place with
//! other rights is an error, and so is a hidden path that does not exist in a folder where it could
//! be made.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use sandbox_core::plan::{Content, Place, Plan};
use sandbox_core::policy::filesystem::Rights;

use crate::text::CompileError;

/// As many links as the kernel follows in one path.
const MOST_LINKS: usize = 40;

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where it appears.
    pub target: PathBuf,
    /// What appears there.
    pub content: MountContent,
}

/// What a mount shows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MountContent {
    /// A path of the host.
    Bind {
        /// The path on the host.
        source: PathBuf,
        /// Whether it can be changed.
        writable: bool,
        /// Whether files in it can be executed.
        executable: bool,
    },
    /// A writable file system in memory, of at most so many bytes.
    Private {
        /// The mode of its root.
        mode: u32,
        /// The bytes, if they are limited.
        size: Option<u64>,
    },
    /// An empty folder that cannot be written. It can be passed through if something is mounted
    /// inside.
    EmptyFolder {
        /// The mode of its root.
        mode: u32,
    },
    /// A file without content.
    EmptyFile,
}

/// Lays a plan out.
///
/// # Errors
/// [`CompileError`]: what mounts cannot say.
pub fn compile(plan: &Plan) -> Result<Vec<Mount>, CompileError> {
    if let Some(path) = plan.absent.first() {
        return Err(CompileError::Absent { path: path.clone() });
    }
    let share = private_share(plan);
    let mut mounts = BTreeMap::new();
    for place in plan.places.iter() {
        if place.path.parent().is_none() {
            return Err(CompileError::Root);
        }
        mounts.insert(place.path.clone(), content(plan, place, share)?);
    }
    for link in plan.links.keys() {
        if let Some(content) = through(plan, link)? {
            mounts.entry(link.clone()).or_insert(content);
        }
    }
    Ok(mounts.into_iter().map(|(target, content)| Mount { target, content }).collect())
}

/// What each file system in memory gets of the disk limit, shared memory being one more. Each has a
/// size of its own, so only equal parts keep the sum.
pub(crate) fn private_share(plan: &Plan) -> Option<u64> {
    let private = plan.places.iter().filter(|place| place.content == Content::Private).count();
    // A size of 0 would mean no limit.
    plan.limits.disk.map(|disk| (disk.bytes() / (private as u64 + 1)).max(1))
}

fn content(plan: &Plan, place: &Place, size: Option<u64>) -> Result<MountContent, CompileError> {
    Ok(match place.content {
        Content::Host => bind(place, &place.path)?,
        Content::Private => {
            let shared = ["/tmp", "/var/tmp"].iter().any(|tmp| place.path == Path::new(tmp));
            // Who owns the root is the engine's choice, so everybody inside may write.
            MountContent::Private { mode: if shared { 0o1777 } else { 0o777 }, size }
        }
        Content::Hidden if place.directory => {
            let inner = plan.places.iter().any(|other| below(&other.path, &place.path));
            // Engines take a mode of 0 for the default, which is open to all.
            MountContent::EmptyFolder { mode: if inner { 0o111 } else { 0o100 } }
        }
        Content::Hidden => MountContent::EmptyFile,
    })
}

fn below(path: &Path, folder: &Path) -> bool {
    path != folder && path.starts_with(folder)
}

/// A bind mount with the rights of a place, if a mount can say them.
fn bind(place: &Place, source: &Path) -> Result<MountContent, CompileError> {
    let executable = place.rights.contains(Rights::EXECUTE);
    let writable = match place.rights - Rights::EXECUTE {
        rights if rights == plain_rights(false) => false,
        rights if rights == plain_rights(true) => true,
        _ => {
            let (path, rights) = (place.path.clone(), place.rights);
            return Err(CompileError::Rights { path, rights });
        }
    };
    Ok(MountContent::Bind { source: source.to_path_buf(), writable, executable })
}

/// The rights of a bind mount that cannot be executed from.
pub(crate) fn plain_rights(writable: bool) -> Rights {
    (if writable { Rights::READ_WRITE } else { Rights::READ_ONLY }) - Rights::EXECUTE
}

/// What a link shows: the host's content at its target, or nothing where nothing is granted there.
fn through(plan: &Plan, link: &Path) -> Result<Option<MountContent>, CompileError> {
    let failed = || CompileError::Link { path: link.to_path_buf() };
    let target = follow(plan, link).ok_or_else(failed)?;
    let around = plan.places.iter().rev().find(|place| target.starts_with(&place.path));
    let Some(place) = around.filter(|place| place.content != Content::Hidden) else {
        return Ok(None);
    };
    let shows_more = plan.places.iter().any(|other| below(&other.path, &target));
    if shows_more || place.content == Content::Private || link.starts_with(&target) {
        return Err(failed());
    }
    bind(place, &target).map(Some)
}

/// Follows links by the plan's own knowledge of them; `None` if they do not end.
fn follow(plan: &Plan, link: &Path) -> Option<PathBuf> {
    let mut path = link.to_path_buf();
    for _ in 0..MOST_LINKS {
        let crossed = path.ancestors().find_map(|at| Some((at, plan.links.get(at)?)));
        let Some((at, target)) = crossed else { return Some(path) };
        let rest = path.strip_prefix(at).ok()?;
        let base = at.parent().unwrap_or(Path::new("/"));
        path = normal(&base.join(target).join(rest));
    }
    None
}

/// Resolves `.` and `..` by text, which is right for a path whose links have been followed.
fn normal(path: &Path) -> PathBuf {
    let mut found = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                found.pop();
            }
            part => found.push(part),
        }
    }
    found
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
