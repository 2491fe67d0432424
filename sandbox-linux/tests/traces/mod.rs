//! What a process can leave behind, as sets of names: descriptors, processes, mounts, namespaces,
//! control groups, temporary files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{getpid, getuid};

/// How long the kernel and the reaper have for what goes on behind a caller's back.
const SETTLES_WITHIN: Duration = Duration::from_secs(1);

/// Everything that can be left behind, at one moment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Traces {
    pub(crate) descriptors: BTreeSet<String>,
    pub(crate) processes: BTreeSet<String>,
    pub(crate) mounts: BTreeSet<String>,
    pub(crate) namespaces: BTreeSet<String>,
    pub(crate) groups: BTreeSet<String>,
    pub(crate) files: BTreeSet<String>,
}

impl Traces {
    /// Those of this process and of everything below it.
    pub(crate) fn now() -> Self {
        let below = descendants();
        let own = ["self".to_owned()];
        let names = own.into_iter().chain(below.keys().map(ToString::to_string));
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("the mounts");
        Self {
            descriptors: descriptors(),
            namespaces: names.flat_map(|name| namespaces(&name)).collect(),
            processes: below.into_values().collect(),
            mounts: mounts.lines().map(str::to_owned).collect(),
            groups: groups(),
            files: files(),
        }
    }

    /// What is here and was not `before`.
    pub(crate) fn beyond(&self, before: &Self) -> Self {
        self.combine(before, |here, before| here.difference(before).cloned().collect())
    }

    /// Everything is gone that was not there `before`. Something that is seen at each look is
    /// left; what comes and goes belongs to somebody else.
    #[track_caller]
    pub(crate) fn settle(before: &Self) {
        let deadline = Instant::now() + SETTLES_WITHIN;
        let mut left = Self::now().beyond(before);
        while !left.is_empty() {
            let some = left.combine(&left, |left, _| left.iter().take(5).cloned().collect());
            assert!(Instant::now() < deadline, "left: {:?}, such as {some:#?}", left.counts());
            thread::sleep(Duration::from_millis(10));
            let still = Self::now();
            left = left.combine(&still, |left, now| left.intersection(now).cloned().collect());
        }
    }

    fn is_empty(&self) -> bool {
        self.counts().iter().all(|(_, count)| *count == 0)
    }

    /// How many there are of each kind.
    pub(crate) fn counts(&self) -> [(&'static str, usize); 6] {
        [
            ("descriptors", self.descriptors.len()),
            ("processes", self.processes.len()),
            ("mounts", self.mounts.len()),
            ("namespaces", self.namespaces.len()),
            ("groups", self.groups.len()),
            ("files", self.files.len()),
        ]
    }

    fn combine(
        &self,
        other: &Self,
        with: impl Fn(&BTreeSet<String>, &BTreeSet<String>) -> BTreeSet<String>,
    ) -> Self {
        Self {
            descriptors: with(&self.descriptors, &other.descriptors),
            processes: with(&self.processes, &other.processes),
            mounts: with(&self.mounts, &other.mounts),
            namespaces: with(&self.namespaces, &other.namespaces),
            groups: with(&self.groups, &other.groups),
            files: with(&self.files, &other.files),
        }
    }
}

/// The entries of a folder that may change or go while it is read.
fn entries(folder: impl AsRef<Path>) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// Our own, but for the one that reads the folder.
fn descriptors() -> BTreeSet<String> {
    let link = |path: PathBuf| Some((name(&path).to_owned(), fs::read_link(&path).ok()?));
    let open = entries("/proc/self/fd").filter_map(link);
    let others = open.filter(|(_, target)| name(target) != "fd");
    others.map(|(number, target)| format!("{number} -> {}", target.display())).collect()
}

/// All processes below this one, zombies included: number, and name with state.
fn descendants() -> BTreeMap<u32, String> {
    let all: Vec<_> = entries("/proc").filter_map(|path| process(&path)).collect();
    let mut below = BTreeMap::from([(getpid().as_raw_nonzero().get().unsigned_abs(), None)]);
    loop {
        let known = below.len();
        for (number, parent, text) in &all {
            if below.contains_key(parent) {
                below.entry(*number).or_insert_with(|| Some(text.clone()));
            }
        }
        if below.len() == known {
            return below.into_iter().filter_map(|(number, text)| Some((number, text?))).collect();
        }
    }
}

/// Number, parent's number, and a text, from `1 (a name) S 0 ...`.
fn process(folder: &Path) -> Option<(u32, u32, String)> {
    let number = name(folder).parse().ok()?;
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    let (begin, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let (state, parent) = (fields.next()?, fields.next()?.parse().ok()?);
    // A process that becomes a zombie is still the same one.
    let dead = if state == "Z" { "zombie " } else { "" };
    Some((number, parent, format!("{dead}{begin})")))
}

/// The namespaces of a process, as far as they can be seen.
fn namespaces(process: &str) -> BTreeSet<String> {
    let links = entries(format!("/proc/{process}/ns")).filter_map(|path| fs::read_link(path).ok());
    links.map(|link| link.display().to_string()).collect()
}

/// Control groups that carry the number of this process.
fn groups() -> BTreeSet<String> {
    let ours = format!("sandbox-{}-", std::process::id());
    let mut found = BTreeSet::new();
    let mut folders = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(folder) = folders.pop() {
        // Hierarchies are also reachable under second names.
        let below = entries(&folder).filter(|path| path.is_dir() && !path.is_symlink());
        for path in below {
            if name(&path).starts_with(&ours) {
                found.insert(path.display().to_string());
            }
            folders.push(path);
        }
    }
    found
}

/// Temporary files of ours that are named like the sandbox's.
fn files() -> BTreeSet<String> {
    let all = entries("/tmp").chain(entries("/var/tmp"));
    let named = all.filter(|path| name(path).starts_with("sandbox-"));
    let owner = |path: &Path| fs::symlink_metadata(path).ok().map(|found| found.uid());
    let ours = named.filter(|path| owner(path) == Some(getuid().as_raw()));
    ours.map(|path| path.display().to_string()).collect()
}
