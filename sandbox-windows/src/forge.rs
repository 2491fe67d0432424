//! Plans over a file system that does not exist, for tests.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use sandbox_core::plan::{Host, Plan};
use sandbox_core::resolve::{Kind, Lookup};
use sandbox_core::{ExecRequest, PolicyBuilder};

/// The program that every plan runs; `/usr` is granted for it.
pub(crate) const TOOL: &str = "/usr/bin/tool";

/// A file system by its entries: a path that ends in a slash is a folder, `a -> b` is a link,
/// anything else is a file. Folders above an entry exist.
struct Forged(BTreeMap<PathBuf, (Kind, PathBuf)>);

impl Forged {
    fn new(entries: &[&str]) -> Self {
        let mut known = BTreeMap::new();
        for entry in entries.iter().chain([&TOOL]) {
            let (path, target) = entry.split_once(" -> ").unwrap_or((entry, ""));
            let kind = match () {
                () if !target.is_empty() => Kind::Link,
                () if path.ends_with('/') => Kind::Directory,
                () => Kind::File,
            };
            let path = Path::new(path.trim_end_matches('/'));
            for above in path.ancestors().skip(1) {
                known.entry(above.into()).or_insert((Kind::Directory, PathBuf::new()));
            }
            known.insert(path.into(), (kind, target.into()));
        }
        Self(known)
    }
}

impl Lookup for Forged {
    fn kind(&self, path: &Path) -> io::Result<Kind> {
        self.0.get(path).map(|(kind, _)| *kind).ok_or(io::ErrorKind::NotFound.into())
    }

    fn target(&self, path: &Path) -> io::Result<PathBuf> {
        self.0.get(path).map(|(_, target)| target.clone()).ok_or(io::ErrorKind::NotFound.into())
    }
}

/// The plan of a policy on a host with these entries.
pub(crate) fn plan(policy: PolicyBuilder, entries: &[&str]) -> Plan {
    plan_for(policy, &ExecRequest::new(TOOL), entries)
}

/// As [`plan`], for a request of one's own.
pub(crate) fn plan_for(policy: PolicyBuilder, request: &ExecRequest, entries: &[&str]) -> Plan {
    let policy = policy.read("/usr").and_then(PolicyBuilder::build).unwrap();
    let files = Forged::new(entries);
    Plan::new(&policy, request, &Host { variables: BTreeMap::new(), files: &files }).unwrap()
}
