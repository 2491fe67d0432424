//! How changes come to the host: whole, and owned and closed as they should be.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, XattrFlags, flock, getxattr, setxattr};
use rustix::process::geteuid;

use crate::hostile::End;
use crate::trees::Tree;
use crate::world::{World, remove, set_mode, unfinished, write};

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::symlink_metadata(path).expect("something").mode() & 0o7777
}

#[test]
fn times_and_attributes_of_files_come_along() {
    let Some(mut world) = World::new() else { return };
    let seen = world.begin();
    let then = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 5);
    for name in ["a", "new"] {
        write(seen.join(name), "ours");
        setxattr(seen.join(name), "user.kept", b"value", XattrFlags::empty()).expect("attribute");
        // As the kernel shows it to a payload; not before Linux 6.7.
        let _ = setxattr(seen.join(name), "user.overlay.own", b"x", XattrFlags::empty());
        let file = fs::File::options().write(true).open(seen.join(name)).expect("a file");
        file.set_modified(then).expect("a time");
    }
    fs::create_dir(seen.join("folder")).expect("a folder");
    setxattr(seen.join("folder"), "user.kept", b"value", XattrFlags::empty()).expect("attribute");
    world.end();
    world.apply();
    for name in ["a", "new", "folder"] {
        let path = world.host().join(name);
        let mut value = [0; 5];
        assert_eq!(getxattr(&path, "user.kept", &mut value), Ok(5), "{name}");
        let mut names = [0; 256];
        let length = rustix::fs::listxattr(&path, &mut names[..]).expect("names");
        let names = String::from_utf8_lossy(&names[..length]).into_owned();
        assert!(!names.contains("overlay"), "{names:?}");
        if name != "folder" {
            assert_eq!(fs::metadata(path).and_then(|found| found.modified()).expect("time"), then);
        }
    }
}

#[test]
fn nothing_runs_as_somebody_else() {
    let Some(world) = World::new() else { return };
    let upper = world.upper();
    for name in ["a", "new"] {
        write(upper.join(name), "ours");
        set_mode(&upper.join(name), 0o6755);
    }
    fs::create_dir(upper.join("folder")).expect("a folder");
    set_mode(&upper.join("folder"), 0o2755);
    let host = world.host();
    write(upper.join("b"), "bb");
    set_mode(&upper.join("b"), 0o4755);
    world.apply();
    for name in ["a", "b", "new", "folder"] {
        assert_eq!(mode(host.join(name)), 0o755, "{name}");
    }
}

#[test]
fn folders_take_what_a_folder_around_them_gives() {
    let Some(mut world) = World::new() else { return };
    set_mode(&world.host().join("f"), 0o2775);
    world.stamp = Some(world.take_stamp());
    let seen = world.begin();
    fs::create_dir_all(seen.join("f/new/in")).expect("folders");
    write(seen.join("f/file"), "x");
    world.end();
    world.apply();
    for name in ["f/new", "f/new/in"] {
        assert_eq!(mode(world.host().join(name)), 0o2755, "{name}");
    }
    assert_eq!(mode(world.host().join("f/file")), 0o644);
    assert_eq!(mode(world.host().join("f")), 0o2775);
}

#[test]
fn what_root_writes_belongs_to_the_owner_of_the_folder() {
    let Some(mut world) = World::new() else { return };
    if !geteuid().is_root() {
        return;
    }
    let host = world.host();
    for (name, owner) in [("d", 1111), ("d/sub", 2222)] {
        chown(host.join(name), Some(owner), Some(owner + 1)).expect("an owner");
    }
    world.stamp = Some(world.take_stamp());
    let seen = world.begin();
    for name in ["d/new", "d/sub/new"] {
        fs::create_dir_all(seen.join(name).join("in")).expect("folders");
        write(seen.join(name).join("in/file"), "x");
        symlink("x", seen.join(name).join("link")).expect("a link");
        crate::world::fifo(&seen.join(name).join("fifo"));
        for made in ["", "in", "in/file"] {
            chown(seen.join(name).join(made), Some(65534), Some(65534)).expect("an owner");
        }
    }
    write(seen.join("d/sub/1"), "ours");
    world.end();
    world.apply();
    let owner = |name: &str| {
        let found = fs::symlink_metadata(host.join(name)).expect("something");
        (found.uid(), found.gid())
    };
    for name in ["d/new", "d/new/in", "d/new/in/file", "d/new/link", "d/new/fifo"] {
        assert_eq!(owner(name), (1111, 1112), "{name}");
    }
    for name in ["d/sub/new", "d/sub/new/in/file", "d/sub/1"] {
        assert_eq!(owner(name), (2222, 2223), "{name}");
    }
}

#[test]
fn names_of_one_file_become_files() {
    let Some(mut world) = World::new() else { return };
    let outside = world.root().join("outside");
    fs::hard_link(world.host().join("a"), &outside).expect("a name");
    fs::hard_link(world.host().join("d/x"), world.root().join("also")).expect("a name");
    world.stamp = Some(world.take_stamp());
    let seen = world.begin();
    fs::hard_link(seen.join("b"), seen.join("b3")).expect("a name");
    write(seen.join("a"), "ours");
    set_mode(&seen.join("d/x"), 0o600);
    world.end();
    world.apply();
    assert_eq!(fs::read(outside).expect("a file"), b"a");
    assert_eq!(mode(world.root().join("also")), 0o644);
    assert_eq!(mode(world.host().join("d/x")), 0o600);
    assert_eq!(fs::metadata(world.host().join("b3")).expect("a file").nlink(), 1);
}

#[test]
fn holes_stay_holes() {
    let Some(mut world) = World::new() else { return };
    let seen = world.begin();
    let mut file = fs::File::create(seen.join("big")).expect("a file");
    file.seek(SeekFrom::Start(1 << 34)).expect("a place");
    file.write_all(b"middle").expect("written");
    file.set_len(1 << 40).expect("a size");
    drop(file);
    write(seen.join("small"), "some bytes\n");
    let many: String = (0..100_000).map(|number| format!("{number}\n")).collect();
    write(seen.join("many"), &many);
    world.end();
    world.apply();
    let host = world.host();
    let found = fs::metadata(host.join("big")).expect("a file");
    assert_eq!(found.size(), 1 << 40);
    assert!(found.blocks() * 512 < 1 << 20, "{} blocks", found.blocks());
    let mut file = fs::File::open(host.join("big")).expect("a file");
    file.seek(SeekFrom::Start((1 << 34) - 1)).expect("a place");
    let mut middle = [1; 8];
    file.read_exact(&mut middle).expect("read");
    assert_eq!(&middle, b"\0middle\0");
    assert_eq!(fs::read_to_string(host.join("small")).expect("a file"), "some bytes\n");
    assert_eq!(fs::read_to_string(host.join("many")).expect("a file"), many);
}

#[test]
fn sockets_and_temporary_names_stay_behind() {
    let Some(mut world) = World::new() else { return };
    let left = ".sandbox-apply-0123456789abcdef";
    let seen = world.begin();
    UnixListener::bind(seen.join("socket")).expect("a socket");
    remove(&seen.join("a"));
    UnixListener::bind(seen.join("a")).expect("a socket");
    fs::create_dir(seen.join(left)).expect("a folder");
    write(seen.join(left).join("file"), "x");
    write(seen.join("other"), "x");
    world.end();
    let written: Vec<_> = world.apply().into_iter().map(|change| change.path).collect();
    assert_eq!(written, [Path::new("other")]);
    assert!(!world.host().join(left).exists());
    assert_eq!(fs::read(world.host().join("a")).expect("a file"), b"a");
}

#[test]
fn what_an_earlier_attempt_left_is_taken_away() {
    let Some(mut world) = World::new() else { return };
    let host = world.host();
    for (number, folder) in ["", "d", "d/sub"].iter().enumerate() {
        let left = host.join(folder).join(format!(".sandbox-apply-{number:016x}"));
        fs::create_dir_all(left.join("in")).expect("folders");
        write(left.join("in/file"), "x");
        write(host.join(folder).join(format!(".sandbox-apply-{:016x}", number + 16)), "x");
        write(host.join(folder).join(".sandbox-apply-mine"), "x");
    }
    let seen = world.begin();
    write(seen.join("d/sub/1"), "ours");
    world.end();
    world.apply();
    let mine = ["", "d", "d/sub"].map(|folder| Path::new(folder).join(".sandbox-apply-mine"));
    assert_eq!(unfinished(Tree::read(&host).0.keys()), mine);
}

#[test]
fn folders_that_are_closed_are_written_to_and_stay_closed() {
    let Some(mut world) = World::new() else { return };
    let host = world.host();
    write(host.join("closed/2"), "2");
    set_mode(&host.join("closed"), 0o555);
    world.stamp = Some(world.take_stamp());
    let seen = world.begin();
    set_mode(&seen.join("closed"), 0o755);
    write(seen.join("closed/1"), "ours");
    write(seen.join("closed/new"), "ours");
    remove(&seen.join("closed/2"));
    set_mode(&seen.join("closed"), 0o555);
    fs::create_dir(seen.join("new")).expect("a folder");
    write(seen.join("new/file"), "ours");
    set_mode(&seen.join("new"), 0o555);
    write(seen.join("f/file"), "ours");
    set_mode(&seen.join("f"), 0o500);
    let expected = Tree::read(&seen);
    world.end();
    world.apply();
    assert_eq!(Tree::read(&host), expected);
    assert_eq!(mode(host.join("closed")), 0o555);
}

#[test]
fn only_one_writes_at_a_time() {
    let Some(mut world) = World::new() else { return };
    let seen = world.begin();
    write(seen.join("a"), "ours");
    world.end();
    let other = fs::File::open(world.host()).expect("the folder");
    flock(other.as_fd(), FlockOperation::LockExclusive).expect("a lock");
    let error = world.try_apply().expect_err("busy").to_string();
    assert!(error.contains("lock"), "{error}");
    drop(other);
    world.apply();
}

/// A reader never sees a part of anything: of a file, of a folder that is new.
#[test]
fn everything_appears_whole() {
    let Some(mut world) = World::new() else { return };
    let seen = world.begin();
    let big = "ours".repeat(100_000);
    write(seen.join("a"), &big);
    fs::create_dir(seen.join("new")).expect("a folder");
    for number in 0..200 {
        write(seen.join("new").join(number.to_string()), "ours");
    }
    remove(&seen.join("d"));
    write(seen.join("d"), "no folder");
    world.end();
    let (host, done) = (world.host(), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let a = fs::read_to_string(host.join("a")).expect("a file");
                assert!(a == "a" || a == big, "{} bytes", a.len());
                let new = fs::read_dir(host.join("new")).map_or(200, Iterator::count);
                assert_eq!(new, 200);
                assert!(host.join("d").exists());
            }
        });
        let _end = End(&done);
        world.apply();
    });
}
