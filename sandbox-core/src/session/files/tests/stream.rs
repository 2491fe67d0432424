//! Files as streams, links as they are, permissions.

use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

/// Yields as many bytes as were asked for, and then fails.
struct Broken(usize);

impl Read for Broken {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = buffer.len().min(self.0);
        self.0 -= read;
        if read == 0 { Err(io::Error::other("torn")) } else { Ok(read) }
    }
}

fn mode(world: &World, path: &str) -> u32 {
    std::fs::symlink_metadata(world.path(path)).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_file_is_streamed_in_and_out() {
    let world = World::new();
    let content = "0123456789".repeat(20_000);
    let path = at("/work/a");
    let write = |content: &str, create, mode| {
        world.files.write_from(&path, &mut content.as_bytes(), create, mode)
    };
    write(&content, Create::New, Some(0o640)).unwrap();
    assert_eq!(mode(&world, "work/a"), 0o640);
    let mut read = String::new();
    world.files.open(&path).unwrap().read_to_string(&mut read).unwrap();
    assert!(read == content, "{}", read.len());
    assert_eq!(text(write("x", Create::New, None)), "/work/a exists already");
    write("short", Create::Replace, None).unwrap();
    write("er", Create::Append, None).unwrap();
    assert_eq!((world.content("work/a"), mode(&world, "work/a")), ("shorter".into(), 0o640));
}

#[test]
fn a_stream_that_breaks_leaves_what_was_there() {
    let world = World::new();
    world.put("work/a", "kept");
    for (path, create) in
        [("/work/a", Create::Replace), ("/work/b", Create::New), ("/work/c", Create::Replace)]
    {
        let error = text(world.files.write_from(&at(path), &mut Broken(200_000), create, None));
        assert_eq!(error, format!("writing {path}: torn"));
    }
    assert_eq!((world.content("work/a"), world.names("work")), ("kept".into(), vec!["a".into()]));
}

#[test]
fn a_link_at_the_end_of_a_path_is_not_followed() {
    let world = World::new();
    world.put("work/file", "kept");
    for link in ["one", "two", "three", "dangling"] {
        symlink(if link == "dangling" { "none" } else { "file" }, world.path("work").join(link))
            .unwrap();
    }
    let wrong = "/work/one is a symbolic link, and a file was expected";
    assert_eq!(text(world.files.open(&at("/work/one"))), wrong);
    assert_eq!(text(world.files.set_mode(&at("/work/one"), 0o600)), wrong);
    for link in ["/work/two", "/work/dangling"] {
        world.files.write_from(&at(link), &mut &b"new"[..], Create::Replace, None).unwrap();
        assert_eq!(world.files.stat(&at(link)).unwrap().kind, Kind::File);
        assert_eq!(world.read(link).unwrap(), "new");
    }
    let through = world.files.write_from(&at("/work/three"), &mut &b"x"[..], Create::New, None);
    assert_eq!(text(through), "/work/three exists already");
    assert_eq!(world.content("work/file"), "kept");
    assert_eq!(world.names("work"), ["dangling", "file", "one", "three", "two"]);
}

#[test]
fn links_are_made_and_read_as_they_are() {
    let world = World::new();
    for (path, target) in [("/work/a", "/etc/passwd"), ("/work/b", "../../x"), ("/work/c", "a")] {
        world.files.make_link(&at(path), Path::new(target)).unwrap();
        assert_eq!(world.files.read_link(&at(path)).unwrap(), Path::new(target));
        assert_eq!(std::fs::read_link(world.path(&path[1..])).unwrap(), Path::new(target));
    }
    assert_eq!(
        text(world.files.make_link(&at("/work/a"), Path::new("b"))),
        "/work/a exists already"
    );
    let refused = world.files.make_link(&at("/ref/a"), Path::new("b"));
    assert_eq!(text(refused), "/ref/a cannot be changed: /ref is read-only");
    world.put("work/file", "x");
    let error = text(world.files.read_link(&at("/work/file")));
    assert_eq!(error, "/work/file is a file, and a symbolic link was expected");
}

#[test]
fn permissions_are_set_without_special_bits() {
    let world = World::new();
    world.put("work/file", "x");
    world.files.make_dir(&at("/work/folder")).unwrap();
    for path in ["work/file", "work/folder", "work"] {
        world.files.set_mode(&at(&format!("/{path}")), 0o4750).unwrap();
        assert_eq!(mode(&world, path), 0o750, "{path}");
    }
    assert!(matches!(world.files.set_mode(&at("/ref"), 0o700), Err(FileError::ReadOnly { .. })));
}

#[test]
fn pipes_are_not_opened() {
    let world = World::new();
    let made = std::process::Command::new("mkfifo").arg(world.path("work/pipe")).status().unwrap();
    assert!(made.success());
    let wrong = "/work/pipe is a pipe, a socket or a device, and a file was expected";
    assert_eq!(text(world.files.open(&at("/work/pipe"))), wrong);
    assert_eq!(text(world.files.set_mode(&at("/work/pipe"), 0o600)), wrong);
    let written = world.files.write_from(&at("/work/pipe"), &mut &b"x"[..], Create::Replace, None);
    assert_eq!(text(written), wrong);
}
