//! A store and a live folder, and what the tests do with them.

use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use sandbox_core::Result;
use sandbox_core::SnapshotName;
use sandbox_core::snapshot::{Folder, Limits, Store, StoredSnapshot};

/// Everything is below one temporary folder.
pub(crate) struct World {
    pub(crate) top: tempfile::TempDir,
    pub(crate) live: PathBuf,
    pub(crate) store: Store,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::at(tempfile::tempdir().expect("a folder"))
    }

    /// For what a disk would only be slow at.
    pub(crate) fn in_memory() -> Self {
        let top = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Self::at(top.expect("a folder"))
    }

    fn at(top: tempfile::TempDir) -> Self {
        let live = top.path().join("live");
        fs::create_dir(&live).expect("a folder");
        let store = Store::open(&top.path().join("store")).expect("a store");
        Self { top, live, store }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.live.join(name)
    }

    pub(crate) fn store_path(&self) -> PathBuf {
        self.top.path().join("store")
    }

    pub(crate) fn folders(&self) -> [Folder<'_>; 1] {
        [Folder::new("/work", &self.live)]
    }

    pub(crate) fn save(&self, name: &str) -> Result<StoredSnapshot> {
        self.save_sparing(name, &[])
    }

    pub(crate) fn restore(&self, name: &str) -> Result<()> {
        self.restore_sparing(name, &[])
    }

    pub(crate) fn save_sparing(&self, name: &str, spared: &[PathBuf]) -> Result<StoredSnapshot> {
        let folders = self.folders().map(|folder| Folder { spared, ..folder });
        self.store.save(&named(name), &folders, Limits::default(), &|_| ())
    }

    pub(crate) fn restore_sparing(&self, name: &str, spared: &[PathBuf]) -> Result<()> {
        let folders = self.folders().map(|folder| Folder { spared, ..folder });
        self.store.restore(&named(name), &folders, &|_| ())
    }

    /// What lies in the store beside the lock.
    pub(crate) fn stored(&self) -> Vec<String> {
        let names = fs::read_dir(self.store_path()).expect("a store");
        let names = names.map(|entry| entry.expect("a name").file_name());
        let mut names: Vec<_> = names.filter_map(|name| name.into_string().ok()).collect();
        names.retain(|name| name != "lock");
        names.sort();
        names
    }

    /// Makes the live folder another one in every way.
    pub(crate) fn wreck(&self) {
        empty(&self.live);
        fs::write(self.path("new"), "new").expect("a file");
        fs::create_dir_all(self.path("a/new/deep")).expect("folders");
        fs::write(self.path("a/new/deep/file"), "deep").expect("a file");
        symlink("/", self.path("file")).expect("a link");
        set_mode(&self.live, 0o711);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        open_up(self.top.path());
    }
}

pub(crate) fn named(name: &str) -> SnapshotName {
    SnapshotName::new(name).expect("a name")
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode can be set");
}

pub(crate) fn set_date(path: &Path, seconds: i64, nanos: u32) {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 { UNIX_EPOCH - whole } else { UNIX_EPOCH + whole };
    let time = time + Duration::from_nanos(nanos.into());
    let file = File::open(path).expect("it can be opened");
    file.set_times(FileTimes::new().set_modified(time)).expect("a date can be set");
}

pub(crate) fn pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o640), 0).expect("a pipe");
    set_mode(path, 0o640);
}

/// Something of every kind, below a folder that exists.
pub(crate) fn furnish(root: &Path) {
    for folder in ["a/b/c", "empty", "sticky", "locked/inner"] {
        fs::create_dir_all(root.join(folder)).expect("folders");
    }
    for (file, content, mode) in [
        ("file", "content", 0o644),
        ("a/tool", "#!/bin/sh\n", 0o755),
        ("a/b/secret", "secret", 0o400),
        ("a/b/c/none", "", 0o600),
        ("locked/inner/deep", "deep", 0o444),
    ] {
        fs::write(root.join(file), content).expect("a file");
        set_mode(&root.join(file), mode);
    }
    fs::write(root.join("large"), vec![7; 300_000]).expect("a file");
    fs::write(root.join(OsStr::from_bytes(b"not \xff UTF-8\n")), "name").expect("a file");
    fs::hard_link(root.join("file"), root.join("a/b/twin")).expect("a second name");
    for (link, target) in [
        ("a/dangling", "nowhere/at all"),
        ("a/absolute", "/etc/passwd"),
        ("a/up", "../../../.."),
        ("self", "self"),
        ("to folder", "a/b"),
    ] {
        symlink(target, root.join(link)).expect("a link");
    }
    pipe(&root.join("a/pipe"));
    let sparse = File::create(root.join("sparse")).expect("a file");
    sparse.set_len(8 << 20).expect("a hole");
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"middle", 5 << 20).expect("content");
    set_date(&root.join("file"), 1_000_000_000, 123_456_789);
    set_date(&root.join("large"), -1_000_000, 5);
    for (folder, mode) in
        [("sticky", 0o1777), ("locked/inner", 0o555), ("locked", 0o500), ("a/b", 0o711)]
    {
        set_date(&root.join(folder), 1_200_000_000, 7);
        set_mode(&root.join(folder), mode);
    }
    set_date(root, 1_100_000_000, 9);
}

/// Takes everything in a folder away.
pub(crate) fn empty(root: &Path) {
    open_up(root);
    for entry in fs::read_dir(root).expect("a folder") {
        let path = entry.expect("a name").path();
        let is_folder = fs::symlink_metadata(&path).expect("it is there").is_dir();
        let removed = if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.expect("it can be removed");
    }
}

/// Lets the owner into every folder.
pub(crate) fn open_up(root: &Path) {
    let mut pending = vec![root.to_path_buf()];
    while let Some(path) = pending.pop() {
        if !fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir()) {
            continue;
        }
        let _ = fs::set_permissions(&path, Permissions::from_mode(0o700));
        let Ok(names) = fs::read_dir(&path) else { continue };
        pending.extend(names.filter_map(|entry| Some(entry.ok()?.path())));
    }
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Says why a test does not apply here.
pub(crate) fn skip(reason: &str) {
    let forbidden = std::env::var_os("SANDBOX_REQUIRE_ALL").is_some_and(|value| value == "1");
    assert!(!forbidden, "skipped, which is forbidden: {reason}");
    println!("skipped: {reason}");
}
