//! What the host changed meanwhile keeps everything from being written.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use sandbox_linux::layers::Stamp;

use crate::world::{World, remove, set_mode, write};

/// The session does one thing, then the host does another; the paths that conflict.
#[track_caller]
fn check(ours: impl FnOnce(&Path), theirs: impl FnOnce(&Path), expected: &[&str]) {
    let Some(mut world) = World::new() else { return };
    ours(&world.begin());
    world.end();
    theirs(&world.host());
    if expected.is_empty() {
        world.apply();
        assert_eq!(world.diff(), []);
    } else {
        assert_eq!(world.conflicts(), expected);
    }
}

#[test]
fn a_file_that_both_changed() {
    check(|seen| write(seen.join("a"), "ours"), |host| write(host.join("a"), "theirs"), &["a"]);
}

#[test]
fn a_file_that_both_changed_to_the_same() {
    check(|seen| write(seen.join("a"), "same"), |host| write(host.join("a"), "same"), &[]);
}

#[test]
fn a_time_that_was_set_back_hides_nothing() {
    let theirs = |host: &Path| {
        let file = fs::File::options().write(true).open(host.join("a")).expect("a file");
        let before = file.metadata().and_then(|found| found.modified()).expect("a time");
        write(host.join("a"), "theirs");
        file.set_modified(before).expect("a time");
    };
    check(|seen| write(seen.join("a"), "ours"), theirs, &["a"]);
}

#[test]
fn an_old_file_that_was_moved_over() {
    let theirs = |host: &Path| fs::rename(host.join("b"), host.join("a")).expect("moved");
    check(|seen| write(seen.join("a"), "ours"), theirs, &["a"]);
}

#[test]
fn a_mode_that_the_host_changed() {
    let theirs = |host: &Path| set_mode(&host.join("a"), 0o640);
    check(|seen| write(seen.join("a"), "ours"), theirs, &["a"]);
    check(|seen| set_mode(&seen.join("a"), 0o600), |host| set_mode(&host.join("a"), 0o640), &["a"]);
}

#[test]
fn a_file_that_the_host_made_as_well() {
    check(|seen| write(seen.join("n"), "ours"), |host| write(host.join("n"), "theirs"), &["n"]);
    check(|seen| write(seen.join("n"), "same"), |host| write(host.join("n"), "same"), &[]);
    let theirs = |host: &Path| fs::create_dir(host.join("n")).expect("a folder");
    check(|seen| write(seen.join("n"), "ours"), theirs, &["n"]);
}

#[test]
fn a_folder_that_the_host_made_as_well() {
    let ours = |seen: &Path| {
        fs::create_dir(seen.join("n")).expect("a folder");
        write(seen.join("n/ours"), "x");
    };
    let theirs = |host: &Path| {
        fs::create_dir(host.join("n")).expect("a folder");
        write(host.join("n/theirs"), "x");
    };
    check(ours, theirs, &[]);
    let theirs = |host: &Path| {
        fs::create_dir(host.join("n")).expect("a folder");
        write(host.join("n/ours"), "y");
    };
    check(ours, theirs, &["n/ours"]);
}

#[test]
fn a_file_that_the_session_removed() {
    check(|seen| remove(&seen.join("a")), |host| write(host.join("a"), "theirs"), &["a"]);
    check(|seen| remove(&seen.join("a")), |host| remove(&host.join("a")), &[]);
}

#[test]
fn a_folder_that_the_session_removed() {
    let ours = |seen: &Path| remove(&seen.join("d"));
    check(ours, |host| write(host.join("d/sub/deep/2"), "theirs"), &["d/sub/deep/2"]);
    check(ours, |host| write(host.join("d/sub/new"), "x"), &["d/sub", "d/sub/new"]);
    check(ours, |host| set_mode(&host.join("d/sub"), 0o700), &["d/sub"]);
    check(ours, |host| remove(&host.join("d/sub")), &["d"]);
    check(ours, |host| remove(&host.join("d")), &[]);
    let theirs = |host: &Path| {
        remove(&host.join("d"));
        write(host.join("d"), "theirs");
    };
    check(ours, theirs, &["d"]);
}

#[test]
fn a_folder_that_the_session_replaced() {
    let ours = |seen: &Path| {
        remove(&seen.join("d"));
        write(seen.join("d"), "no folder");
    };
    check(ours, |host| write(host.join("d/sub/1"), "theirs"), &["d/sub/1"]);
    check(ours, |host| write(host.join("a"), "theirs"), &[]);
    let ours = |seen: &Path| {
        remove(&seen.join("d"));
        fs::create_dir(seen.join("d")).expect("a folder");
    };
    check(ours, |host| write(host.join("d/sub/1"), "theirs"), &["d/sub/1"]);
    check(ours, |host| write(host.join("d/new"), "theirs"), &["d/new"]);
}

#[test]
fn a_folder_that_is_gone_or_something_else() {
    let ours = |seen: &Path| write(seen.join("d/sub/deep/2"), "ours");
    check(ours, |host| remove(&host.join("d")), &["d"]);
    check(ours, |host| remove(&host.join("d/sub")), &["d/sub"]);
    check(ours, |host| fs::rename(host.join("d"), host.join("moved")).expect("moved"), &["d"]);
    let theirs = |host: &Path| {
        remove(&host.join("d"));
        write(host.join("d"), "theirs");
    };
    check(ours, theirs, &["d"]);
    let theirs = |host: &Path| {
        fs::rename(host.join("d"), host.join("moved")).expect("moved");
        symlink("moved", host.join("d")).expect("a link");
    };
    check(ours, theirs, &["d"]);
}

#[test]
fn a_folder_that_another_was_moved_over() {
    let prepare = |world: &World| {
        fs::create_dir_all(world.host().join("other/sub")).expect("folders");
        write(world.host().join("other/sub/1"), "old and other");
    };
    let Some(mut world) = World::new() else { return };
    prepare(&world);
    world.stamp = Some(world.take_stamp());
    let seen = world.begin();
    write(seen.join("d/sub/1"), "ours");
    world.end();
    let host = world.host();
    fs::rename(host.join("d"), host.join("before")).expect("moved");
    fs::rename(host.join("other"), host.join("d")).expect("moved");
    assert_eq!(world.conflicts(), ["d"]);
}

#[test]
fn another_folder_in_the_place_of_the_whole() {
    let Some(mut world) = World::new() else { return };
    let seen = world.begin();
    write(seen.join("a"), "ours");
    world.end();
    fs::rename(world.host(), world.root().join("before")).expect("moved");
    fs::create_dir(world.host()).expect("a folder");
    assert_eq!(world.conflicts(), [""]);
}

#[test]
fn what_the_session_did_not_touch_may_have_changed() {
    let theirs = |host: &Path| {
        write(host.join("b"), "theirs");
        write(host.join("d/sub/1"), "theirs");
        write(host.join("d/sub/deep/theirs"), "theirs");
        remove(&host.join("e"));
        set_mode(&host.join("f"), 0o700);
    };
    let ours = |seen: &Path| {
        write(seen.join("a"), "ours");
        write(seen.join("d/sub/deep/2"), "ours");
        remove(&seen.join("d/y"));
    };
    check(ours, theirs, &[]);
}

#[test]
fn one_conflict_keeps_all_from_being_written() {
    let ours = |seen: &Path| {
        write(seen.join("a"), "ours");
        remove(&seen.join("d"));
        write(seen.join("z"), "ours");
    };
    check(ours, |host| write(host.join("z"), "theirs"), &["z"]);
}

#[test]
fn a_stamp_can_be_stored() {
    let Some(mut world) = World::new() else { return };
    let stored = serde_json::to_string(&world.stamp).expect("text");
    let stamp: Stamp = serde_json::from_str(&stored).expect("a stamp");
    assert_eq!(Some(&stamp), world.stamp.as_ref());
    world.stamp = Some(stamp);
    let seen = world.begin();
    write(seen.join("a"), "ours");
    world.end();
    world.apply();
}

/// What the host does right before and right after a stamp is told apart, however fast it is.
#[test]
fn a_stamp_is_between_before_and_after() {
    let Some(mut world) = World::new() else { return };
    let seen = world.begin();
    write(seen.join("a"), "ours");
    world.end();
    for _ in 0..100 {
        write(world.host().join("a"), "before");
        world.stamp = Some(world.take_stamp());
        // It need only look.
        let mut names = fs::read_dir(world.host()).expect("a list");
        assert!(names.all(|name| name.is_ok()));
        write(world.host().join("b"), "after");
        let set = |name| fs::metadata(world.host().join(name)).expect("a file");
        let _ = (set("a"), set("b"));
        let early = world.try_apply().expect("applied");
        assert_eq!(early.conflicts, []);
        write(world.host().join("a"), "after");
        assert_eq!(world.conflicts(), ["a"]);
    }
}
