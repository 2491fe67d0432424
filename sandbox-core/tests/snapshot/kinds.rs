//! What a snapshot keeps.

use std::cell::Cell;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, chown, lchown, symlink};
use std::os::unix::net::UnixListener;
use std::thread;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use sandbox_core::snapshot::{Folder, Limits, Progress, Store};

use crate::dump::dump;
use crate::world::{World, furnish, is_root, named, set_mode, skip};

#[test]
fn everything_comes_back() {
    let world = World::new();
    furnish(&world.live);
    let (before, inode) = (dump(&world.live), fs::metadata(&world.live).unwrap().ino());
    let saved = world.save("before").unwrap();
    assert_eq!(dump(&world.live), before, "saving changes nothing");
    assert_eq!(saved.files, before.len() as u64 - 1);
    assert_eq!(saved.bytes, (8 << 20) + 300_000 + 7 + 10 + 6 + 4 + 4);
    world.wreck();
    for _ in 0..2 {
        world.restore("before").unwrap();
        assert_eq!(dump(&world.live), before);
        assert_eq!(fs::metadata(&world.live).unwrap().ino(), inode, "the folder is the same");
    }
    assert_eq!(world.stored(), ["1"]);
}

#[test]
fn snapshots_are_kept_apart() {
    let world = World::new();
    let mut states = Vec::new();
    for name in ["one", "two", "three"] {
        fs::write(world.path(name), name).unwrap();
        states.push((name, dump(&world.live)));
        world.save(name).unwrap();
    }
    let names = |world: &World| {
        let list = world.store.list().unwrap();
        list.into_iter().map(|snapshot| snapshot.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(&world), ["one", "two", "three"]);
    world.store.remove(&named("one")).unwrap();
    assert_eq!(names(&world), ["two", "three"]);
    for (name, state) in states.iter().skip(1).rev() {
        world.restore(name).unwrap();
        assert_eq!(dump(&world.live), *state);
    }
    world.save("one").unwrap();
    assert_eq!(names(&world), ["two", "three", "one"]);
}

#[test]
fn folders_are_saved_together_and_restored_alone() {
    let world = World::new();
    let other = world.top.path().join("other");
    fs::create_dir(&other).unwrap();
    furnish(&other);
    fs::write(world.path("file"), "content").unwrap();
    let both = [Folder::new("/work", &world.live), Folder::new("o", &other)];
    let (work, rest) = (dump(&world.live), dump(&other));
    let saved = world.store.save(&named("both"), &both, Limits::default(), &|_| ()).unwrap();
    assert_eq!(saved.folders, ["/work", "o"]);
    world.wreck();
    let wrecked = dump(&world.live);
    fs::write(other.join("file"), "changed").unwrap();
    world.store.restore(&named("both"), &both[1..], &|_| ()).unwrap();
    assert_eq!((dump(&world.live), dump(&other)), (wrecked, rest.clone()));
    fs::write(other.join("file"), "changed").unwrap();
    world.store.restore(&named("both"), &both, &|_| ()).unwrap();
    assert_eq!((dump(&world.live), dump(&other)), (work, rest));
}

#[test]
fn an_empty_folder_comes_back_empty() {
    let world = World::new();
    assert_eq!(world.save("empty").unwrap().files, 0);
    world.wreck();
    world.restore("empty").unwrap();
    assert_eq!(dump(&world.live).len(), 1);
}

#[test]
fn holes_take_no_room() {
    let world = World::new();
    File::create(world.path("hole")).unwrap().set_len(256 << 20).unwrap();
    world.save("hole").unwrap();
    let copy = world.store.copy_of(&named("hole"), "/work").unwrap().join("hole");
    world.wreck();
    world.restore("hole").unwrap();
    for path in [copy, world.path("hole")] {
        let found = fs::metadata(&path).unwrap();
        assert!(found.blocks() < 64, "{}", found.blocks());
        assert_eq!(found.len(), 256 << 20);
    }
}

#[test]
fn set_id_bits_are_dropped() {
    let world = World::new();
    fs::write(world.path("tool"), "x").unwrap();
    fs::create_dir(world.path("shared")).unwrap();
    set_mode(&world.path("tool"), 0o6755);
    set_mode(&world.path("shared"), 0o3770);
    set_mode(&world.live, 0o2755);
    world.save("tool").unwrap();
    world.restore("tool").unwrap();
    // The folder itself has nothing to be restored.
    assert_eq!(fs::metadata(&world.live).unwrap().mode() & 0o7777, 0o2755);
    world.wreck();
    world.restore("tool").unwrap();
    let copy = world.store.copy_of(&named("tool"), "/work").unwrap();
    for root in [&world.live, &copy] {
        assert_eq!(fs::metadata(root.join("tool")).unwrap().mode() & 0o7777, 0o755);
        assert_eq!(fs::metadata(root.join("shared")).unwrap().mode() & 0o7777, 0o1770);
    }
}

#[test]
fn sockets_and_devices_are_counted() {
    let world = World::new();
    let _listener = UnixListener::bind(world.path("socket")).unwrap();
    fs::write(world.path("file"), "x").unwrap();
    let mut expected = 1;
    if is_root() {
        let made =
            mknodat(CWD, world.path("null"), FileType::CharacterDevice, Mode::RUSR, makedev(1, 3));
        expected += u64::from(made.is_ok());
    }
    let saved = world.save("some").unwrap();
    assert_eq!((saved.skipped, saved.files), (expected, 1));
    world.restore("some").unwrap();
    assert_eq!(dump(&world.live).len(), 2);
}

#[test]
fn owners_come_back_where_they_can_be_set() {
    let world = World::new();
    if !is_root() {
        return skip("only root can give files away");
    }
    furnish(&world.live);
    for (name, owner) in [("file", 61234), ("a", 61235), ("a/b/c", 61236)] {
        chown(world.path(name), Some(owner), Some(owner + 1)).unwrap();
    }
    lchown(world.path("a/dangling"), Some(7), Some(8)).unwrap();
    let before = dump(&world.live);
    world.save("owners").unwrap();
    world.wreck();
    world.restore("owners").unwrap();
    assert_eq!(dump(&world.live), before);
}

/// Whoever opens the store meanwhile takes nothing away, and no number is given twice.
#[test]
fn a_store_can_be_used_by_several_at_once() {
    let world = World::new();
    furnish(&world.live);
    let before = dump(&world.live);
    thread::scope(|scope| {
        for thread in 0..4 {
            let world = &world;
            scope.spawn(move || {
                for turn in 0..8 {
                    let store = Store::open(&world.store_path()).unwrap();
                    let name = named(&format!("{thread} {turn}"));
                    store.save(&name, &world.folders(), Limits::default(), &|_| ()).unwrap();
                    store.list().unwrap();
                    if turn % 2 == 0 {
                        store.remove(&name).unwrap();
                    }
                }
            });
        }
    });
    let list = world.store.list().unwrap();
    assert_eq!(list.len(), 4 * 4);
    world.wreck();
    for snapshot in list {
        world.restore(snapshot.name.as_str()).unwrap();
        assert_eq!(dump(&world.live), before);
    }
}

/// A payload that closes its folder does not keep it from being restored.
#[test]
fn a_closed_folder_can_be_restored() {
    let world = World::new();
    furnish(&world.live);
    let before = dump(&world.live);
    world.save("open").unwrap();
    fs::create_dir_all(world.path("closed/inner")).unwrap();
    fs::write(world.path("closed/inner/file"), "x").unwrap();
    for name in ["closed/inner", "closed", "empty", ""] {
        set_mode(&world.path(name), 0o000);
    }
    world.restore("open").unwrap();
    assert_eq!(dump(&world.live), before);
}

#[test]
fn what_is_reported_adds_up() {
    let world = World::new();
    furnish(&world.live);
    let (last, calls) = (Cell::new(Progress::default()), Cell::new(0));
    let note = |progress: Progress| {
        let before = last.replace(progress);
        assert!(before.bytes <= progress.bytes && before.files <= progress.files);
        calls.set(calls.get() + 1);
    };
    world.store.save(&named("a"), &world.folders(), Limits::default(), &note).unwrap();
    let saved = last.get();
    assert!(calls.get() >= 2);
    assert_eq!((saved.bytes, saved.files), (saved.total_bytes, saved.total_files));
    assert_eq!((saved.bytes, saved.files), ((8 << 20) + 300_031, 14));
    last.set(Progress::default());
    world.store.restore(&named("a"), &world.folders(), &note).unwrap();
    assert_eq!(last.get(), saved);
}

/// Deeper than a path may be long, than there are descriptors, and than a stack of calls would be;
/// with something beside the way down, so that the way back is long, too.
#[test]
fn depth_is_no_limit() {
    const DEPTH: usize = 1500;
    let world = World::in_memory();
    let mut at = Dir::open_ambient_dir(&world.live, ambient_authority()).unwrap();
    for _ in 0..DEPTH {
        at.create_dir("beside").unwrap();
        at.write("file", "x").unwrap();
        at.create_dir("down").unwrap();
        at = at.open_dir("down").unwrap();
    }
    let saved = world.save("deep").unwrap();
    assert_eq!(saved.files, 3 * DEPTH as u64);
    symlink("x", world.path("new")).unwrap();
    world.restore("deep").unwrap();
    assert_eq!(world.save("again").unwrap().files, saved.files);
    assert_eq!(fs::read_dir(&world.live).unwrap().count(), 3);
    for name in ["deep", "again"] {
        world.store.remove(&named(name)).unwrap();
    }
    // The standard library could not take it away.
    let empty = world.top.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let folders = [Folder::new("/work", &empty)];
    world.store.save(&named("empty"), &folders, Limits::default(), &|_| ()).unwrap();
    world.restore("empty").unwrap();
}
