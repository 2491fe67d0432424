//! Modes, and what root makes in somebody's folder.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use super::*;

const SOMEBODY: u32 = 12345;

fn mode(world: &World, path: &str) -> u32 {
    std::fs::symlink_metadata(world.path(path)).unwrap().permissions().mode() & 0o7777
}

fn owner(world: &World, path: &str) -> (u32, u32) {
    let metadata = std::fs::symlink_metadata(world.path(path)).unwrap();
    (metadata.uid(), metadata.gid())
}

#[test]
fn a_mode_is_set_or_kept() {
    let world = World::new();
    let write = |create, mode| world.files.write(&at("/work/a"), b"x", create, mode).unwrap();
    write(Create::New, Some(0o4751));
    assert_eq!(mode(&world, "work/a"), 0o751, "no set-user-id is made");
    write(Create::Replace, None);
    assert_eq!(mode(&world, "work/a"), 0o751);
    write(Create::Append, None);
    assert_eq!(mode(&world, "work/a"), 0o751);
    write(Create::Append, Some(0o640));
    assert_eq!(mode(&world, "work/a"), 0o640);
    write(Create::Replace, Some(0o600));
    assert_eq!(world.files.stat(&at("/work/a")).unwrap().mode, Some(0o600));
}

#[test]
#[expect(clippy::print_stderr, reason = "a skip says why")]
fn what_root_makes_in_a_folder_belongs_to_its_owner() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can give files away");
        return;
    }
    let world = World::new();
    chown(world.path("work"), Some(SOMEBODY), Some(SOMEBODY)).unwrap();
    for create in [Create::New, Create::Replace, Create::Append] {
        world.write(&format!("/work/{create:?}"), "x", create).unwrap();
    }
    world.files.make_dir(&at("/work/folder")).unwrap();
    for name in ["New", "Replace", "Append", "folder"] {
        assert_eq!(owner(&world, &format!("work/{name}")), (SOMEBODY, SOMEBODY), "{name}");
    }
    chown(world.path("work/New"), Some(SOMEBODY + 1), Some(SOMEBODY)).unwrap();
    world.write("/work/New", "x", Create::Replace).unwrap();
    assert_eq!(owner(&world, "work/New").0, SOMEBODY + 1, "it was somebody else's");
}
