//! The file by which programs find the sandbox's DNS server.
//!
//! It lies over whatever `/etc/resolv.conf` leads to inside: many hosts have a link there, to a
//! service's folder that the sandbox does not have. Where the policy grants a folder of the host that
//! has no such file, nothing can be put; libraries then ask the loopback, where names are answered as
//! well.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use sandbox_core::Rights;
use sandbox_core::egress::Range;
use sandbox_core::plan::{Content, Place, Plan};

use super::{Counts, Trust};
use crate::fs::mounts::OwnFile;

/// The most links that are followed, as in the kernel.
const LINKS: usize = 40;

/// What the file holds.
fn content() -> String {
    let server = Range::default().own().v4;
    format!("nameserver {server}\noptions edns0 timeout:2 attempts:2\n")
}

/// Adds the file to a plan that lists hosts, as a file that is covered; where it is then.
fn add(plan: &mut Plan) -> Option<PathBuf> {
    Counts::of(&plan.network)?;
    lay(plan, Path::new("/etc/resolv.conf"))
}

/// The files of a plan's sandbox that programs learn of the way out by.
pub(crate) fn own_files(plan: &mut Plan, trust: Option<&Trust>) -> Vec<OwnFile> {
    let resolver = add(plan).map(|path| OwnFile {
        name: "resolv.conf",
        paths: vec![path],
        content: content(),
    });
    resolver.into_iter().chain(trust.map(|trust| trust.file(plan))).collect()
}

/// Where a path leads to a file of the host.
pub(super) fn existing(plan: &Plan, path: &Path) -> Option<PathBuf> {
    let path = find(plan, path)?;
    let place = plan.places.iter().rev().find(|place| path.starts_with(&place.path))?;
    let tail = path.strip_prefix(&place.path).ok()?;
    // Joined with nothing, a file's path would become a folder's.
    let host = match tail.as_os_str().is_empty() {
        true => place.host().to_path_buf(),
        false => place.host().join(tail),
    };
    let is_file = std::fs::symlink_metadata(host).is_ok_and(|found| found.is_file());
    (is_file && place.content == Content::Host).then_some(path)
}

/// Adds a file to a plan, as one that is covered, where a path leads; where it is then.
pub(super) fn lay(plan: &mut Plan, path: &Path) -> Option<PathBuf> {
    let path = find(plan, path)?;
    let around = plan.places.iter().rev().find(|place| path.starts_with(&place.path));
    match around {
        Some(place) if place.path == path && place.directory => return None,
        Some(place) if place.path != path && place.content == Content::Hidden => return None,
        Some(place) if place.path != path && place.content == Content::Host => {
            let host = place.host().join(path.strip_prefix(&place.path).ok()?);
            std::fs::symlink_metadata(host).ok().filter(std::fs::Metadata::is_file)?;
        }
        _ => {}
    }
    let (content, rights) = (Content::Hidden, Rights::empty());
    let places = Arc::make_mut(&mut plan.places);
    places.retain(|place| place.path != path);
    places.push(Place { path: path.clone(), directory: false, content, source: None, rights });
    places.sort_by(|a, b| a.path.cmp(&b.path));
    Some(path)
}

/// Where a path leads inside, every link followed; it need not exist.
fn find(plan: &Plan, path: &Path) -> Option<PathBuf> {
    let mut found = PathBuf::from("/");
    let mut left: VecDeque<OsString> = names(path).collect();
    let mut links = 0;
    while let Some(name) = left.pop_front() {
        if name == ".." {
            found.pop();
            continue;
        }
        let next = found.join(&name);
        let Some(target) = link(plan, &next) else {
            found = next;
            continue;
        };
        links += 1;
        if links > LINKS {
            return None;
        }
        if target.is_absolute() {
            found = PathBuf::from("/");
        }
        for name in names(&target).collect::<Vec<_>>().into_iter().rev() {
            left.push_front(name);
        }
    }
    Some(found)
}

fn names(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    })
}

/// Where a path of the sandbox points, if it is a link there.
fn link(plan: &Plan, path: &Path) -> Option<PathBuf> {
    if let Some(target) = plan.links.get(path) {
        return Some(target.clone());
    }
    let around = plan.places.iter().rev().find(|place| path.starts_with(&place.path))?;
    if around.content != Content::Host {
        return None;
    }
    let tail = path.strip_prefix(&around.path).ok()?;
    std::fs::read_link(around.host().join(tail)).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use sandbox_core::plan::Host;
    use sandbox_core::{ExecRequest, Policy};

    use super::*;

    fn plan(grant: &Path) -> Result<Plan, Box<dyn std::error::Error>> {
        let policy = Policy::builder().read("/usr")?.read("/bin")?.read(grant)?;
        let policy = policy.allow_hosts(["example.org"])?.build()?;
        Ok(Plan::new(&policy, &ExecRequest::new("/bin/true"), &Host::current())?)
    }

    #[test]
    fn links_are_followed_to_where_nothing_is() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let etc = fs::canonicalize(folder.path())?.join("etc");
        fs::create_dir(&etc)?;
        symlink("../gone/../elsewhere/stub.conf", etc.join("resolv.conf"))?;
        symlink("/absolute/file", etc.join("other"))?;
        symlink("loop", etc.join("loop"))?;
        let plan = plan(&etc)?;
        let beside = etc.with_file_name("elsewhere");
        assert_eq!(find(&plan, &etc.join("resolv.conf")), Some(beside.join("stub.conf")));
        assert_eq!(find(&plan, &etc.join("other")), Some("/absolute/file".into()));
        assert_eq!(find(&plan, &etc.join("loop")), None);
        assert_eq!(find(&plan, &etc.join("plain")), Some(etc.join("plain")));
        Ok(())
    }

    #[test]
    fn without_etc_the_file_is_a_place_of_its_own() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let mut plan = plan(&fs::canonicalize(folder.path())?)?;
        assert_eq!(add(&mut plan), Some("/etc/resolv.conf".into()));
        assert!(plan.places.is_sorted_by_key(|place| place.path.clone()));
        Ok(())
    }
}
