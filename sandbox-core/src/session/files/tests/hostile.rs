//! A command that puts something else where a file was, as fast as it can.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::fs::{CWD, Mode, RenameFlags, mkdirat, openat, renameat_with};

use super::*;

fn fifo(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

/// Does `work` so often while two names change places all the time.
fn while_swapping(a: &Path, b: &Path, often: u32, mut work: impl FnMut()) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                // In one step: with more, a race is hardly ever met. One may just be gone.
                let _ = renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE);
            }
        });
        // Also when `work` fails: the scope waits for the thread.
        let _end = End(&done);
        for _ in 0..often {
            work();
        }
    });
}

struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_folder_that_becomes_a_link_leads_nowhere() {
    let world = World::new();
    for folder in ["work/folder", "outside/folder"] {
        std::fs::create_dir_all(world.path(folder)).unwrap();
    }
    world.put("work/folder/a", "inside");
    world.put("outside/folder/a", "outside");
    symlink(world.path("outside/folder"), world.path("work/link")).unwrap();
    let (folder, link) = (world.path("work/folder"), world.path("work/link"));
    let mut found = 0;
    while_swapping(&folder, &link, 1500, || {
        match world.read("/work/folder/a") {
            Ok(content) => {
                assert_eq!(content, "inside");
                found += 1;
            }
            // That it was a folder in one moment and a link in the next is an answer, too.
            Err(FileError::LeadsOutside { .. } | FileError::Io { call: "following", .. }) => {}
            Err(error) => panic!("{error}"),
        }
        let _ = world.write("/work/folder/a", "inside", Create::Replace);
        let _ = world.write("/work/folder/b", "x", Create::New);
        let _ = world.files.move_to(&at("/work/folder/b"), &at("/work/folder/c"), Overwrite::Yes);
        let _ = world.files.make_dir(&at("/work/folder/d"));
        let _ = world.files.remove(&at("/work/folder/d"), true);
        let _ = world.files.remove(&at("/work/folder/c"), true);
    });
    assert!(found > 0, "never was it a folder");
    assert_eq!(world.names("outside/folder"), ["a"]);
    assert_eq!(world.content("outside/folder/a"), "outside");
}

#[test]
fn a_file_that_becomes_a_link_is_not_written_through() {
    let world = World::new();
    world.put("work/a", "inside");
    world.put("outside/a", "outside");
    symlink(world.path("outside/a"), world.path("work/link")).unwrap();
    while_swapping(&world.path("work/a"), &world.path("work/link"), 1000, || {
        if let Ok(content) = world.read("/work/a") {
            assert_ne!(content, "outside");
        }
        let _ = world.write("/work/a", "", Create::Append);
        let _ = world.files.write(&at("/work/a"), b"", Create::Append, Some(0o600));
    });
    assert_eq!(world.content("outside/a"), "outside");
    let mode = std::fs::metadata(world.path("outside/a")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
}

#[test]
fn a_tree_that_becomes_a_link_is_not_removed_behind_it() {
    let world = World::new();
    std::fs::create_dir_all(world.path("outside/folder")).unwrap();
    world.put("outside/folder/file", "precious");
    symlink(world.path("outside"), world.path("work/link")).unwrap();
    std::fs::create_dir(world.path("work/other")).unwrap();
    let (other, link) = (world.path("work/other"), world.path("work/link"));
    while_swapping(&other, &link, 400, || {
        let _ = std::fs::create_dir_all(world.path("work/top/a/b"));
        let _ = std::fs::rename(world.path("work/other"), world.path("work/top/a/x"));
        let _ = world.files.remove(&at("/work/top"), true);
        let _ = std::fs::create_dir(world.path("work/other"));
        let _ = symlink(world.path("outside"), world.path("work/link"));
    });
    assert_eq!(world.content("outside/folder/file"), "precious");
}

#[test]
fn what_is_no_file_is_not_opened() {
    let world = World::new();
    fifo(&world.path("work/fifo"));
    let _listener = std::os::unix::net::UnixListener::bind(world.path("work/socket")).unwrap();
    for path in ["/work/fifo", "/work/socket"] {
        let wrong = format!("{path} is a pipe, a socket or a device, and a file was expected");
        assert_eq!(text(world.read(path)), wrong);
        for create in [Create::Replace, Create::Append] {
            assert_eq!(text(world.write(path, "x", create)), wrong);
        }
        assert!(matches!(world.files.list(&at(path)), Err(FileError::WrongKind { .. })));
        assert_eq!(world.files.stat(&at(path)).unwrap().kind, Kind::Special);
        world.files.move_to(&at(path), &at("/work/moved"), Overwrite::No).unwrap();
        world.files.remove(&at("/work/moved"), false).unwrap();
    }
}

/// Whoever opens the pipe with a writer waiting or without would wait for ever.
#[test]
fn a_file_that_becomes_a_pipe_holds_nobody_up() {
    let world = World::new();
    world.put("work/a", "inside");
    fifo(&world.path("work/pipe"));
    let mut read = 0;
    while_swapping(&world.path("work/a"), &world.path("work/pipe"), 5000, || {
        match world.read("/work/a") {
            Ok(content) => {
                assert_eq!(content, "inside");
                read += 1;
            }
            Err(error) => assert!(matches!(error, FileError::WrongKind { .. }), "{error}"),
        }
        let _ = world.files.list(&at("/work/a"));
    });
    assert!(read > 0, "never was it a file");
}

/// The same in the moment after each look, which a race meets only now and then.
#[test]
fn what_took_a_files_place_is_opened_without_waiting() {
    let world = World::new();
    fifo(&world.path("work/pipe"));
    let place = walk(&world.files.mounts, &at("/work/pipe"), Last::Keep).unwrap();
    let mut options = cap_std::fs::OpenOptions::new();
    let read = read::open_now(&place, options.read(true));
    assert!(matches!(read, Err(FileError::WrongKind { .. })), "{read:?}");
    let (folder, pipe) = (&place.folder, Path::new("pipe"));
    let copied = copy::file((folder, pipe), (folder, Path::new("copy"))).unwrap_err();
    assert_eq!(copied.to_string(), "it is no file any more");
    let entered = removal::enter(folder, pipe).unwrap_err();
    assert_eq!(entered.kind(), std::io::ErrorKind::NotADirectory);
    assert_eq!(world.names("work"), ["pipe"]);
}

#[test]
fn another_name_of_a_file_keeps_its_content() {
    let world = World::new();
    world.put("outside/a", "outside");
    std::fs::hard_link(world.path("outside/a"), world.path("work/a")).unwrap();
    let error = text(world.write("/work/a", "x", Create::Append));
    assert_eq!(error, "/work/a has another name elsewhere, so it is not appended to: replace it");
    world.files.write(&at("/work/a"), b"inside", Create::Replace, Some(0o600)).unwrap();
    assert_eq!(
        (world.content("work/a"), world.content("outside/a")),
        ("inside".into(), "outside".into())
    );
    let mode = std::fs::metadata(world.path("outside/a")).unwrap().permissions().mode();
    assert_ne!(mode & 0o777, 0o600);
}

/// Deeper than a path can be long, and than there are descriptors.
#[test]
fn a_deep_tree_is_walked_and_removed() {
    const DEPTH: usize = 2500;
    let world = World::new();
    let mut folder = std::fs::File::open(world.path("work")).unwrap();
    for _ in 0..DEPTH {
        mkdirat(&folder, "d", Mode::RWXU).unwrap();
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY;
        folder = openat(&folder, "d", flags, Mode::empty()).unwrap().into();
    }
    let path = at(&format!("/work{}", "/d".repeat(DEPTH)));
    assert_eq!(world.files.stat(&path).unwrap().kind, Kind::Folder);
    world.files.write(&path.join("a").unwrap(), b"deep", Create::New, None).unwrap();
    assert_eq!(world.files.read(&path.join("a").unwrap(), 9).unwrap().bytes, b"deep");
    world.files.remove(&at("/work/d"), true).unwrap();
    assert!(world.names("work").is_empty());
}

#[test]
fn a_tree_with_any_names_and_modes_is_removed() {
    let world = World::new();
    for name in ["a/b/c", ".removed-1/x", ".removed-2/y", "a/.removed-1"] {
        std::fs::create_dir_all(world.path("work/top").join(name)).unwrap();
    }
    world.put("work/top/.removed-3", "x");
    world.put("outside/file", "precious");
    symlink(world.path("outside"), world.path("work/top/a/out")).unwrap();
    fifo(&world.path("work/top/a/pipe"));
    let odd = world.path("work/top/a").join(std::ffi::OsStr::from_bytes(b"\xff"));
    std::fs::write(odd, "x").unwrap();
    for closed in ["work/top/a/b/c", "work/top/a/b", "work/top/a", "work/top"] {
        std::fs::set_permissions(world.path(closed), PermissionsExt::from_mode(0o000)).unwrap();
    }
    world.files.remove(&at("/work/top"), true).unwrap();
    assert!(world.names("work").is_empty());
    assert_eq!(world.content("outside/file"), "precious");
}

#[test]
fn nothing_special_is_made_by_a_move() {
    let world = World::new();
    fifo(&world.path("work/fifo"));
    let copied = copy::copy(
        &open(&world.path("work")),
        Path::new("fifo"),
        &open(&world.path("outside")),
        Path::new("fifo"),
    );
    let error = copied.unwrap_err().to_string();
    assert_eq!(error, "\"fifo\" is a pipe, a socket or a device: it stays");
    assert!(world.names("outside").is_empty());
    assert!(std::fs::metadata(world.path("work/fifo")).unwrap().file_type().is_fifo());
}
