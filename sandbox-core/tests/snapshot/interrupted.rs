//! Real ends: a process that is killed, a disk that is full.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use sandbox_core::SandboxError;
use sandbox_core::snapshot::{Folder, Limits, Store};

use crate::dump::dump;
use crate::world::{World, empty, is_root, named, skip};

/// Names the folder in which a child of the test works.
const CHILD: &str = "SNAPSHOT_TEST_CHILD";

fn fill(live: &Path, content: &str) {
    empty(live);
    for folder in ["a", "b", content] {
        fs::create_dir_all(live.join(folder).join("deep")).unwrap();
        for number in 0..15 {
            fs::write(live.join(folder).join(format!("deep/{number}")), content).unwrap();
        }
    }
    for number in 0..15 {
        fs::write(live.join(format!("{content}{number}")), content).unwrap();
        fs::write(live.join(format!("both{number}")), content).unwrap();
    }
}

/// Not a test: what is killed. Restores two states in turn, and saves.
#[test]
fn child() {
    let Some(top) = std::env::var_os(CHILD) else { return };
    let top = Path::new(&top);
    let live = top.join("live");
    let store = Store::open(&top.join("store")).unwrap();
    let folders = [Folder::new("/work", &live)];
    loop {
        for name in ["one", "two"] {
            store.restore(&named(name), &folders, &|_| ()).unwrap();
        }
        store.save(&named("three"), &folders, Limits::default(), &|_| ()).unwrap();
        store.remove(&named("three")).unwrap();
    }
}

#[test]
fn a_kill_at_any_moment_leaves_a_whole_state() {
    const KILLS: u32 = 60;
    let world = World::new();
    let states = ["one", "two"].map(|name| {
        fill(&world.live, name);
        world.save(name).unwrap();
        dump(&world.live)
    });
    let program = std::env::current_exe().unwrap();
    let (mut halfway, mut seen) = (0, [0, 0]);
    for kill in 0..KILLS {
        let mut child = Command::new(&program);
        child.args(["--exact", "interrupted::child"]).env(CHILD, world.top.path());
        let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_for_work(&world);
        thread::sleep(Duration::from_micros(u64::from(kill * 733 % 20_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        let before = dump(&world.live);
        halfway += u32::from(!states.contains(&before));
        let store = Store::open(&world.store_path()).unwrap();
        let state = dump(&world.live);
        let found = states.iter().position(|known| *known == state);
        seen[found.unwrap_or_else(|| panic!("{state:#?} is neither, before {before:#?}"))] += 1;
        let names: Vec<_> = store.list().unwrap().into_iter().map(|it| it.name).collect();
        assert!(names.starts_with(&["one", "two"].map(named)), "{names:?}");
        assert_eq!(world.stored().len(), names.len());
        if names.len() > 2 {
            store.remove(&named("three")).unwrap();
        }
    }
    println!("{halfway} of {KILLS} were interrupted halfway, {seen:?} ended in each state");
    assert!(halfway > 0);
}

/// Until the child has begun to change something.
fn wait_for_work(world: &World) {
    let start = Instant::now();
    let before = fs::metadata(&world.live).unwrap().modified().unwrap();
    while start.elapsed() < Duration::from_secs(10) {
        if fs::metadata(&world.live).unwrap().modified().unwrap() != before {
            return;
        }
    }
    panic!("the child does nothing");
}

/// A file system of few bytes.
pub(crate) struct Small<'a>(&'a Path);

impl<'a> Small<'a> {
    pub(crate) fn mount(path: &'a Path, options: &std::ffi::CStr) -> Self {
        fs::create_dir_all(path).unwrap();
        mount("tmpfs", path, "tmpfs", MountFlags::empty(), options).unwrap();
        Self(path)
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = unmount(self.0, UnmountFlags::DETACH);
    }
}

#[test]
fn a_full_disk_leaves_what_was() {
    if !is_root() {
        return skip("only root can mount a small file system");
    }
    // Bytes run out, or names do.
    for options in [c"size=1m", c"nr_inodes=60"] {
        let world = World::new();
        fill(&world.live, "one");
        fs::write(world.path("large"), vec![1; 600 << 10]).unwrap();
        let small = world.top.path().join("small");
        let _mounted = Small::mount(&small, options);
        let store = Store::open(&small.join("store")).unwrap();
        let saved = store.save(&named("a"), &world.folders(), Limits::default(), &|_| ());
        let is_full = |result: Result<(), SandboxError>| match result {
            Err(SandboxError::Io { source, .. }) => {
                source.kind() == std::io::ErrorKind::StorageFull
            }
            _ => false,
        };
        if options == c"size=1m" {
            saved.unwrap();
            let again = store.save(&named("b"), &world.folders(), Limits::default(), &|_| ());
            assert!(is_full(again.map(drop)));
            assert_eq!(store.list().unwrap().len(), 1);
            // There is room again.
            store.remove(&named("a")).unwrap();
            store.save(&named("b"), &world.folders(), Limits::default(), &|_| ()).unwrap();
        } else {
            assert!(is_full(saved.map(drop)));
            assert_eq!(store.list().unwrap(), []);
        }
    }
}

#[test]
fn a_full_folder_stays_what_it_was() {
    if !is_root() {
        return skip("only root can mount a small file system");
    }
    let world = World::new();
    let live = world.top.path().join("small");
    let _mounted = Small::mount(&live, c"size=1m");
    let folders = [Folder::new("/work", &live)];
    fill(&live, "one");
    fs::write(live.join("large"), vec![1; 300 << 10]).unwrap();
    world.store.save(&named("a"), &folders, Limits::default(), &|_| ()).unwrap();
    let first = dump(&live);
    fill(&live, "two");
    fs::write(live.join("large"), vec![2; 600 << 10]).unwrap();
    let second = dump(&live);
    let error = world.store.restore(&named("a"), &folders, &|_| ()).unwrap_err();
    assert!(error.to_string().contains("No space left"), "{error}");
    assert_eq!(dump(&live), second);
    assert_eq!(world.stored(), ["1"]);
    fs::remove_file(live.join("large")).unwrap();
    world.store.restore(&named("a"), &folders, &|_| ()).unwrap();
    assert_eq!(dump(&live), first);
}

/// What is mounted inside a folder is neither saved nor removed.
#[test]
fn a_mount_inside_is_refused() {
    if !is_root() {
        return skip("only root can mount");
    }
    let world = World::new();
    fs::write(world.path("file"), "one").unwrap();
    world.save("a").unwrap();
    let inner = world.path("b/inner");
    let mounted = Small::mount(&inner, c"size=1m");
    fs::write(inner.join("precious"), "x").unwrap();
    for error in [world.save("b").map(drop).unwrap_err(), world.restore("a").unwrap_err()] {
        assert!(error.to_string().contains("b/inner"), "{error}");
    }
    assert_eq!(fs::read(inner.join("precious")).unwrap(), b"x");
    assert_eq!(world.stored(), ["1"]);
    assert_eq!(fs::read_dir(&world.live).unwrap().count(), 2);
    drop(mounted);
    world.restore("a").unwrap();
}

/// Not even where nothing should be mounted.
#[test]
fn a_mount_in_the_store_is_not_emptied() {
    if !is_root() {
        return skip("only root can mount");
    }
    let world = World::new();
    let inner = world.store_path().join("7/tree-0/a/inner");
    let _mounted = Small::mount(&inner, c"size=1m,mode=0");
    fs::create_dir(inner.join("precious")).unwrap();
    let Err(error) = Store::open(&world.store_path()) else { panic!("it was removed") };
    assert!(error.to_string().contains("mounted at inner"), "{error}");
    // The mount moves with the folder that it is in.
    let left = dump(&world.store_path());
    let inner = left.iter().find(|(path, _)| path.ends_with("inner"));
    let (inner, what) = inner.expect("the mount is there");
    assert!(what.contains(" 0 (") && left.contains_key(&inner.join("precious")), "{left:#?}");
    drop(Small(&world.store_path().join(inner)));
    Store::open(&world.store_path()).unwrap();
    assert_eq!(world.stored(), Vec::<String>::new());
}

/// What is left of an old state and cannot be removed keeps nobody from looking at the store.
#[test]
fn what_cannot_be_removed_waits() {
    if !is_root() {
        return skip("only root can mount");
    }
    let world = World::new();
    world.save("a").unwrap();
    let work = ".sandbox-restore-0123456789abcdef";
    let old = world.path(work).join("old");
    let mounted = Small::mount(&old, c"size=1m");
    let attributes = "{\"mode\":493,\"modified\":[7,0],\"owner\":null}";
    let path = world.live.display();
    let text = format!(
        "{{\"version\":1,\"folders\":[{{\"path\":\"{path}\",\"work\":\"{work}\",\"old\":[],\
         \"new\":[],\"before\":{attributes},\"after\":{attributes}}}]}}"
    );
    let journal = world.store_path().join("restore-done.json");
    fs::write(&journal, text).unwrap();
    let store = Store::open(&world.store_path()).unwrap();
    assert_eq!(store.list().unwrap().len(), 1);
    for refused in [world.save("b").map(drop), world.restore("a")] {
        assert!(refused.unwrap_err().to_string().contains("mounted at old"));
    }
    drop(mounted);
    world.save("b").unwrap();
    assert!(!journal.exists() && !world.path(work).exists());
}
