//! What is told of each kind of change, and what is no change.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, XattrFlags, mknodat, setxattr};
use rustix::process::geteuid;
use sandbox_core::session::{Change, ChangeKind};
use sandbox_linux::layers::diff;

use ChangeKind::{Added, Changed, Deleted, Kind, Link, Mode as OnlyMode};

use crate::world::{World, fifo, remove, set_mode, write};

/// What is told after something was done to what the payload sees.
fn told(act: impl FnOnce(&Path)) -> Option<Vec<(String, ChangeKind)>> {
    let mut world = World::new()?;
    act(&world.begin());
    world.end();
    Some(world.kinds())
}

#[track_caller]
fn check(act: impl FnOnce(&Path), expected: &[(&str, ChangeKind)]) {
    let Some(told) = told(act) else { return };
    let told: Vec<_> = told.iter().map(|(path, kind)| (path.as_str(), *kind)).collect();
    assert_eq!(told, expected);
}

#[test]
fn nothing_is_told_of_nothing() {
    check(|_| {}, &[]);
}

#[test]
fn what_was_made() {
    let act = |seen: &Path| {
        fs::create_dir_all(seen.join("new/in")).expect("folders");
        write(seen.join("new/in/file"), "x");
        symlink("/etc/passwd", seen.join("d/link")).expect("a link");
        fifo(&seen.join("d/fifo"));
        fs::hard_link(seen.join("a"), seen.join("other-a")).expect("a name");
        UnixListener::bind(seen.join("s")).expect("a socket");
    };
    let expected = [
        ("d/fifo", Added),
        ("d/link", Added),
        ("new", Added),
        ("new/in", Added),
        ("new/in/file", Added),
        ("other-a", Added),
        ("s", Added),
    ];
    check(act, &expected);
}

#[test]
fn what_was_changed() {
    let act = |seen: &Path| {
        write(seen.join("a"), "A");
        write(seen.join("b2"), "longer");
        set_mode(&seen.join("d/x"), 0o600);
        set_mode(&seen.join("d/sub"), 0o700);
        remove(&seen.join("l"));
        symlink("b", seen.join("l")).expect("a link");
        set_mode(&seen.join("p"), 0o640);
    };
    let expected = [
        ("a", Changed),
        ("b2", Changed),
        ("d/sub", OnlyMode),
        ("d/x", OnlyMode),
        ("l", Link),
        ("p", OnlyMode),
    ];
    check(act, &expected);
}

#[test]
fn what_was_removed() {
    let act = |seen: &Path| {
        remove(&seen.join("d"));
        remove(&seen.join("a"));
        remove(&seen.join("e/1"));
        remove(&seen.join("p"));
    };
    check(act, &[("a", Deleted), ("d", Deleted), ("e/1", Deleted), ("p", Deleted)]);
}

#[test]
fn what_became_something_else() {
    let act = |seen: &Path| {
        for name in ["a", "d", "e", "l"] {
            remove(&seen.join(name));
        }
        fs::create_dir(seen.join("a")).expect("a folder");
        write(seen.join("a/in"), "x");
        write(seen.join("d"), "no folder");
        symlink("b", seen.join("e")).expect("a link");
        fs::create_dir(seen.join("l")).expect("a folder");
    };
    check(act, &[("a", Kind), ("a/in", Added), ("d", Kind), ("e", Kind), ("l", Kind)]);
}

#[test]
fn a_folder_that_was_removed_and_made_again() {
    let act = |seen: &Path| {
        remove(&seen.join("d"));
        fs::create_dir_all(seen.join("d/sub")).expect("folders");
        write(seen.join("d/x"), "x");
        write(seen.join("d/sub/3"), "three");
    };
    let expected =
        [("d/sub/1", Deleted), ("d/sub/3", Added), ("d/sub/deep", Deleted), ("d/y", Deleted)];
    check(act, &expected);
}

#[test]
fn what_was_moved() {
    let act = |seen: &Path| {
        fs::rename(seen.join("a"), seen.join("d/a")).expect("moved");
        fs::rename(seen.join("d/x"), seen.join("d/y")).expect("moved");
        fs::create_dir(seen.join("new")).expect("a folder");
        fs::rename(seen.join("new"), seen.join("moved")).expect("moved");
    };
    check(
        act,
        &[("a", Deleted), ("d/a", Added), ("d/x", Deleted), ("d/y", Changed), ("moved", Added)],
    );
}

#[test]
fn what_is_as_it_was() {
    let act = |seen: &Path| {
        write(seen.join("a"), "something else");
        write(seen.join("a"), "a");
        fs::OpenOptions::new().append(true).open(seen.join("d/sub/deep/2")).expect("opened");
        set_mode(&seen.join("d/sub"), 0o700);
        let mode = fs::metadata(seen.join("d")).expect("a folder").mode();
        set_mode(&seen.join("d/sub"), mode & 0o7777);
        write(seen.join("d/new"), "x");
        remove(&seen.join("d/new"));
        remove(&seen.join("l"));
        symlink("a", seen.join("l")).expect("a link");
    };
    check(act, &[]);
}

/// Neither the size nor the time of a file tells whether it holds the same.
#[test]
fn what_is_changed_at_the_end_of_a_large_file() {
    let Some(mut world) = World::new() else { return };
    let before = "before".repeat(100_000);
    for name in ["large", "same"] {
        write(world.host().join(name), &before);
    }
    world.stamp = Some(world.take_stamp());
    let seen = world.begin();
    for name in ["large", "same"] {
        let file = fs::File::options().write(true).open(seen.join(name)).expect("a file");
        let time = file.metadata().and_then(|found| found.modified()).expect("a time");
        write(seen.join(name), &before);
        if name == "large" {
            file.write_all_at(b"x", before.len() as u64 - 1).expect("written");
        }
        file.set_modified(time).expect("a time");
    }
    world.end();
    assert_eq!(world.kinds(), [("large".to_owned(), Changed)]);
}

#[test]
fn layers_are_looked_through() {
    let Some(mut world) = World::new() else { return };
    let seen = world.begin();
    fs::create_dir(seen.join("new")).expect("a folder");
    write(seen.join("new/1"), "1");
    write(seen.join("new/2"), "2");
    write(seen.join("a"), "A");
    remove(&seen.join("b"));
    remove(&seen.join("e"));
    write(seen.join("d/x"), "first");
    world.end();
    let seen = world.begin();
    remove(&seen.join("new/1"));
    write(seen.join("a"), "a");
    write(seen.join("b"), "again");
    fs::create_dir(seen.join("e")).expect("a folder");
    world.end();
    let seen = world.begin();
    write(seen.join("d/x"), "third");
    write(seen.join("e/1"), "1");
    world.end();
    let told = world.kinds();
    let told: Vec<_> = told.iter().map(|(path, kind)| (path.as_str(), *kind)).collect();
    assert_eq!(told, [("b", Changed), ("d/x", Changed), ("new", Added), ("new/2", Added)]);
}

#[test]
fn sizes_and_folders_are_told() {
    let Some(mut world) = World::new() else { return };
    let seen = world.begin();
    remove(&seen.join("d"));
    remove(&seen.join("e"));
    write(seen.join("e"), "12345");
    fs::create_dir(seen.join("new")).expect("a folder");
    world.end();
    let change =
        |path: &str, kind, directory, size| Change { path: path.into(), kind, directory, size };
    let expected =
        [change("d", Deleted, true, 0), change("e", Kind, false, 5), change("new", Added, true, 0)];
    assert_eq!(world.diff(), expected);
}

#[test]
fn names_are_bytes() {
    let Some(mut world) = World::new() else { return };
    let seen = world.begin();
    let names: [&[u8]; 5] = [b"\xff\xfe", b"new\nline", b" ", b"\x1b[31m", b"a,b=c:d\\"];
    for name in names {
        write(seen.join(OsStr::from_bytes(name)), "x");
    }
    world.end();
    let mut found: Vec<_> = world.diff().into_iter().map(|change| change.path).collect();
    found.sort();
    let mut expected = names.map(|name| Path::new(OsStr::from_bytes(name)).to_path_buf());
    expected.sort();
    assert_eq!(found, expected);
    world.apply();
    assert_eq!(world.diff(), []);
}

#[test]
fn what_is_closed_to_its_owner_is_looked_at_and_stays_closed() {
    let Some(mut world) = World::new() else { return };
    let seen = world.begin();
    fs::create_dir_all(seen.join("new/in")).expect("folders");
    write(seen.join("new/in/file"), "x");
    write(seen.join("new/other"), "x");
    let closed = ["closed/1", "closed", "new/in/file", "new/in", "new/other", "new"];
    for name in closed {
        set_mode(&seen.join(name), 0);
    }
    world.end();
    let expected = [
        ("closed", OnlyMode),
        ("closed/1", OnlyMode),
        ("new", Added),
        ("new/in", Added),
        ("new/in/file", Added),
        ("new/other", Added),
    ];
    let expected = expected.map(|(path, kind)| (path.to_owned(), kind));
    assert_eq!(world.kinds(), expected);
    assert_eq!(world.kinds(), expected);
    world.apply();
    for name in ["new", "closed"] {
        for root in [world.upper(), world.host()] {
            let found = fs::metadata(root.join(name)).expect("a folder");
            assert_eq!(found.mode() & 0o7777, 0, "{name}");
            set_mode(&root.join(name), 0o700);
        }
    }
    let file = world.host().join("new/other");
    assert_eq!(fs::metadata(&file).expect("a file").mode() & 0o7777, 0);
    set_mode(&file, 0o600);
    assert_eq!(fs::read(file).expect("a file"), b"x");
}

#[test]
fn a_payload_cannot_forge_what_overlayfs_writes() {
    let Some(mut world) = World::new() else { return };
    let seen = world.begin();
    for kind in [FileType::CharacterDevice, FileType::BlockDevice] {
        let made = mknodat(CWD, seen.join("whiteout"), kind, Mode::RUSR, 0);
        assert!(made.is_err() || kind == FileType::BlockDevice);
    }
    let _ = fs::remove_file(seen.join("whiteout"));
    for (name, value) in [("opaque", "y"), ("opaque", "x"), ("whiteout", ""), ("redirect", "/a")] {
        let name = format!("user.overlay.{name}");
        // It may be refused; if it is not, it means nothing.
        let _ = setxattr(seen.join("d"), &*name, value.as_bytes(), XattrFlags::empty());
        let _ = setxattr(seen.join("d/x"), &*name, value.as_bytes(), XattrFlags::empty());
    }
    fs::remove_file(seen.join("d/y")).expect("removed");
    world.end();
    assert_eq!(world.kinds(), [("d/y".to_owned(), Deleted)]);
}

#[test]
fn whiteouts_that_are_files_are_known() {
    let Some(world) = World::new() else { return };
    let upper = world.upper();
    fs::create_dir(upper.join("d")).expect("a folder");
    for name in ["d/x", "d/y", "a"] {
        write(upper.join(name), "");
        let mark = "user.overlay.whiteout";
        setxattr(upper.join(name), mark, b"", XattrFlags::empty()).expect("a mark");
    }
    write(upper.join("d/y"), "not empty");
    setxattr(upper.join("d"), "user.overlay.opaque", b"x", XattrFlags::empty()).expect("a mark");
    let mode = fs::metadata(world.host().join("d")).expect("a folder").mode() & 0o7777;
    set_mode(&upper.join("d"), mode);
    let expected = [("a", Changed), ("d/x", Deleted), ("d/y", Changed)];
    assert_eq!(world.kinds(), expected.map(|(path, kind)| (path.to_owned(), kind)));
}

#[test]
fn a_device_is_an_error_that_names_it() {
    let Some(world) = World::new() else { return };
    if !geteuid().is_root() {
        // Nobody else can make one.
        return;
    }
    let path = world.upper().join("device");
    mknodat(CWD, path, FileType::CharacterDevice, Mode::RUSR, 0x103).expect("a device");
    let error = diff(&world.stack()).expect_err("a device").to_string();
    assert!(error.contains("device"), "{error}");
}
