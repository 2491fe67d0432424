//! What a diff of two folders says.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use sandbox_core::session::ChangeKind;
use sandbox_core::snapshot::diff_trees;

use crate::world::{World, furnish, is_root, named, pipe, set_date, set_mode};

type Line = (String, ChangeKind, bool, u64);

fn diff(old: &Path, new: &Path) -> Vec<Line> {
    let changes = diff_trees(old, new, &[]).unwrap().into_iter();
    let line = |path: &Path| path.display().to_string();
    changes.map(|it| (line(&it.path), it.kind, it.directory, it.size)).collect()
}

fn line(path: &str, kind: ChangeKind, directory: bool, size: u64) -> Line {
    (path.to_owned(), kind, directory, size)
}

/// A folder that was saved, and the copy.
fn saved() -> (World, std::path::PathBuf) {
    let world = World::new();
    furnish(&world.live);
    world.save("a").unwrap();
    let copy = world.store.copy_of(&named("a"), "/work").unwrap();
    (world, copy)
}

#[test]
fn a_copy_does_not_differ() {
    let (world, copy) = saved();
    assert_eq!(diff(&copy, &world.live), []);
    assert_eq!(diff(&world.live, &copy), []);
    world.wreck();
    world.restore("a").unwrap();
    assert_eq!(diff(&copy, &world.live), []);
}

#[test]
fn each_kind_of_change_is_told() {
    use ChangeKind::*;
    let (world, copy) = saved();
    let path = |name: &str| world.path(name);
    fs::write(path("a/tool"), "#!/bin/zz\n").unwrap();
    fs::write(path("large"), "small").unwrap();
    set_mode(&path("a/b/c/none"), 0o644);
    set_mode(&path("empty"), 0o700);
    set_mode(&path("a/pipe"), 0o600);
    for name in ["a/dangling", "a/up", "to folder", "self"] {
        fs::remove_file(path(name)).unwrap();
    }
    symlink("elsewhere", path("a/dangling")).unwrap();
    fs::write(path("a/up"), "file").unwrap();
    fs::create_dir_all(path("to folder/with")).unwrap();
    fs::write(path("to folder/with/file"), "12345").unwrap();
    fs::remove_dir_all(path("sticky")).unwrap();
    fs::write(path("sticky"), "file").unwrap();
    fs::create_dir_all(path("new/deep")).unwrap();
    fs::write(path("new/deep/file"), "1").unwrap();
    fs::create_dir(path("a!")).unwrap();
    // Neither is a change.
    set_date(&path("file"), 5, 5);
    set_mode(&world.live, 0o711);
    assert_eq!(
        diff(&copy, &world.live),
        [
            line("a/b/c/none", Mode, false, 0),
            line("a/dangling", Link, false, 0),
            line("a/pipe", Mode, false, 0),
            line("a/tool", Changed, false, 10),
            line("a/up", Kind, false, 4),
            line("a!", Added, true, 0),
            line("empty", Mode, true, 0),
            line("large", Changed, false, 5),
            line("new", Added, true, 0),
            line("new/deep", Added, true, 0),
            line("new/deep/file", Added, false, 1),
            line("self", Deleted, false, 0),
            line("sticky", Kind, false, 4),
            line("to folder", Kind, true, 0),
            line("to folder/with", Added, true, 0),
            line("to folder/with/file", Added, false, 5),
        ]
    );
    let back = diff(&world.live, &copy);
    assert!(back.contains(&line("new", Deleted, true, 0)));
    assert!(!back.iter().any(|(path, ..)| path.starts_with("new/")), "{back:?}");
    assert!(back.contains(&line("self", Added, false, 0)));
}

/// The content decides where size and date cannot.
#[test]
fn an_equal_size_is_not_enough() {
    let (world, copy) = saved();
    let mut content = fs::read(world.path("large")).unwrap();
    *content.last_mut().unwrap() ^= 1;
    fs::write(world.path("large"), &content).unwrap();
    assert_eq!(diff(&copy, &world.live), [line("large", ChangeKind::Changed, false, 300_000)]);
    *content.last_mut().unwrap() ^= 1;
    fs::write(world.path("large"), &content).unwrap();
    assert_eq!(diff(&copy, &world.live), []);
}

/// A second name is a file like any other.
#[test]
fn second_names_are_files() {
    let (world, copy) = saved();
    fs::remove_file(world.path("a/b/twin")).unwrap();
    fs::write(world.path("a/b/twin"), "content").unwrap();
    set_mode(&world.path("a/b/twin"), 0o644);
    assert_eq!(diff(&copy, &world.live), []);
    fs::write(world.path("file"), "changed").unwrap();
    assert_eq!(diff(&copy, &world.live), [line("file", ChangeKind::Changed, false, 7)]);
}

#[test]
fn links_are_not_followed() {
    let (world, copy) = saved();
    let outside = world.top.path().join("outside");
    fs::create_dir(&outside).unwrap();
    pipe(&outside.join("pipe"));
    fs::remove_dir(world.path("empty")).unwrap();
    symlink(&outside, world.path("empty")).unwrap();
    assert_eq!(diff(&copy, &world.live), [line("empty", ChangeKind::Kind, false, 0)]);
}

#[test]
fn what_cannot_be_read_is_no_difference() {
    if is_root() {
        // Root can read everything.
        return;
    }
    let (world, copy) = saved();
    set_mode(&world.path("a/b"), 0o000);
    let error = diff_trees(&copy, &world.live, &[]).unwrap_err().to_string();
    set_mode(&world.path("a/b"), 0o711);
    assert!(error.contains("live/a/b: Permission denied"), "{error}");
}
