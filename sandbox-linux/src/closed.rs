//! Hidden paths that the payload's user could not open anyway.
//!
//! A cover costs a mount, and on the Landlock tier it costs breaking a folder up. `/etc/shadow` and
//! its like belong to root and are closed to others, which is as good for a payload that is neither
//! root nor in the file's group. Only paths whose folder root alone can change count: elsewhere a
//! mode can change under us. In a folder that is mounted with its owner mapped the payload *is* the
//! owner, so nothing in it is closed.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sandbox_core::plan::{Content, Place, Plan};

use std::sync::Arc;

use crate::facts::Facts;
use crate::identity::Identity;
use crate::jail::Tier;

/// The plan without covers that cover nothing.
pub(crate) fn without(plan: &Plan, tier: Tier, identity: &Identity, facts: &Facts) -> Plan {
    let mut plan = plan.clone();
    let Some(user) = User::of_payload(tier, identity, facts) else { return plan };
    let all = Arc::clone(&plan.places);
    let mut folders = Folders::default();
    Arc::make_mut(&mut plan.places).retain(|place| {
        if place.content != Content::Hidden {
            return true;
        }
        let leaf = !all.iter().any(|p| p.path != place.path && p.path.starts_with(&place.path));
        let needed = !leaf || is_mapped(place, &all, identity);
        needed || !user.is_shut_out(place.host(), &mut folders)
    });
    plan
}

/// Whether the payload is shown as the owner of what lies around a place.
fn is_mapped(place: &Place, all: &[Place], identity: &Identity) -> bool {
    let around = |other: &&Place| {
        other.content == Content::Host
            && other.path != place.path
            && place.path.starts_with(&other.path)
    };
    let innermost = all.iter().rev().find(around);
    innermost.is_some_and(|around| identity.idmaps.contains_key(&around.path))
}

/// The payload's user, which is not root.
struct User {
    user: u32,
    groups: Vec<u32>,
}

impl User {
    fn of_payload(tier: Tier, identity: &Identity, facts: &Facts) -> Option<Self> {
        if let (Tier::Namespaces, Some((user, group))) = (tier, identity.user) {
            return Some(Self { user, groups: vec![group] });
        }
        if facts.user == 0 {
            return None;
        }
        let mut groups = vec![facts.group];
        let others = rustix::process::getgroups().ok()?;
        groups.extend(others.into_iter().map(rustix::process::Gid::as_raw));
        Some(Self { user: facts.user, groups })
    }

    fn is_shut_out(&self, path: &Path, folders: &mut Folders) -> bool {
        let Ok(found) = std::fs::symlink_metadata(path) else { return false };
        let group = self.groups.contains(&found.gid()) && found.mode() & 0o070 != 0;
        let others = found.mode() & 0o007 != 0;
        let modes_say_so = found.uid() == 0 && self.user != 0 && !group && !others;
        modes_say_so && !has_access_list(path) && folders.are_roots(path)
    }
}

/// Whether the file has an access list, which can let a user in whom the mode keeps out. Anything
/// but a clear "no" counts as yes: then the path is covered.
fn has_access_list(path: &Path) -> bool {
    use rustix::io::Errno;
    let mut nothing: [u8; 0] = [];
    let asked = rustix::fs::lgetxattr(path, "system.posix_acl_access", &mut nothing);
    !matches!(asked, Err(Errno::NODATA | Errno::OPNOTSUPP))
}

/// What is known of folders: whether only root can change what lies in them.
#[derive(Default)]
struct Folders(BTreeMap<PathBuf, bool>);

impl Folders {
    /// Whether only root can change what lies under the names that lead to a path.
    fn are_roots(&mut self, path: &Path) -> bool {
        path.ancestors().skip(1).all(|folder| {
            let ask = || {
                std::fs::symlink_metadata(folder)
                    .is_ok_and(|found| found.uid() == 0 && found.mode() & 0o022 == 0)
            };
            *self.0.entry(folder.to_path_buf()).or_insert_with(ask)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// user::rw-, user:1:r--, group::---, mask::r--, other::---, as acl(5) lays it out.
    const LIST: &[(u16, u16, u32)] =
        &[(1, 6, NONE), (2, 4, 1), (4, 0, NONE), (16, 4, NONE), (32, 0, NONE)];
    const NONE: u32 = u32::MAX;

    #[test]
    fn an_access_list_is_seen() -> Result<(), Box<dyn std::error::Error>> {
        let file = tempfile::NamedTempFile::new_in("/var/tmp")?;
        assert!(!has_access_list(file.path()));
        let mut bytes = 2u32.to_le_bytes().to_vec();
        for (tag, rights, id) in LIST {
            bytes.extend(tag.to_le_bytes());
            bytes.extend(rights.to_le_bytes());
            bytes.extend(id.to_le_bytes());
        }
        let flags = rustix::fs::XattrFlags::empty();
        match rustix::fs::setxattr(file.path(), "system.posix_acl_access", &bytes, flags) {
            Err(rustix::io::Errno::OPNOTSUPP) => return Ok(()),
            set => set?,
        }
        assert!(has_access_list(file.path()));
        assert!(has_access_list(Path::new("/nonexistent")));
        Ok(())
    }
}
