//! Layers and folders that were made to do harm.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, ResolveFlags, mkdirat, openat, openat2, renameat, symlinkat,
    unlinkat,
};
use rustix::io::Errno;
use sandbox_core::session::ChangeKind;
use sandbox_linux::layers::{Options, apply, diff, remove_tree};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};

use crate::trees::{Thing, Tree};
use crate::world::{World, remove, set_mode};

fn folder(path: &Path) -> OwnedFd {
    openat(CWD, path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).expect("a folder")
}

/// Folders in each other; far more than the length of a path or the descriptors allow.
fn dig(top: &Path, name: &str, depth: usize, mode: Mode) {
    let mut inside = folder(top);
    for _ in 0..depth {
        mkdirat(&inside, name, Mode::RWXU).expect("a folder");
        let next = openat(&inside, name, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        if mode != Mode::RWXU {
            rustix::fs::fchmod(&inside, mode).expect("a mode");
        }
        inside = next.expect("a folder");
    }
}

#[test]
fn a_tree_of_any_depth_is_removed() {
    // In memory, where it is made faster.
    let top = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir_in("/var/tmp"));
    let top = top.expect("a folder");
    for (name, depth, mode) in [("open", 100_000, Mode::RWXU), ("closed", 5000, Mode::empty())] {
        let path = top.path().join(name);
        fs::create_dir(&path).expect("a folder");
        dig(&path, "d", depth, mode);
        remove_tree(folder(top.path()), name).expect("removed");
        assert!(fs::symlink_metadata(&path).is_err());
    }
}

#[test]
fn what_is_removed_may_be_anything_or_nothing() {
    let top = tempfile::tempdir_in("/var/tmp").expect("a folder");
    let (at, outside) = (folder(top.path()), top.path().join("outside"));
    fs::create_dir_all(top.path().join("tree/work/work")).expect("folders");
    fs::create_dir(&outside).expect("a folder");
    fs::write(outside.join("file"), "x").expect("a file");
    symlink(&outside, top.path().join("tree/link")).expect("a link");
    symlink(&outside, top.path().join("link")).expect("a link");
    fs::write(top.path().join("tree/work/file"), "x").expect("a file");
    set_mode(&top.path().join("tree/work/work"), 0);
    set_mode(&top.path().join("tree/work"), 0);
    for name in ["tree", "link", "nothing"] {
        remove_tree(&at, name).expect("removed");
    }
    assert!(outside.join("file").exists());
    assert_eq!(fs::read_dir(top.path()).expect("a list").count(), 1);
}

#[test]
fn a_deep_tree_is_told_applied_and_removed() {
    const DEPTH: usize = 500;
    let Some(mut world) = World::new() else { return };
    let seen = world.begin();
    let deep = seen.join("deep");
    fs::create_dir(&deep).expect("a folder");
    dig(&deep, "a-name-of-some-length", DEPTH, Mode::RWXU);
    world.end();
    assert_eq!(world.diff().len(), DEPTH + 1);
    assert_eq!(world.apply().len(), DEPTH + 1);
    assert_eq!(world.diff(), []);
    world.stamp = Some(world.take_stamp());
    let seen = world.begin();
    remove_tree(folder(&seen), "deep").expect("removed");
    world.end();
    assert_eq!(world.kinds(), [("deep".to_owned(), ChangeKind::Deleted)]);
    world.apply();
    assert!(!world.host().join("deep").exists());
}

#[test]
fn more_than_fits_into_memory_is_an_error() {
    let Some(world) = World::new() else { return };
    dig(&world.upper(), &"long".repeat(60), 1700, Mode::RWXU);
    let error = diff(&world.stack()).expect_err("too much").to_string();
    assert!(error.contains("too much"), "{}", &error[error.len().saturating_sub(200)..]);
}

/// Puts a link in the place of each thing for a moment, again and again, until told to end.
fn swap(at: &OwnedFd, names: [&str; 2], links: [&Path; 2], done: &AtomicBool) {
    while !done.load(Ordering::Relaxed) {
        for (name, link) in names.iter().zip(links) {
            let _ = renameat(at, *name, at, "away");
            let _ = symlinkat(link, at, *name);
            thread::yield_now();
            // Something else may have come there.
            let _ = unlinkat(at, *name, AtFlags::empty());
            if renameat(at, "away", at, *name).is_err() {
                let _ = renameat(at, *name, at, "other");
                let _ = renameat(at, "away", at, *name);
                let _ = remove_tree(at, "other");
            }
        }
    }
}

/// Ends a loop, also when the test fails.
pub(crate) struct End<'a>(pub(crate) &'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs a test on a thread of its own twice, the second time without newer calls.
fn twice(test: impl Fn() + Sync) {
    for older in [false, true] {
        let work = || {
            if older {
                withhold().expect("a filter");
            }
            test();
        };
        thread::scope(|scope| scope.spawn(work).join().expect("all done"));
    }
}

/// Somebody puts links where folders of the host were, as fast as he can, while the session is
/// applied.
#[test]
fn links_in_the_host_lead_nowhere() {
    let Some(mut world) = World::new() else { return };
    let outside = world.root().join("outside");
    fs::create_dir_all(outside.join("sub")).expect("folders");
    for name in ["x", "y", "sub/1", "sub/y"] {
        fs::write(outside.join(name), "precious").expect("a file");
    }
    let seen = world.begin();
    for name in ["d/x", "d/sub/1", "d/sub/new", "d/new"] {
        fs::write(seen.join(name), "ours").expect("a file");
    }
    remove(&seen.join("d/y"));
    remove(&seen.join("d/sub/deep"));
    world.end();
    let (before, host) = (Tree::read(&outside), world.host());
    let (stack, stamp, at) = (world.stack(), world.never(), folder(&host));
    let (inner, innermost) = (folder(&host.join("d")), folder(&host.join("d/sub")));
    let (names, inside) = (["d", "d/sub"], outside.join("sub"));
    // So that there is something to do again.
    let undo = || {
        for (folder, name) in [(&inner, "x"), (&inner, "y"), (&innermost, "1")] {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
            let file = openat(folder, name, flags, Mode::RUSR | Mode::WUSR).expect("a file");
            rustix::io::write(file, b"theirs").expect("written");
        }
        let _ = mkdirat(&innermost, "deep", Mode::RWXU);
        for (folder, name) in [(&inner, "new"), (&innermost, "new")] {
            remove_tree(folder, name).expect("removed");
        }
    };
    twice(|| {
        let (mut applied, done) = (0, AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| swap(&at, names, [&outside, &inside], &done));
            let _end = End(&done);
            for _ in 0..1500 {
                // It need not succeed.
                applied += usize::from(apply(&stack, &stamp, &Options::default()).is_ok());
                undo();
            }
        });
        assert_eq!(Tree::read(&outside), before);
        println!("{applied} of 1500 went through");
    });
}

/// The same in a layer, by a payload that still runs: what it has no right to read must not come
/// to the host.
#[test]
fn links_in_a_layer_lead_nowhere() {
    let Some(world) = World::new() else { return };
    let (outside, upper) = (world.root().join("outside"), world.upper());
    fs::create_dir_all(outside.join("in")).expect("folders");
    fs::create_dir_all(upper.join("new/in")).expect("folders");
    for name in ["in/file", "in/other", "file"] {
        fs::write(outside.join(name), "secret").expect("a file");
        fs::write(upper.join("new").join(name), "ours").expect("a file");
    }
    let (names, file) = (["new", "new/file"], outside.join("file"));
    let (stack, stamp, at) = (world.stack(), world.never(), folder(&upper));
    let secret = Thing::File(Some(b"secret".to_vec()));
    twice(|| {
        let (mut applied, done) = (0, AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| swap(&at, names, [&outside, &file], &done));
            let _end = End(&done);
            for _ in 0..800 {
                applied += usize::from(apply(&stack, &stamp, &Options::default()).is_ok());
                for (path, node) in &Tree::read(&world.host()).0 {
                    assert_ne!(node.thing, secret, "{}", path.display());
                }
                let _ = fs::remove_dir_all(world.host().join("new"));
            }
        });
        println!("{applied} of 800 went through");
    });
}

/// On a kernel, or below a filter, that knows none of the newer calls, all the same holds.
#[test]
fn everything_works_without_newer_calls() {
    let Some(mut world) = World::new() else { return };
    let seen = world.begin();
    fs::write(seen.join("d/sub/1"), "ours").expect("a file");
    fs::create_dir(seen.join("new")).expect("a folder");
    symlink("/etc", seen.join("new/link")).expect("a link");
    remove(&seen.join("e"));
    fs::write(seen.join("e"), "no folder").expect("a file");
    remove(&seen.join("a"));
    fs::create_dir(seen.join("a")).expect("a folder");
    fs::write(seen.join("big"), "ours".repeat(100_000)).expect("a file");
    // Without these calls nobody but root can open what is closed to everybody.
    let root = rustix::process::geteuid().is_root();
    if root {
        set_mode(&seen.join("closed/1"), 0);
        set_mode(&seen.join("closed"), 0);
    }
    world.end();
    let world = &world;
    let work = move || {
        withhold().expect("a filter");
        let none = ResolveFlags::empty();
        let opened = openat2(CWD, "/", OFlags::PATH, Mode::empty(), none);
        assert_eq!(opened.err(), Some(Errno::NOSYS));
        world.take_stamp();
        assert_eq!(world.apply().len(), if root { 8 } else { 6 });
        assert_eq!(world.diff(), []);
    };
    thread::scope(|scope| scope.spawn(work).join().expect("all done"));
    assert_eq!(fs::read(world.host().join("e")).expect("a file"), b"no folder");
}

/// Of this thread: `openat2`, exchange and other modes of `renameat2`, copies in the kernel, holes,
/// files without a name.
fn withhold() -> io::Result<()> {
    let unnamed = (libc::O_TMPFILE & !libc::O_DIRECTORY) as u64;
    let unnamed =
        SeccompCondition::new(2, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(unnamed), unnamed);
    let unnamed = unnamed.and_then(|it| SeccompRule::new(vec![it])).map_err(io::Error::other)?;
    let missing = [libc::SYS_openat2, libc::SYS_renameat2, libc::SYS_copy_file_range];
    let missing = missing.into_iter().map(|number| (number, vec![])).collect();
    let unknown = [(libc::SYS_openat, vec![unnamed]), (libc::SYS_lseek, vec![])];
    let unknown = unknown.into_iter().collect();
    let arch = std::env::consts::ARCH.try_into().map_err(io::Error::other)?;
    for (rules, errno) in [(missing, libc::ENOSYS), (unknown, libc::EINVAL)] {
        let answer = SeccompAction::Errno(errno as u32);
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, answer, arch);
        let program: BpfProgram = filter.and_then(TryInto::try_into).map_err(io::Error::other)?;
        apply_filter(&program).map_err(io::Error::other)?;
    }
    Ok(())
}
