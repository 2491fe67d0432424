//! Where sessions have their folders: in the user's own folder for state (the XDG base directory
//! specification), which other users cannot reach.

use std::env;
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use crate::failure::Failure;

/// The root of all sessions; not inside `apart`, which a layer must not lie in.
pub(crate) fn root(apart: &Path) -> Result<PathBuf, Failure> {
    let variable = |name: &str| env::var_os(name).map(PathBuf::from).filter(|it| it.is_absolute());
    let home = || variable("HOME").map(|home| home.join(".local/state"));
    let state = variable("XDG_STATE_HOME").or_else(home).map(|state| state.join("sandbox"));
    match state.filter(|state| !state.starts_with(apart)) {
        Some(state) => Ok(state),
        None if Path::new(SHARED).starts_with(apart) => Err(Failure::usage(
            "there is no place for a session's folders outside of the workspace",
        )
        .with_help("set XDG_STATE_HOME to a folder of yours")),
        None => Ok(fallback()),
    }
}

/// The root of the sessions that several processes use.
pub(crate) fn shared_root() -> Result<PathBuf, Failure> {
    // Nothing is inside of a path that cannot be.
    root(Path::new("/dev/null/none"))
}

/// Everywhere that this user's sessions have folders: no sandbox is to see them, for whoever can
/// reach a session's owner can do with it what its user can.
pub(crate) fn all_roots() -> Vec<PathBuf> {
    let mut roots: Vec<PathBuf> = shared_root().into_iter().chain([fallback()]).collect();
    roots.dedup();
    roots.retain(|root| root.exists());
    roots
}

fn fallback() -> PathBuf {
    Path::new(SHARED).join(format!("sandbox-{}", geteuid().as_raw()))
}

/// For users without a home, or who work in it as a whole. On disk, and everybody may make a folder
/// in it; that ours is ours is checked when it is used.
const SHARED: &str = "/var/tmp";
