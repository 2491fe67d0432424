//! Where the hierarchies are mounted, and which group the caller is in.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Which interface a hierarchy has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

/// A mounted hierarchy, at the caller's own group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hierarchy {
    pub(super) version: Version,
    /// The caller's group.
    pub(super) path: PathBuf,
    controllers: Vec<String>,
}

/// The hierarchies of this process.
pub(super) fn hierarchies() -> Vec<Hierarchy> {
    let read = |name| fs::read_to_string(name).unwrap_or_default();
    let mut found = parse(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"));
    for hierarchy in found.iter_mut().filter(|h| h.version == Version::Two) {
        let list = fs::read_to_string(hierarchy.path.join("cgroup.controllers"));
        hierarchy.controllers =
            list.unwrap_or_default().split_whitespace().map(Into::into).collect();
    }
    found
}

/// Reads `/proc/self/mountinfo` and `/proc/self/cgroup`.
fn parse(mounts: &str, groups: &str) -> Vec<Hierarchy> {
    let mut found = Vec::new();
    for line in mounts.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let (mut left, mut right) = (left.split(' '), right.split(' '));
        let (Some(root), Some(point)) = (left.nth(3), left.next()) else { continue };
        let (Some(kind), Some(options)) = (right.next(), right.nth(1)) else { continue };
        let version = match kind {
            "cgroup2" => Version::Two,
            "cgroup" => Version::One,
            _ => continue,
        };
        let controllers: Vec<String> = match version {
            Version::Two => Vec::new(),
            Version::One => options.split(',').map(Into::into).collect(),
        };
        let Some(own) = own_group(groups, version, &controllers) else { continue };
        // A container may see only a part of the tree, mounted as its root.
        let below = own.strip_prefix(root).unwrap_or(Path::new(""));
        let path = Path::new(point).join(below);
        found.push(Hierarchy { version, path, controllers });
    }
    found
}

/// The caller's group, from lines such as `4:memory:/a/b` and `0::/a/b`.
fn own_group<'a>(groups: &'a str, version: Version, controllers: &[String]) -> Option<&'a Path> {
    let group = |line: &'a str| {
        let mut parts = line.splitn(3, ':');
        let (_, names, path) = (parts.next()?, parts.next()?, parts.next()?);
        let matches = match version {
            Version::Two => names.is_empty(),
            Version::One => names.split(',').any(|name| controllers.iter().any(|c| c == name)),
        };
        matches.then_some(Path::new(path))
    };
    groups.lines().find_map(group)
}

impl Hierarchy {
    pub(super) fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|name| name == controller)
    }

    /// Whether a group with this controller can be made here, as far as rights tell.
    pub(super) fn usable(&self, controller: &str) -> bool {
        use rustix::fs::{Access, access};
        let writable = |name: &str| access(self.path.join(name), Access::WRITE_OK).is_ok();
        let delegated = || {
            let list = fs::read_to_string(self.path.join("cgroup.subtree_control"));
            list.is_ok_and(|list| list.split_whitespace().any(|name| name == controller))
        };
        match self.version {
            Version::One => writable("."),
            // A group that has processes of its own hands nothing down, but for the root.
            Version::Two => writable(".") && (delegated() || self.may_delegate()),
        }
    }

    /// Whether this process, and what it started here, may enter groups below.
    pub(super) fn admits(&self) -> bool {
        use rustix::fs::{Access, access};
        let writable = |name: &str| access(self.path.join(name), Access::WRITE_OK).is_ok();
        writable(".") && writable("cgroup.procs")
    }

    /// The path of a new group; those of launchers that are no more go.
    pub(super) fn fresh(&self) -> PathBuf {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        self.sweep();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        self.path.join(format!("sandbox-{}-{number}", std::process::id()))
    }

    fn may_delegate(&self) -> bool {
        let own = fs::read_to_string(self.path.join("cgroup.procs"));
        let root = !self.path.join("cgroup.type").exists();
        root || own.is_ok_and(|own| own.is_empty())
    }

    /// Version 2 hands a controller down only when asked.
    pub(super) fn delegate(&self, controller: &str) -> io::Result<()> {
        let file = self.path.join("cgroup.subtree_control");
        let delegated = fs::read_to_string(&file)?;
        if delegated.split_whitespace().any(|name| name == controller) {
            return Ok(());
        }
        fs::write(file, format!("+{controller}"))
    }

    /// Removes the empty groups of launchers that are no more.
    fn sweep(&self) {
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let pid = name.to_str().and_then(|name| name.strip_prefix("sandbox-"));
            let pid = pid.and_then(|rest| rest.split_once('-')).map(|(pid, _)| pid);
            if pid.is_some_and(|pid| !super::alive(pid)) {
                // What still stands still, of version 1, could not end with its launcher.
                let _ = fs::write(entry.path().join("freezer.state"), "THAWED");
                // A group that is not empty stays, whoever's it is.
                let _ = fs::remove_dir(entry.path().join(super::freezer::COMMANDS));
                let _ = fs::remove_dir(entry.path());
            }
        }
    }
}
