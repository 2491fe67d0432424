//! Two small folders in two states, and a store that can be told to fail.

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
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

/// Two folders, and a store that holds a snapshot of their first state, named `first`. They are in
/// their second state.
pub(super) struct Stage {
    top: tempfile::TempDir,
    pub(super) first: State,
    pub(super) second: State,
}

impl Stage {
    pub(super) fn new() -> Self {
        // In memory, where there is such a place: thousands of steps wait for the disk elsewhere.
        let top = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let top = top.expect("a folder");
        let [one, two] = ["one", "two"].map(|name| top.path().join(name));
        for folder in [&one, &two] {
            fs::create_dir(folder).expect("a folder");
            first(folder);
        }
        let mut stage = Self { top, first: Default::default(), second: Default::default() };
        stage.first = stage.state();
        stage.save(&stage.open(), "first").expect("a snapshot");
        for folder in [&one, &two] {
            second(folder);
        }
        stage.second = stage.state();
        stage
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
        with(&[Folder { label: "one", path: &one }, Folder { label: "two", path: &two }])
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
        ["one", "two"].map(|name| dump(&self.top.path().join(name)))
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

pub(super) fn named(name: &str) -> SnapshotName {
    SnapshotName::new(name).expect("a name")
}

fn first(root: &Path) {
    fs::create_dir_all(root.join("both/deep")).expect("folders");
    fs::create_dir_all(root.join("closed/inner")).expect("folders");
    fs::create_dir(root.join("becomes a file")).expect("a folder");
    for name in ["both/deep/file", "both/same", "closed/inner/file", "only first", "is a file"] {
        fs::write(root.join(name), "first").expect("a file");
    }
    fs::hard_link(root.join("only first"), root.join("both/twin")).expect("a second name");
    symlink("both", root.join("link")).expect("a link");
    finish(root, 1_000_000_000, 0o755);
}

fn second(root: &Path) {
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
    finish(root, 1_500_000_000, 0o550);
}

/// A folder that must be opened to be moved, and dates that tell the states apart.
fn finish(root: &Path, date: u64, mode: u32) {
    set_mode(&root.join("closed"), 0o500);
    let file = File::open(root).expect("a folder");
    let date = UNIX_EPOCH + Duration::from_secs(date);
    file.set_times(FileTimes::new().set_modified(date)).expect("a date");
    set_mode(root, mode);
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
