//! Sockets of host services inside folders that a policy grants.
//!
//! A connect to a socket file needs no right on its folder that a mount or Landlock could withhold,
//! and a network namespace does not separate socket files. So each socket that some host process
//! is listening on, and that lies in a granted folder, is covered like a hidden file.
//!
//! # Security
//! This is a list made at launch. A socket that a host process makes later, that was moved since it
//! was bound, or that belongs to another network namespace is not in it; the report says so.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sandbox_core::Rights;
use sandbox_core::plan::{Content, Place, Plan};

/// The plan with every reachable host socket hidden.
pub(crate) fn hide(plan: &Plan) -> Plan {
    let mut hidden = plan.clone();
    let places = Arc::make_mut(&mut hidden.places);
    let listed = std::fs::read("/proc/net/unix").unwrap_or_default();
    for path in bound(&listed).filter_map(|path| path.canonicalize().ok()) {
        if std::fs::symlink_metadata(&path).is_ok_and(|found| found.file_type().is_socket()) {
            places.extend(plan.places.iter().filter_map(|place| cover(plan, place, &path)));
        }
    }
    places.sort_by(|a, b| a.path.cmp(&b.path));
    places.dedup_by(|a, b| a.path == b.path);
    hidden
}

/// The cover of a host's socket as it would be seen through a place, if it is.
fn cover(plan: &Plan, place: &Place, socket: &Path) -> Option<Place> {
    let tail = socket.strip_prefix(place.host()).ok()?;
    let path = match tail.as_os_str().is_empty() {
        true => place.path.clone(),
        false => place.path.join(tail),
    };
    // Something that lies in the place may already be over it.
    let seen = plan.places.iter().rev().find(|other| path.starts_with(&other.path))?;
    if place.content != Content::Host || seen.path != place.path {
        return None;
    }
    let (content, source) = (Content::Hidden, Some(socket.to_path_buf()));
    Some(Place { path, directory: false, content, source, rights: Rights::empty() })
}

/// The absolute paths in `/proc/net/unix`, whose eighth field is the name that was bound.
fn bound(listed: &[u8]) -> impl Iterator<Item = PathBuf> {
    let path = |line: &[u8]| {
        let start = line.iter().position(|&byte| byte == b'/')?;
        Some(Path::new(OsStr::from_bytes(&line[start..])).to_path_buf())
    };
    listed.split(|&byte| byte == b'\n').filter_map(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_whole() {
        let listed = b"Num RefCount Protocol Flags Type St Inode Path\n\
            0: 00000002 00000000 00010000 0001 01 123 /run/a socket\n\
            0: 00000002 00000000 00010000 0001 01 124 @abstract/x\n\
            0: 00000002 00000000 00010000 0001 01 125\n";
        let found: Vec<PathBuf> = bound(listed).collect();
        assert_eq!(found.first(), Some(&PathBuf::from("/run/a socket")));
    }

    #[test]
    fn a_listening_socket_in_a_granted_folder_is_hidden() -> Result<(), Box<dyn std::error::Error>>
    {
        let folder = tempfile::tempdir_in("/var/tmp")?;
        let socket = folder.path().join("service");
        let _listener = std::os::unix::net::UnixListener::bind(&socket)?;
        let policy = sandbox_core::Policy::workspace(folder.path())?.build()?;
        let request = sandbox_core::ExecRequest::new("true");
        let plan = Plan::new(&policy, &request, &sandbox_core::plan::Host::current())?;
        let hidden = hide(&plan);
        let place = hidden.places.iter().find(|place| place.path == socket);
        assert_eq!(place.map(|place| place.content), Some(Content::Hidden));
        Ok(())
    }
}
