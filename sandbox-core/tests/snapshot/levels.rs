//! What stays where it is in a folder that is restored.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

use sandbox_core::SandboxError;
use sandbox_core::snapshot::{Folder, Limits, SnapshotError, Store, diff_trees};

use crate::dump::dump;
use crate::world::{World, furnish, is_root, named, set_date, set_mode, skip};

fn paths(names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(PathBuf::from).collect()
}

fn inode(path: &Path) -> u64 {
    fs::symlink_metadata(path).unwrap().ino()
}

/// The folder as text, without some paths, and without a word on second names: those in other levels
/// are files of their own.
fn without(root: &Path, spared: &[PathBuf]) -> BTreeMap<PathBuf, String> {
    let mut all = dump(root);
    all.retain(|path, _| !spared.iter().any(|spared| path.starts_with(spared)));
    for line in all.values_mut() {
        let end = line.find(" one of").unwrap_or(line.len());
        line.truncate(end);
    }
    all
}

/// Two saves of one furnished folder: the first without what is spared, the second with all.
fn saved(spared: &[PathBuf]) -> World {
    let world = World::new();
    furnish(&world.live);
    fs::create_dir(world.path("a/keys")).unwrap();
    fs::write(world.path("a/keys/secret"), "old secret").unwrap();
    world.save_sparing("spared", spared).unwrap();
    world.save("all").unwrap();
    world
}

#[test]
fn what_is_spared_is_neither_saved_nor_changed_nor_compared() {
    let spared = paths(&["a/keys", "a/b/c/none", "a/pipe"]);
    for name in ["spared", "all"] {
        let world = saved(&spared);
        let before = without(&world.live, &spared);
        let same = ["a", "a/keys", "a/keys/secret", "a/b", "a/b/c", "a/b/c/none", "a/pipe"];
        let inodes = same.map(|path| inode(&world.path(path)));
        let copy = world.store.copy_of(&named("spared"), "/work").unwrap();
        assert!(!copy.join("a/keys").exists() && !copy.join("a/pipe").exists());
        fs::write(world.path("a/keys/secret"), "new secret").unwrap();
        fs::write(world.path("a/b/c/none"), "new").unwrap();
        fs::write(world.path("a/b/c/more"), "more").unwrap();
        fs::remove_file(world.path("a/tool")).unwrap();
        fs::remove_dir(world.path("empty")).unwrap();
        let copy = world.store.copy_of(&named(name), "/work").unwrap();
        let changes = diff_trees(&copy, &world.live, &spared).unwrap();
        let changed: Vec<_> = changes.iter().map(|change| change.path.as_path()).collect();
        assert_eq!(changed, ["a/b/c/more", "a/tool", "empty"].map(Path::new), "{name}");
        set_mode(&world.path("a/b"), 0o700);
        set_date(&world.path("a"), 5, 5);
        world.restore_sparing(name, &spared).unwrap();
        assert_eq!(without(&world.live, &spared), before, "{name}");
        assert_eq!(same.map(|path| inode(&world.path(path))), inodes, "{name}");
        assert_eq!(fs::read(world.path("a/keys/secret")).unwrap(), b"new secret");
        assert_eq!(fs::read(world.path("a/b/c/none")).unwrap(), b"new");
    }
}

/// Its content is restored all the same.
#[test]
fn what_is_fixed_is_the_same_folder() {
    let world = World::new();
    furnish(&world.live);
    world.save("a").unwrap();
    let before = without(&world.live, &[]);
    let inodes = ["a", "a/b", "sticky"].map(|path| inode(&world.path(path)));
    for path in ["a/tool", "a/b/secret"] {
        fs::remove_file(world.path(path)).unwrap();
    }
    fs::write(world.path("sticky/new"), "new").unwrap();
    let fixed = paths(&["a/b", "sticky", "nothing"]);
    let folder = Folder { fixed: &fixed, ..Folder::new("/work", &world.live) };
    world.store.restore(&named("a"), &[folder], &|_| ()).unwrap();
    assert_eq!(["a", "a/b", "sticky"].map(|path| inode(&world.path(path))), inodes);
    assert_eq!(without(&world.live, &[]), before);
    assert_ne!(inode(&world.path("file")), inode(&world.path("a/b/twin")));
}

#[test]
fn what_is_nowhere_is_in_nobodys_way() {
    let spared = paths(&["empty/x", "gone/x/y", "file/x", "self/x"]);
    let world = saved(&spared);
    let before = without(&world.live, &[]);
    world.wreck();
    fs::create_dir(world.path("empty")).unwrap();
    world.restore_sparing("spared", &spared).unwrap();
    assert_eq!(without(&world.live, &[]), before);
}

/// Refused before anything is moved: the path is named, and why.
#[test]
fn a_level_must_be_a_folder_then_and_now() {
    let spared = paths(&["a/b/keys"]);
    let outside = |world: &World| world.top.path().join("outside");
    type With = fn(&Path, &Path);
    let gone: With = |_, _| ();
    let link: With = |path, outside| symlink(outside, path).unwrap();
    let file: With = |path, _| fs::write(path, "file").unwrap();
    for (level, with) in [("a/b", gone), ("a/b", link), ("a/b", file), ("a", link), ("a", gone)] {
        let world = saved(&spared);
        fs::create_dir_all(outside(&world).join("b/keys")).unwrap();
        set_mode(&world.path("a/b"), 0o700);
        fs::rename(world.path(level), world.path("away")).unwrap();
        with(&world.path(level), &outside(&world));
        refused(&world, "spared", level, "none any more");
        assert_eq!(dump(&outside(&world)).len(), 3);
    }
    for level in ["a", "a/b"] {
        let world = saved(&spared);
        crate::world::open_up(&world.live);
        let lost = world.path("lost");
        fs::rename(world.path(level), &lost).unwrap();
        world.save("without").unwrap();
        fs::rename(&lost, world.path(level)).unwrap();
        refused(&world, "without", level, "none in the snapshot");
    }
}

fn refused(world: &World, name: &str, level: &str, why: &str) {
    let (before, stored) = (dump(&world.live), world.stored());
    let error = world.restore_sparing(name, &paths(&["a/b/keys"])).unwrap_err();
    assert!(matches!(error, SandboxError::Snapshot(SnapshotError::NoLevel { .. })), "{error}");
    let text = error.to_string();
    let path = world.path(level).display().to_string();
    assert!(text.starts_with(&format!("{path} ")) && text.contains(why), "{text}");
    assert_eq!(dump(&world.live), before);
    assert_eq!(world.stored(), stored);
}

/// Folders that a payload has closed are opened, the outer before the inner, and closed in the other
/// order.
#[test]
fn closed_levels_are_opened_and_closed_again() {
    let spared = paths(&["a/b/keys", "locked/inner/keys"]);
    let levels = ["locked/inner", "locked", "a/b", "a", ""];
    for (then, now) in [(0o755, 0o000), (0o500, 0o300), (0o100, 0o755)] {
        let world = World::new();
        furnish(&world.live);
        crate::world::open_up(&world.live);
        for keys in &spared {
            fs::create_dir(world.live.join(keys)).unwrap();
        }
        world.save_sparing("a", &spared).unwrap();
        let mode = |path: &str| fs::symlink_metadata(world.path(path)).unwrap().mode() & 0o777;
        let [saved, changed] = [then, now].map(|mode| {
            // Who is not root can only save what he can read.
            if mode & 0o400 != 0 || is_root() { mode } else { 0o700 }
        });
        let set = |mode| levels.iter().for_each(|path| set_mode(&world.path(path), mode));
        crate::world::open_up(&world.live);
        set(saved);
        world.save_sparing("b", &spared).unwrap();
        set_mode(&world.live, 0o700);
        crate::world::open_up(&world.live);
        fs::remove_file(world.path("a/tool")).unwrap();
        fs::write(world.path("locked/inner/new"), "new").unwrap();
        set(if is_root() { changed } else { now });
        world.restore_sparing("b", &spared).unwrap();
        for path in ["", "a", "a/b", "locked", "locked/inner"] {
            assert_eq!(mode(path), saved, "{path:?}");
            set_mode(&world.path(path), 0o700);
        }
        assert!(world.path("a/tool").exists() && !world.path("locked/inner/new").exists());
        assert_eq!(world.stored(), ["1", "2"]);
    }
}

#[test]
fn folders_may_lie_where_others_spare_them() {
    let world = World::new();
    let inner = world.path("a/inner");
    fs::create_dir_all(&inner).unwrap();
    for path in ["file", "a/file", "a/inner/file"] {
        fs::write(world.path(path), "old").unwrap();
    }
    let within = Store::open(&world.path("a/store")).unwrap();
    let spared = paths(&["a/inner", "a/store"]);
    let outer = Folder { spared: &spared, ..Folder::new("/work", &world.live) };
    let folders = [outer, Folder::new("/inner", &inner)];
    let number = inode(&inner);
    for store in [&world.store, &within] {
        store.save(&named("a"), &folders, Limits::default(), &|_| ()).unwrap();
        for path in ["file", "a/file", "a/inner/file"] {
            fs::write(world.path(path), "new").unwrap();
        }
        store.restore(&named("a"), &folders, &|_| ()).unwrap();
        for path in ["file", "a/file", "a/inner/file"] {
            assert_eq!(fs::read(world.path(path)).unwrap(), b"old");
        }
        assert_eq!(inode(&inner), number);
    }
    let other = paths(&["a/other", "a/store"]);
    let fixed = paths(&["a/inner"]);
    for folders in [
        [Folder::new("/inner", &inner), outer],
        [Folder { spared: &other, ..outer }, folders[1]],
        [Folder { spared: &other, fixed: &fixed, ..outer }, folders[1]],
    ] {
        let saved = world.store.save(&named("b"), &folders, Limits::default(), &|_| ());
        assert!(matches!(saved, Err(SandboxError::InvalidRequest(_))), "{saved:?}");
    }
    let outside = Folder { spared: &paths(&["../store"]), ..Folder::new("/work", &world.live) };
    let saved = world.store.save(&named("b"), &[outside], Limits::default(), &|_| ());
    assert!(matches!(saved, Err(SandboxError::InvalidRequest(_))), "{saved:?}");
}

/// What is not saved is not counted, and hides nothing that is.
#[test]
fn what_is_spared_takes_nothing_of_the_limits() {
    let world = World::new();
    let names: Vec<String> = (0..50).map(|number| format!("spared{number}")).collect();
    for name in &names {
        fs::write(world.path(name), "spared").unwrap();
    }
    for number in 0..50 {
        fs::write(world.path(&number.to_string()), "").unwrap();
    }
    let spared: Vec<PathBuf> = names.iter().map(PathBuf::from).collect();
    let folder = [Folder { spared: &spared, ..Folder::new("/work", &world.live) }];
    let save = |files| {
        let limits = Limits { bytes: Some("0".parse().unwrap()), files: Some(files) };
        world.store.save(&named("a"), &folder, limits, &|_| ())
    };
    assert!(save(49).is_err());
    assert_eq!(save(50).unwrap().files, 50);
}

#[test]
fn a_mount_is_spared() {
    if !is_root() {
        return skip("only root can mount");
    }
    let world = World::new();
    fs::create_dir_all(world.path("a")).unwrap();
    fs::write(world.path("a/file"), "old").unwrap();
    let inner = world.path("a/inner");
    let _mounted = crate::interrupted::Small::mount(&inner, c"size=1m");
    fs::write(inner.join("precious"), "x").unwrap();
    let spared = paths(&["a/inner"]);
    world.save_sparing("a", &spared).unwrap();
    fs::write(world.path("a/file"), "new").unwrap();
    world.restore_sparing("a", &spared).unwrap();
    assert_eq!(fs::read(world.path("a/file")).unwrap(), b"old");
    assert_eq!(fs::read(inner.join("precious")).unwrap(), b"x");
    assert!(world.restore("a").is_err());
}
