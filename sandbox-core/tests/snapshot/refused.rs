//! What is refused, with nothing saved and nothing changed.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;

use sandbox_core::snapshot::{Folder, Limits, SnapshotError, Store};
use sandbox_core::{ByteSize, SandboxError};

use crate::dump::dump;
use crate::world::{World, furnish, is_root, named, set_mode};

fn limits(bytes: u64, files: u64) -> Limits {
    Limits { bytes: Some(ByteSize::from_bytes(bytes)), files: Some(files) }
}

#[test]
fn a_name_is_taken_once() {
    let world = World::new();
    world.save("a").unwrap();
    assert!(matches!(world.save("a"), Err(SandboxError::AlreadyExists { .. })));
    assert_eq!(world.store.list().unwrap().len(), 1);
    for result in [
        world.restore("b"),
        world.store.remove(&named("b")),
        world.store.copy_of(&named("b"), "/work").map(drop),
        world.store.copy_of(&named("a"), "/other").map(drop),
    ] {
        assert!(matches!(result, Err(SandboxError::NotFound { .. })), "{result:?}");
    }
}

#[test]
fn an_unknown_label_changes_nothing() {
    let world = World::new();
    let other = world.top.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(world.path("file"), "old").unwrap();
    world.save("a").unwrap();
    fs::write(world.path("file"), "new").unwrap();
    let before = dump(&world.live);
    let folders = [world.folders()[0], Folder::new("/other", &other)];
    let error = world.store.restore(&named("a"), &folders, &|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "there is no folder \"/other\" in the snapshot \"a\"");
    assert_eq!(dump(&world.live), before);
}

#[test]
fn limits_are_kept_to_the_last_byte_and_name() {
    let world = World::new();
    furnish(&world.live);
    let whole = world.save("whole").unwrap();
    let save =
        |name: &str, limits| world.store.save(&named(name), &world.folders(), limits, &|_| ());
    save("just", limits(whole.bytes, whole.files)).unwrap();
    let error = save("bytes", limits(whole.bytes - 1, whole.files)).unwrap_err();
    assert!(matches!(error, SandboxError::Snapshot(SnapshotError::TooManyBytes { .. })), "{error}");
    let error = save("files", limits(whole.bytes, whole.files - 1)).unwrap_err();
    assert!(matches!(error, SandboxError::Snapshot(SnapshotError::TooManyFiles { .. })), "{error}");
    // A bomb that takes no room itself.
    File::create(world.path("bomb")).unwrap().set_len(8 << 40).unwrap();
    let error = save("bomb", limits(1 << 40, 1000)).unwrap_err();
    assert!(error.to_string().ends_with("limit of 1T"), "{error}");
    assert_eq!(world.stored(), ["1", "2"]);
}

/// The listing of one folder must not take more memory than the limit allows, either.
#[test]
fn a_full_folder_is_noticed_while_it_is_read() {
    let world = World::new();
    for number in 0..50 {
        File::create(world.path(&number.to_string())).unwrap();
    }
    let saved = world.store.save(&named("a"), &world.folders(), limits(0, 49), &|_| ());
    assert!(saved.is_err());
    world.store.save(&named("a"), &world.folders(), limits(0, 50), &|_| ()).unwrap();
}

#[test]
fn what_cannot_be_read_is_named() {
    if is_root() {
        // Root can read everything.
        return;
    }
    for closed in ["a/b/secret", "a/b", ""] {
        let world = World::new();
        furnish(&world.live);
        set_mode(&world.path(closed), 0o000);
        let error = world.save("a").unwrap_err();
        let path = world.path(closed).display().to_string();
        assert!(error.to_string().contains(path.trim_end_matches('/')), "{error}");
        assert!(error.to_string().contains("ermission denied"), "{error}");
        assert!(world.stored().is_empty());
        set_mode(&world.path(closed), 0o700);
    }
}

#[test]
fn a_folder_must_be_one() {
    let world = World::new();
    let save = |path: &Path| {
        let folders = [Folder::new("a", path)];
        world.store.save(&named("a"), &folders, Limits::default(), &|_| ()).unwrap_err()
    };
    fs::write(world.path("file"), "x").unwrap();
    for path in [world.path("file"), world.path("missing")] {
        let error = save(&path).to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
    }
    assert!(world.stored().is_empty());
}

#[test]
fn folders_must_not_lie_in_one_another() {
    let world = World::new();
    let inner = world.path("inner");
    fs::create_dir(&inner).unwrap();
    symlink(&inner, world.top.path().join("link")).unwrap();
    let link = world.top.path().join("link");
    let live = Folder::new("a", &world.live);
    for folders in [
        &[live, Folder::new("b", &inner)][..],
        &[Folder::new("b", &link), live],
        &[live, Folder::new("a", world.top.path())],
        &[Folder::new("a", world.top.path())],
        &[Folder::new("a", &world.store_path())],
    ] {
        let saved = world.store.save(&named("a"), folders, Limits::default(), &|_| ());
        assert!(matches!(saved, Err(SandboxError::InvalidRequest(_))), "{saved:?}");
    }
    let other = world.top.path().join("other");
    fs::create_dir(&other).unwrap();
    let folders = [live, Folder::new("a", &other)];
    let saved = world.store.save(&named("a"), &folders, Limits::default(), &|_| ());
    assert!(matches!(saved, Err(SandboxError::InvalidRequest(_))), "{saved:?}");
}

#[test]
fn a_store_is_the_callers_own() {
    let world = World::new();
    let path = world.store_path();
    set_mode(&path, 0o777);
    Store::open(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o700);
    let link = world.top.path().join("link");
    symlink(&path, &link).unwrap();
    assert!(Store::open(&link).is_err());
    assert!(Store::open(&world.top.path().join("missing/store")).is_err());
    if is_root() {
        std::os::unix::fs::chown(&path, Some(61234), None).unwrap();
        let Err(SandboxError::Io { source, .. }) = Store::open(&path) else { panic!("opened") };
        assert_eq!(source.kind(), ErrorKind::PermissionDenied);
    }
}

/// Names that a payload has chosen reach no terminal as they are.
#[test]
fn names_are_quoted() {
    let world = World::new();
    File::create(world.path("\x1b[2J")).unwrap().set_len(2).unwrap();
    let path = world.path("\x1b[2J");
    let folders = [Folder::new("a", &path)];
    let error = world.store.save(&named("a"), &folders, Limits::default(), &|_| ()).unwrap_err();
    assert!(!error.to_string().contains('\x1b'), "{error}");
}
