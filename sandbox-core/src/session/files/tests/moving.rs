//! Moving, also between file systems.

use super::*;
use crate::session::files::moving::bring_across;

fn move_to(world: &World, from: &str, to: &str, overwrite: Overwrite) -> Result<()> {
    world.files.move_to(&at(from), &at(to), overwrite)
}

/// A tree of a file, a folder and a folder in it.
fn tree(world: &World, top: &str) {
    std::fs::create_dir_all(world.path(top).join("folder/empty")).unwrap();
    std::fs::write(world.path(top).join("a"), "a").unwrap();
    std::fs::write(world.path(top).join("folder/b"), "b").unwrap();
}

fn is_tree(world: &World, top: &str) -> bool {
    world.names(top) == ["a", "folder"]
        && world.names(&format!("{top}/folder")) == ["b", "empty"]
        && world.content(&format!("{top}/folder/b")) == "b"
}

#[test]
fn files_and_folders_are_moved_between_folders_of_the_session() {
    let world = World::with(&[("/work", "work"), ("/out", "out")]);
    world.put("work/file", "x");
    tree(&world, "work/tree");
    move_to(&world, "/work/file", "/out/file", Overwrite::No).unwrap();
    move_to(&world, "/work/tree", "/out/moved", Overwrite::No).unwrap();
    assert_eq!(world.content("out/file"), "x");
    assert!(is_tree(&world, "out/moved"));
    assert!(world.names("work").is_empty());
}

#[test]
fn nothing_is_overwritten_unless_asked() {
    let world = World::new();
    world.put("work/a", "a");
    world.put("work/b", "b");
    tree(&world, "work/tree");
    std::fs::create_dir(world.path("work/empty")).unwrap();
    for (from, to) in [("a", "b"), ("a", "empty"), ("tree", "empty"), ("tree", "a"), ("a", "a")] {
        let (from, to) = (format!("/work/{from}"), format!("/work/{to}"));
        let error = text(move_to(&world, &from, &to, Overwrite::No));
        assert_eq!(error, format!("{to} exists already"));
    }
    assert_eq!((world.content("work/a"), world.content("work/b")), ("a".into(), "b".into()));
    move_to(&world, "/work/a", "/work/b", Overwrite::Yes).unwrap();
    assert_eq!(world.content("work/b"), "a");
    assert!(move_to(&world, "/work/empty", "/work/tree", Overwrite::Yes).is_err());
    move_to(&world, "/work/tree", "/work/empty", Overwrite::Yes).unwrap();
    assert!(is_tree(&world, "work/empty"));
    assert_eq!(world.names("work"), ["b", "empty"]);
}

#[test]
fn a_move_that_fails_leaves_everything_as_it_was() {
    let world = World::new();
    tree(&world, "work/tree");
    let error = move_to(&world, "/work/tree", "/work/tree/folder/in", Overwrite::No);
    assert!(matches!(error, Err(FileError::Io { call: "moving", .. })), "{error:?}");
    assert!(is_tree(&world, "work/tree"));
    assert!(move_to(&world, "/work/none", "/work/x", Overwrite::No).is_err());
    assert!(move_to(&world, "/work/tree/a", "/work/none/x", Overwrite::No).is_err());
    assert!(is_tree(&world, "work/tree"));
    assert_eq!(world.names("work"), ["tree"]);
}

/// As a move between file systems does it, whatever file systems there are here.
fn across(world: &World, from: &str, to: &str) -> std::io::Result<()> {
    let place = |path| walk(&world.files.mounts, &at(path), Last::Keep).unwrap();
    bring_across(&place(from), &place(to))
}

#[test]
fn a_tree_is_copied_as_a_whole_and_then_removed() {
    let world = World::with(&[("/work", "work"), ("/out", "out")]);
    tree(&world, "work/tree");
    let before = std::fs::metadata(world.path("work/tree/folder/b")).unwrap().modified().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    across(&world, "/work/tree", "/out/tree").unwrap();
    assert!(is_tree(&world, "out/tree"));
    let after = std::fs::metadata(world.path("out/tree/folder/b")).unwrap().modified().unwrap();
    assert_eq!(before, after);
    across(&world, "/out/tree/a", "/work/a").unwrap();
    assert_eq!(
        (world.content("work/a"), world.names("out/tree")),
        ("a".into(), vec!["folder".into()])
    );
    assert_eq!((world.names("work"), world.names("out")), (vec!["a".into()], vec!["tree".into()]));
}

#[test]
fn a_copy_that_fails_is_taken_away_and_the_tree_stays() {
    let world = World::with(&[("/work", "work"), ("/out", "out")]);
    tree(&world, "work/tree");
    std::fs::create_dir_all(world.path("work/tree").join("d/".repeat(101))).unwrap();
    let error = across(&world, "/work/tree", "/out/tree").unwrap_err().to_string();
    assert_eq!(error, "it is more than 100 folders deep");
    tree(&world, "out/there");
    world.files.remove(&at("/work/tree/d"), true).unwrap();
    assert!(across(&world, "/work/tree", "/out/there").is_err(), "it is not empty");
    assert!(is_tree(&world, "work/tree"));
    assert_eq!(world.names("out"), ["there"]);
}

#[cfg(unix)]
mod between_systems {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    #[test]
    #[expect(clippy::print_stderr, reason = "a skip says why")]
    fn a_tree_is_moved_to_another_file_system() {
        let world = World::new();
        let Ok(memory) = tempfile::tempdir_in("/dev/shm") else {
            return eprintln!("skipped: there is no /dev/shm");
        };
        let device = |path: &Path| std::fs::metadata(path).unwrap().dev();
        if device(memory.path()) == device(world.host.path()) {
            return eprintln!("skipped: /dev/shm is no file system of its own");
        }
        let files = Files::new(vec![
            (at("/work"), open(&world.path("work")), FilesystemAccess::ReadWrite),
            (at("/memory"), open(memory.path()), FilesystemAccess::ReadWrite),
        ]);
        tree(&world, "work/tree");
        symlink("/no/where", world.path("work/tree/folder/link")).unwrap();
        let closed = PermissionsExt::from_mode(0o500);
        std::fs::set_permissions(world.path("work/tree/folder"), closed).unwrap();
        files.make_dir(&at("/memory/there")).unwrap();
        let refused = files.move_to(&at("/work/tree"), &at("/memory/there"), Overwrite::No);
        assert_eq!(text(refused), "/memory/there exists already");
        files.move_to(&at("/work/tree"), &at("/memory/tree"), Overwrite::No).unwrap();
        let moved = memory.path().join("tree/folder");
        assert_eq!(std::fs::read_to_string(moved.join("b")).unwrap(), "b");
        assert_eq!(std::fs::read_link(moved.join("link")).unwrap(), Path::new("/no/where"));
        assert_eq!(std::fs::metadata(&moved).unwrap().mode() & 0o777, 0o500);
        assert!(world.names("work").is_empty());
        files.move_to(&at("/memory/tree"), &at("/memory/there"), Overwrite::Yes).unwrap();
        files.remove(&at("/memory/there"), true).unwrap();
        assert_eq!(std::fs::read_dir(memory.path()).unwrap().count(), 0);
    }
}
