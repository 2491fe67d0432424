//! Two small folders in two states, and a store that can be told to fail.

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use super::dump::dump;
use crate::ids::SnapshotName;
use crate::snapshot::disk::{Disk, Step, Watch};
use crate::snapshot::{Folder, Limits, Store};

/// How the disk fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing is done any more: what is on the disk then is what a kill would leave.
    Killed,
    /// One step fails.
    Failed,
    /// Nothing that takes room is done any more.
    Full,
}

/// A disk that fails from or at one step.
pub(super) struct Failing {
    fault: Fault,
    at: usize,
    steps: AtomicUsize,
    hit: AtomicBool,
}

impl Failing {
    pub(super) fn new(fault: Fault, at: usize) -> Arc<Self> {
        Arc::new(Self { fault, at, steps: 0.into(), hit: false.into() })
    }

    /// Whether it has failed.
    pub(super) fn hit(&self) -> bool {
        self.hit.load(Ordering::SeqCst)
    }
}

impl Watch for Failing {
    fn before(&self, step: Step) -> io::Result<()> {
        let now = self.steps.fetch_add(1, Ordering::SeqCst);
        let stops = match self.fault {
            Fault::Killed => now >= self.at,
            Fault::Failed => now == self.at,
            Fault::Full => now >= self.at && step == Step::Takes,
        };
        if stops {
            self.hit.store(true, Ordering::SeqCst);
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

/// Both folders as text.
pub(super) type State = [BTreeMap<PathBuf, String>; 2];

/// What the folders hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Plain,
    /// Also what stays where it is, in several levels.
    Levels,
    /// The same, and the outer levels are closed to everybody now.
    Closed,
}

impl Content {
    /// The mode of a folder in the second state.
    fn second(self, mode: u32) -> u32 {
        if self == Self::Closed { 0 } else { mode }
    }
}

/// What is spared, if something is. Nothing ever lies at the last.
const SPARED: [&str; 3] = ["vault/inner/keys", "vault/list", "gone/away"];

/// What is fixed.
const FIXED: [&str; 1] = ["shared"];

/// What must never be something else.
const SAME: [&str; 7] = [
    "",
    "vault",
    "vault/inner",
    "vault/inner/keys",
    "vault/inner/keys/secret",
    "vault/list",
    "shared",
];

/// Two folders, and a store that holds a snapshot of their first state, named `first`. They are in
/// their second state.
pub(super) struct Stage {
    top: tempfile::TempDir,
    spared: Vec<PathBuf>,
    fixed: Vec<PathBuf>,
    inodes: Vec<u64>,
    /// With what is spared as it is now.
    pub(super) first: State,
    pub(super) second: State,
}

impl Stage {
    pub(super) fn new(content: Content) -> Self {
        // In memory, where there is such a place: thousands of steps wait for the disk elsewhere.
        let top = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let top = top.expect("a folder");
        let [one, two] = ["one", "two"].map(|name| top.path().join(name));
        for folder in [&one, &two] {
            fs::create_dir(folder).expect("a folder");
            first(folder, content);
        }
        let mut stage = Self::bare(top, content);
        stage.first = stage.state();
        stage.save(&stage.open(), "first").expect("a snapshot");
        for folder in [&one, &two] {
            second(folder, content);
        }
        stage.second = stage.state();
        for (first, second) in stage.first.iter_mut().zip(&stage.second) {
            for (path, line) in first {
                if stage.spared.iter().any(|spared| path.starts_with(spared)) {
                    line.clone_from(&second[path]);
                }
            }
        }
        stage.inodes = stage.inodes();
        stage
    }

    fn bare(top: tempfile::TempDir, content: Content) -> Self {
        let paths = |names: &[&str]| match content {
            Content::Plain => Vec::new(),
            Content::Levels | Content::Closed => names.iter().map(PathBuf::from).collect(),
        };
        let (first, second, inodes) = Default::default();
        Self { top, spared: paths(&SPARED), fixed: paths(&FIXED), inodes, first, second }
    }

    /// Whether all that is to stay is what it was.
    pub(super) fn is_same(&self) -> bool {
        self.inodes() == self.inodes
    }

    fn inodes(&self) -> Vec<u64> {
        let inode = |path: PathBuf| fs::symlink_metadata(path).map_or(0, |found| found.ino());
        let folders = ["one", "two"].map(|name| self.top.path().join(name));
        let inodes =
            folders.map(|folder| opened(&folder, |_| SAME.map(|name| inode(folder.join(name)))));
        inodes.concat()
    }

    /// Whether a path in a folder is a level.
    pub(super) fn is_level(&self, path: &Path) -> bool {
        let spared = self.spared.iter().any(|spared| spared != path && spared.starts_with(path));
        path == Path::new("") || spared || self.fixed.iter().any(|fixed| fixed == path)
    }

    /// What the store holds, as text.
    pub(super) fn copies(&self) -> BTreeMap<PathBuf, String> {
        dump(&self.store())
    }

    pub(super) fn open(&self) -> Store {
        Store::open(&self.store()).expect("a store")
    }

    /// A store on a disk that fails. Opening it has not failed yet.
    pub(super) fn open_failing(&self, failing: &Arc<Failing>) -> Store {
        let mut store = self.open();
        store.disk = Disk::watched(Arc::<Failing>::clone(failing));
        store
    }

    pub(super) fn reopen_failing(&self, failing: &Arc<Failing>) -> crate::Result<Store> {
        Store::watched(&self.store(), Disk::watched(Arc::<Failing>::clone(failing)))
    }

    fn store(&self) -> PathBuf {
        self.top.path().join("store")
    }

    fn with_folders<T>(&self, with: impl FnOnce(&[Folder<'_>]) -> T) -> T {
        let [one, two] = ["one", "two"].map(|name| self.top.path().join(name));
        let folder = |label, path| {
            let whole = Folder::new(label, path);
            Folder { spared: &self.spared, fixed: &self.fixed, ..whole }
        };
        with(&[folder("one", &one), folder("two", &two)])
    }

    pub(super) fn save(&self, store: &Store, name: &str) -> crate::Result<()> {
        self.with_folders(|folders| {
            store.save(&named(name), folders, Limits::default(), &|_| ()).map(drop)
        })
    }

    pub(super) fn restore(&self, store: &Store, name: &str) -> crate::Result<()> {
        self.with_folders(|folders| store.restore(&named(name), folders, &|_| ()))
    }

    pub(super) fn state(&self) -> State {
        ["one", "two"].map(|name| {
            let folder = self.top.path().join(name);
            opened(&folder, |modes| {
                let mut lines = dump(&folder);
                for (path, mode) in OUTER.iter().zip(modes) {
                    let line = lines.entry(PathBuf::from(path));
                    line.and_modify(|line| *line += &format!(" mode {mode:?}"));
                }
                lines
            })
        })
    }

    /// Does something while a folder, or one in it, is elsewhere.
    pub(super) fn without(&self, path: &str, with: impl FnOnce()) {
        let [path, away] = [path, "away"].map(|name| self.top.path().join(name));
        fs::rename(&path, &away).expect("it can be moved");
        with();
        fs::rename(&away, &path).expect("it can be moved back");
    }

    /// What lies in the store beside the lock.
    pub(super) fn stored(&self) -> Vec<String> {
        let names = fs::read_dir(self.store()).expect("a store");
        let names = names.map(|entry| entry.expect("a name").file_name());
        let mut names: Vec<_> = names.filter_map(|name| name.into_string().ok()).collect();
        names.retain(|name| name != "lock");
        names.sort();
        names
    }
}

/// The folders that a state may have closed, from the top.
const OUTER: [&str; 3] = ["", "vault", "vault/inner"];

/// Does something with a folder while its owner can look into it, and tells the modes that it has.
fn opened<T>(root: &Path, with: impl FnOnce(&[Option<u32>]) -> T) -> T {
    let paths = OUTER.map(|name| root.join(name));
    let open = |path: &PathBuf| {
        let found = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_dir)?;
        let mode = found.mode() & 0o7777;
        set_mode(path, mode | 0o700);
        Some(mode)
    };
    let modes: Vec<Option<u32>> = paths.iter().map(open).collect();
    let done = with(&modes);
    for (path, mode) in paths.iter().zip(modes).rev() {
        if let Some(mode) = mode {
            set_mode(path, mode);
        }
    }
    done
}

pub(super) fn named(name: &str) -> SnapshotName {
    SnapshotName::new(name).expect("a name")
}

fn first(root: &Path, content: Content) {
    fs::create_dir_all(root.join("both/deep")).expect("folders");
    fs::create_dir_all(root.join("closed/inner")).expect("folders");
    fs::create_dir(root.join("becomes a file")).expect("a folder");
    for name in ["both/deep/file", "both/same", "closed/inner/file", "only first", "is a file"] {
        fs::write(root.join(name), "first").expect("a file");
    }
    fs::hard_link(root.join("only first"), root.join("both/twin")).expect("a second name");
    symlink("both", root.join("link")).expect("a link");
    if content != Content::Plain {
        levels(root);
    }
    finish(root, 1_000_000_000, 0o755);
}

fn second(root: &Path, content: Content) {
    set_mode(&root.join("closed"), 0o700);
    for folder in ["both/deep", "closed", "becomes a file"] {
        fs::remove_dir_all(root.join(folder)).expect("it can be removed");
    }
    for file in ["only first", "is a file", "link"] {
        fs::remove_file(root.join(file)).expect("it can be removed");
    }
    fs::create_dir_all(root.join("is a file/with a folder")).expect("folders");
    fs::create_dir_all(root.join("closed/other")).expect("folders");
    for name in ["both/same", "becomes a file", "link", "only second", "closed/other/file"] {
        fs::write(root.join(name), "second").expect("a file");
    }
    if content != Content::Plain {
        change_levels(root, content.second(0o500));
    }
    finish(root, 1_500_000_000, content.second(0o550));
}

fn levels(root: &Path) {
    fs::create_dir_all(root.join("vault/inner/keys")).expect("folders");
    fs::create_dir_all(root.join("shared/first")).expect("folders");
    for name in ["vault/list", "vault/inner/keys/secret"] {
        fs::write(root.join(name), "old secret").expect("a file");
    }
    for name in ["vault/first", "vault/same", "vault/inner/same", "shared/same"] {
        fs::write(root.join(name), "first").expect("a file");
    }
    fs::hard_link(root.join("shared/same"), root.join("shared/first/twin")).expect("a name");
    finish_levels(root, 1_100_000_000, 0o511);
}

fn change_levels(root: &Path, mode: u32) {
    for (name, _) in LEVELS {
        set_mode(&root.join(name), 0o700);
    }
    fs::remove_file(root.join("vault/first")).expect("it can be removed");
    fs::remove_dir_all(root.join("shared/first")).expect("it can be removed");
    for name in ["vault/list", "vault/inner/keys/secret"] {
        fs::write(root.join(name), "new secret").expect("a file");
    }
    fs::create_dir(root.join("vault/second")).expect("a folder");
    for name in ["vault/same", "vault/second/file", "vault/inner/same", "shared/first"] {
        fs::write(root.join(name), "second").expect("a file");
    }
    finish_levels(root, 1_600_000_000, mode);
}

/// The levels, from the innermost, and whether they are open.
const LEVELS: [(&str, bool); 3] = [("vault/inner", true), ("vault", false), ("shared", true)];

fn finish_levels(root: &Path, date: u64, mode: u32) {
    for (name, is_open) in LEVELS {
        let path = root.join(name);
        set_date(&path, date);
        set_mode(&path, if is_open { mode | 0o700 } else { mode });
    }
}

/// A folder that must be opened to be moved, and dates that tell the states apart.
fn finish(root: &Path, date: u64, mode: u32) {
    set_mode(&root.join("closed"), 0o500);
    set_date(root, date);
    set_mode(root, mode);
}

fn set_date(path: &Path, date: u64) {
    let file = File::open(path).expect("a folder");
    let date = UNIX_EPOCH + Duration::from_secs(date);
    file.set_times(FileTimes::new().set_modified(date)).expect("a date");
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
}

impl Drop for Stage {
    fn drop(&mut self) {
        let mut pending = vec![self.top.path().to_path_buf()];
        while let Some(path) = pending.pop() {
            if fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir()) {
                set_mode(&path, 0o700);
                let names = fs::read_dir(&path).expect("a folder");
                pending.extend(names.map(|entry| entry.expect("a name").path()));
            }
        }
    }
}
