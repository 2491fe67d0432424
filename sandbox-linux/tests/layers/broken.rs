//! What is left when writing is killed, or when the disk is full.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::geteuid;
use sandbox_core::session::Applied;
use sandbox_linux::layers::{Options, Stack, Stamp, apply};

use crate::trees::Tree;
use crate::world::{World, remove, set_mode, unfinished, write};

/// What a child of this program does that is told where.
#[test]
fn child() {
    let Some(root) = std::env::var_os("LAYERS_CHILD").map(PathBuf::from) else { return };
    let stored = fs::read_to_string(root.join("stamp")).ok();
    let stamp = stored.map(|stored| serde_json::from_str::<Stamp>(&stored).expect("a stamp"));
    let source = fs::File::open(root.join("source")).expect("a folder");
    let stamp = stamp.unwrap_or_else(|| Stamp::take(&source).expect("a stamp"));
    let again = || {
        let stack = Stack::open(root.join("source"), [root.join("upper1")]).expect("layers");
        apply(&stack, &stamp, &Options::default())
    };
    if std::env::var_os("LAYERS_FULL").is_some() {
        when_full(&root, again);
    } else {
        assert_eq!(again().expect("applied").conflicts, []);
    }
}

/// This program, to do only that; `through` is what runs it.
fn child_of(through: &[&str], root: &Path) -> Command {
    let this = std::env::current_exe().expect("this program");
    let words: Vec<_> = through.iter().map(Into::into).chain([this.into_os_string()]).collect();
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).args(["--exact", "broken::child", "--nocapture"]);
    command.env("LAYERS_CHILD", root).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Killed at any moment, there are old things, new things and temporary names, and the next attempt
/// does the rest.
#[test]
fn a_kill_leaves_what_the_next_attempt_takes_away() {
    let Some(mut world) = World::new() else { return };
    let seen = world.begin();
    fs::create_dir_all(seen.join("new/in")).expect("folders");
    for number in 0..300 {
        write(seen.join("d").join(number.to_string()), "ours, and complete");
        write(seen.join("new/in").join(number.to_string()), "ours, and complete");
    }
    remove(&seen.join("d/sub"));
    write(seen.join("d/sub"), "no folder");
    remove(&seen.join("e"));
    let (expected, host) = (Tree::read(&seen), world.host());
    world.end();
    world.stamp = Some(world.never());
    let before = Tree::read(&host);
    let stored = serde_json::to_string(&world.stamp).expect("text");
    fs::write(world.root().join("stamp"), stored).expect("a file");
    let (mut killed, mut left) = (0, 0);
    for attempt in 0..60 {
        let mut child: Child = child_of(&["env"], world.root()).spawn().expect("a child");
        loop {
            let ended = child.try_wait().expect("a child").is_some();
            if host.join("d/0").exists() {
                break;
            }
            assert!(!ended, "it has done nothing");
        }
        thread::sleep(Duration::from_micros(attempt * 100));
        killed += usize::from(child.try_wait().expect("a child").is_none());
        let _ = child.kill();
        child.wait().expect("an end");
        for (path, node) in &Tree::read(&host).0 {
            let is_temporary = !unfinished([path]).is_empty();
            let known = [&before, &expected].iter().any(|tree| tree.0.get(path) == Some(node));
            assert!(is_temporary || known, "{}: {node:?}", path.display());
            left += usize::from(is_temporary);
        }
        undo(&host);
    }
    println!("{killed} kills left {left} temporary names");
    assert!(killed > 10 && left > 10, "{killed} kills left {left} temporary names");
    world.apply();
    assert_eq!(Tree::read(&host), expected);
}

/// So that there is something to do again.
fn undo(host: &Path) {
    for number in 0..300 {
        let _ = fs::remove_file(host.join("d").join(number.to_string()));
    }
    let _ = fs::remove_dir_all(host.join("new"));
    let _ = fs::remove_file(host.join("d/sub"));
    for folder in ["d/sub/deep", "e"] {
        fs::create_dir_all(host.join(folder)).expect("folders");
    }
    for (name, content) in [("d/sub/1", "one"), ("d/sub/deep/2", "two"), ("e/1", "1")] {
        write(host.join(name), content);
    }
}

/// On a disk that is full: the error names the path, each thing is whole, nothing was removed, and
/// it can be done again when there is room.
fn when_full(root: &Path, again: impl Fn() -> sandbox_core::Result<Applied>) {
    let source = root.join("source");
    let error = again().expect_err("a full disk").to_string();
    assert!(error.contains("writing f") || error.contains("writing new"), "{error}");
    assert!(source.join("old").exists());
    assert_eq!(unfinished(Tree::read(&source).0.keys()), [] as [PathBuf; 0]);
    let is_whole = |path: PathBuf| fs::metadata(path).is_ok_and(|found| found.len() == 300_000);
    let names = fs::read_dir(&source).expect("a list").map(|entry| entry.expect("a name"));
    let files: Vec<PathBuf> = names.map(|entry| entry.path()).collect();
    assert!(files.len() > 1, "{files:?}");
    assert!(files.into_iter().filter(|path| !path.ends_with("old")).all(is_whole));
    let mut mount = Command::new("mount");
    let options = ["-t", "tmpfs", "-o", "remount,size=10m", "none"];
    assert!(mount.args(options).arg(&source).status().expect("mount").success());
    again().expect("room");
    assert!(!source.join("old").exists());
    assert_eq!(fs::read_dir(source.join("new")).expect("a list").count(), 3);
}

#[test]
fn a_full_disk_costs_nothing() {
    let Some(world) = World::new() else { return };
    let upper = world.upper();
    fs::create_dir(upper.join("new")).expect("a folder");
    for name in ["f1", "f2", "f3", "new/1", "new/2", "new/3"] {
        write(upper.join(name), &"x".repeat(300_000));
    }
    set_mode(&upper.join("new"), 0o755);
    mknodat(CWD, upper.join("old"), FileType::CharacterDevice, Mode::empty(), 0).expect("none");
    let script = "mount -t tmpfs -o size=1m none source && echo x >source/old && exec \"$@\"";
    let unshare: &[&str] = if geteuid().is_root() { &["-m"] } else { &["-U", "-r", "-m"] };
    let through = [&["unshare"], unshare, &["sh", "-c", script, "sh"]].concat();
    let mut child = child_of(&through, world.root());
    child.current_dir(world.root()).env("LAYERS_FULL", "1");
    // What the host had there is below the small disk.
    remove(&world.host().join("f"));
    let done = child.output().expect("a child");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
