//! Links mean what they mean inside of the sandbox.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use super::*;

fn link(world: &World, target: &str, path: &str) {
    symlink(target, world.path(path)).unwrap();
}

#[test]
fn links_are_followed_through_the_mounts() {
    let world = World::with(&[("/work", "work"), ("/data/ref", "ref"), ("/work/deep", "deep")]);
    std::fs::create_dir(world.path("work/folder")).unwrap();
    for (path, content) in [("work/folder/a", "a"), ("ref/b", "b"), ("deep/c", "c")] {
        world.put(path, content);
    }
    for (target, path) in [
        ("folder/a", "work/beside"),
        ("/work/folder", "work/folder_too"),
        ("/data/ref", "work/absolute"),
        ("../data/ref/b", "work/above"),
        ("../../../..//./work/folder/../absolute/b", "work/twisted"),
        ("../deep", "work/folder/mounted"),
        ("..", "work/folder/up"),
        (".", "work/same"),
    ] {
        link(&world, target, path);
    }
    for (path, content) in [
        ("/work/beside", "a"),
        ("/work/folder_too/a", "a"),
        ("/work/absolute/b", "b"),
        ("/work/above", "b"),
        ("/work/twisted", "b"),
        ("/work/folder/mounted/c", "c"),
        ("/work/folder/up/folder/up/beside", "a"),
        ("/work/same/same/beside", "a"),
        ("/work/deep/c", "c"),
    ] {
        assert_eq!(world.read(path).unwrap(), content, "{path}");
    }
    assert_eq!(world.list("/work/absolute"), ["b"]);
    assert_eq!(world.list("/work/folder/up"), world.list("/work"));
    let error = text(world.write("/work/above", "x", Create::Replace));
    assert_eq!(error, "/work/above cannot be changed: /data/ref is read-only");
}

#[test]
fn a_link_that_leads_out_is_refused() {
    let world = World::new();
    let outside = world.path("outside/secret");
    world.put("outside/secret", "secret");
    link(&world, outside.to_str().unwrap(), "work/absolute");
    link(&world, "../outside/secret", "work/beside");
    link(&world, "../outside", "work/folder");
    link(&world, "absolute", "work/twice");
    link(&world, "/proc/self/root", "work/magic");
    link(&world, "../../../../../../../../etc", "work/far");
    for path in [
        "/work/absolute",
        "/work/beside",
        "/work/folder/secret",
        "/work/twice",
        "/work/magic/etc/passwd",
        "/work/far/passwd",
    ] {
        for result in [
            world.read(path).map(|_| ()),
            world.write(path, "x", Create::Replace),
            world.write(path, "x", Create::Append),
        ] {
            assert!(matches!(result, Err(FileError::LeadsOutside { .. })), "{path}: {result:?}");
        }
    }
    let error = text(world.read("/work/far/passwd"));
    let expected = "/work/far/passwd leads to /etc/passwd, which lies in no folder of the session";
    assert_eq!(error, format!("{expected}: it has /ref, /work"));
    assert_eq!(world.content("outside/secret"), "secret");
}

#[test]
fn calls_on_names_are_about_the_link_itself() {
    let world = World::new();
    world.put("work/a", "a");
    link(&world, "a", "work/link");
    link(&world, "/etc", "work/out");
    assert_eq!(world.files.stat(&at("/work/link")).unwrap().kind, Kind::Link);
    assert_eq!(world.files.stat(&at("/work/out")).unwrap().kind, Kind::Link);
    assert_eq!(text(world.write("/work/out", "x", Create::New)), "/work/out exists already");
    assert_eq!(text(world.files.make_dir(&at("/work/out"))), "/work/out exists already");
    world.files.move_to(&at("/work/out"), &at("/work/moved"), Overwrite::No).unwrap();
    world.files.remove(&at("/work/moved"), true).unwrap();
    world.files.remove(&at("/work/link"), true).unwrap();
    assert_eq!(world.names("work"), ["a"]);
}

#[test]
fn a_link_is_written_through_also_to_what_is_not_there_yet() {
    let world = World::new();
    link(&world, "/work/target", "work/link");
    world.write("/work/link", "one", Create::Replace).unwrap();
    world.write("/work/link", " two", Create::Append).unwrap();
    assert_eq!(world.content("work/target"), "one two");
    assert!(world.path("work/link").is_symlink());
}

#[test]
fn links_that_lead_nowhere_end() {
    let world = World::new();
    link(&world, "b", "work/a");
    link(&world, "a", "work/b");
    link(&world, "self/x", "work/self");
    for path in ["/work/a", "/work/self", "/work/a/x"] {
        assert!(matches!(world.read(path), Err(FileError::TooManyLinks { .. })), "{path}");
    }
}

#[test]
fn links_are_followed_as_far_as_the_kernel_does() {
    let world = World::new();
    world.put("work/0", "x");
    for number in 1..=41 {
        link(&world, &(number - 1).to_string(), &format!("work/{number}"));
    }
    assert_eq!(world.read("/work/40").unwrap(), "x");
    assert!(matches!(world.read("/work/41"), Err(FileError::TooManyLinks { .. })));
}

/// Each `..` is a walk from the root; in a deep folder one link is thousands of names.
#[test]
fn a_link_cannot_make_a_walk_long() {
    let world = World::new();
    let folder = format!("work/{}", "d/".repeat(20));
    std::fs::create_dir_all(world.path(&folder).join("d")).unwrap();
    link(&world, &"d/../".repeat(10), &format!("{folder}short"));
    link(&world, &"d/../".repeat(800), &format!("{folder}long"));
    world.files.list(&at(&format!("/{folder}short"))).unwrap();
    let error = world.files.list(&at(&format!("/{folder}long")));
    assert!(matches!(error, Err(FileError::TooManyLinks { .. })), "{error:?}");
    // Up many times in a row is one walk.
    let deep = format!("work/{}", "d/".repeat(150));
    std::fs::create_dir_all(world.path(&deep)).unwrap();
    link(&world, &"../".repeat(150), &format!("{deep}up"));
    assert_eq!(world.list(&format!("/{deep}up")), world.list("/work"));
}

#[test]
fn names_need_not_be_text() {
    let world = World::new();
    let name = std::ffi::OsStr::from_bytes(b"\xff\xfe \n");
    let path = at("/work").join(name).unwrap();
    world.files.write(&path, b"x", Create::New, None).unwrap();
    assert_eq!(world.files.list(&at("/work")).unwrap().entries[0].name, name);
    assert_eq!(world.files.read(&path, 9).unwrap().bytes, b"x");
    let to = at("/work").join(std::ffi::OsStr::from_bytes(b"\x80")).unwrap();
    world.files.move_to(&path, &to, Overwrite::No).unwrap();
    world.files.remove(&to, false).unwrap();
    let error = text(world.files.stat(&path));
    assert_eq!(error, "\"/work/\\xFF\\xFE \\n\" does not exist");
}
