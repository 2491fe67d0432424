//! Hidden paths that the payload's user could not open anyway.
//!
//! A cover costs a mount, and on the Landlock tier it costs breaking a folder up. `/etc/shadow` and
//! its like belong to root and are closed to others, which is as good for a payload that is neither
//! root nor in the file's group. Only paths whose folder root alone can change count: elsewhere a
//! mode can change under us.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use sandbox_core::plan::{Content, Plan};

use crate::facts::Facts;
use crate::identity::Identity;
use crate::jail::Tier;

/// The plan without covers that cover nothing.
pub(crate) fn without(plan: &Plan, tier: Tier, identity: &Identity, facts: &Facts) -> Plan {
    let mut plan = plan.clone();
    let Some(user) = User::of_payload(tier, identity, facts) else { return plan };
    let inner = plan.places.clone();
    plan.places.retain(|place| {
        let leaf = !inner.iter().any(|p| p.path != place.path && p.path.starts_with(&place.path));
        place.content != Content::Hidden || !leaf || !user.is_shut_out(&place.path)
    });
    plan
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

    fn is_shut_out(&self, path: &Path) -> bool {
        let Ok(found) = std::fs::symlink_metadata(path) else { return false };
        let group = self.groups.contains(&found.gid()) && found.mode() & 0o070 != 0;
        let others = found.mode() & 0o007 != 0;
        found.uid() == 0 && self.user != 0 && !group && !others && folders_are_roots(path)
    }
}

/// Whether only root can change what lies under these names.
fn folders_are_roots(path: &Path) -> bool {
    path.ancestors().skip(1).all(|folder| {
        std::fs::symlink_metadata(folder)
            .is_ok_and(|found| found.uid() == 0 && found.mode() & 0o022 == 0)
    })
}
