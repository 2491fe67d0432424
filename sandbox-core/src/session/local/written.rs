//! Which folders of a session without layers are copied, and what in them stays as it is.
//!
//! A place of the sandbox may hang on something inside another one's folder, in two ways. It may be
//! mounted there: then what lies at its mount point on the host is covered, and neither the commands'
//! work nor theirs to see. Or its own content lies there, and is mounted elsewhere: then it is
//! theirs under both names. In either case a restore that put another file or folder there would
//! tear the two apart, and take a cover off what it hides.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::path::SandboxPath;
use crate::plan::{Content, Place};
use crate::policy::PolicyError;
use crate::policy::filesystem::Rights;
use crate::snapshot::Folder;

/// A folder that is copied: its path in the session, and on the host.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) target: SandboxPath,
    pub(super) label: String,
    pub(super) host: PathBuf,
    /// Paths in it at which something else is mounted.
    pub(super) spared: Vec<PathBuf>,
    /// Folders in it that are mounted here or elsewhere, with what they hold.
    pub(super) fixed: Vec<PathBuf>,
}

/// The folders that are copied, the outer before the inner. One lies in another only where that one
/// spares it.
///
/// # Errors
/// A place whose path no mount can have.
pub(super) fn written(
    places: &[Place],
    is_copied: impl Fn(&Place) -> bool,
) -> Result<Vec<Written>> {
    let mut copied: Vec<&Place> = places.iter().filter(|place| is_copied(place)).collect();
    copied.sort_by_key(|place| place.host());
    let mut all: Vec<Written> = Vec::new();
    for place in copied {
        if !all.iter().any(|known| known.holds(place.host())) {
            all.push(Written::new(place, places)?);
        }
    }
    Ok(all)
}

impl Written {
    fn new(place: &Place, places: &[Place]) -> Result<Self> {
        let target = SandboxPath::new(&place.path).map_err(PolicyError::from)?;
        let (label, host) = (target.to_string(), place.host().to_path_buf());
        let mut it = Self { target, label, host, spared: Vec::new(), fixed: Vec::new() };
        for other in places {
            let point = mount_point(other, places);
            if let Some(point) = &point {
                let same = other.content == Content::Host && other.host() == point;
                let work = other.directory && other.rights.intersects(Rights::CHANGES);
                it.keep(point, same && work);
            }
            if other.content == Content::Host && point.as_deref() != Some(other.host()) {
                it.keep(other.host(), other.directory);
            }
        }
        Ok(it)
    }

    /// Notes that something stays what it is, and whether what it holds is the commands' work.
    fn keep(&mut self, path: &Path, work: bool) {
        let Ok(inside) = path.strip_prefix(&self.host) else { return };
        if !inside.as_os_str().is_empty() {
            let list = if work { &mut self.fixed } else { &mut self.spared };
            list.push(inside.to_path_buf());
        }
    }

    pub(super) fn as_folder(&self) -> Folder<'_> {
        let (label, path) = (&self.label, &self.host);
        Folder { label, path, spared: &self.spared, fixed: &self.fixed }
    }

    /// Whether what lies there is copied with it.
    fn holds(&self, path: &Path) -> bool {
        let inside = path.strip_prefix(&self.host);
        inside.is_ok_and(|inside| !self.spared.iter().any(|spared| inside.starts_with(spared)))
    }
}

/// Whether commands can change what a folder of the host holds.
pub(super) fn is_written(place: &Place) -> bool {
    let shown = place.directory && place.content == Content::Host;
    shown && place.rights.contains(Rights::READ_WRITE)
}

/// Where a place is mounted, on the host; nowhere for one that lies in no folder of the host.
fn mount_point(place: &Place, places: &[Place]) -> Option<PathBuf> {
    let parent = place.path.parent()?;
    let around = places.iter().rev().find(|around| parent.starts_with(&around.path))?;
    let shown = around.content == Content::Host;
    let inside = place.path.strip_prefix(&around.path).ok()?;
    shown.then(|| around.host().join(inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: &str, content: Content, source: Option<&str>, rights: Rights) -> Place {
        let source = source.map(PathBuf::from);
        Place { path: path.into(), directory: true, content, source, rights }
    }

    fn host(path: &str, source: &str, rights: Rights) -> Place {
        place(path, Content::Host, (path != source).then_some(source), rights)
    }

    fn hidden(path: &str) -> Place {
        place(path, Content::Hidden, None, Rights::empty())
    }

    /// Each folder with what it spares and what is fixed in it.
    fn told(mut places: Vec<Place>) -> Vec<(String, Vec<String>, Vec<String>)> {
        places.sort_by(|one, other| one.path.cmp(&other.path));
        let names = |paths: &[PathBuf]| {
            let mut names: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
            names.sort();
            names.dedup();
            names
        };
        let all = written(&places, is_written).expect("paths of a sandbox");
        all.iter().map(|it| (it.label.clone(), names(&it.spared), names(&it.fixed))).collect()
    }

    fn line(label: &str, spared: &[&str], fixed: &[&str]) -> (String, Vec<String>, Vec<String>) {
        let owned = |names: &[&str]| names.iter().map(|&name| name.into()).collect();
        (label.into(), owned(spared), owned(fixed))
    }

    const ALL: Rights = Rights::READ_WRITE;
    const READ: Rights = Rights::READ_ONLY;

    #[test]
    fn what_is_mounted_inside_is_spared() {
        let private = place("/w/tmp", Content::Private, None, ALL);
        let mut file = host("/w/one", "/w/one", READ);
        file.directory = false;
        let places = vec![
            host("/", "/", READ),
            host("/w", "/w", ALL),
            hidden("/w/vault/keys"),
            host("/w/git", "/w/git", READ),
            private,
            host("/w/tmp/deep", "/else", READ),
            host("/w/scratch", "/own/0", ALL),
            file,
        ];
        let own = line("/w/scratch", &[], &[]);
        let spared = ["git", "one", "scratch", "tmp", "vault/keys"];
        assert_eq!(told(places), [own, line("/w", &spared, &[])]);
    }

    /// It is copied on its own then.
    #[test]
    fn what_is_written_inside_of_what_is_spared() {
        let places = vec![
            host("/w", "/w", ALL),
            host("/w/git", "/w/git", READ),
            host("/w/git/x", "/w/git/x", ALL),
        ];
        let spared = line("/w", &["git"], &["git/x"]);
        assert_eq!(told(places), [spared, line("/w/git/x", &[], &[])]);
    }

    #[test]
    fn what_is_mounted_elsewhere_too_is_the_same_folder() {
        let mut file = host("/f", "/open/file", ALL);
        file.directory = false;
        for rights in [ALL, READ] {
            let places = vec![
                host("/a", "/open/inner", rights),
                hidden("/a/secret"),
                host("/b", "/open", ALL),
                hidden("/b/inner/secret"),
                host("/c", "/open/inner/deep", READ),
                file.clone(),
            ];
            let spared = ["file", "inner/secret"];
            assert_eq!(told(places), [line("/b", &spared, &["inner", "inner/deep"])]);
        }
    }

    #[test]
    fn a_mount_inside_hangs_on_all_names_of_its_place() {
        let places = vec![
            host("/a", "/open/inner", ALL),
            host("/a/s", "/own/0", ALL),
            host("/b", "/open", ALL),
            host("/h", "/open", ALL),
            host("/h/t", "/own/1", READ),
            host("/b/x", "/open/x", ALL),
        ];
        let own = line("/a/s", &[], &[]);
        let open = line("/b", &["inner/s", "t"], &["inner", "x"]);
        assert_eq!(told(places), [open, own]);
    }
}
