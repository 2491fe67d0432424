//! Whatever a payload does: the diff is what an independent reading finds, and after it was applied
//! the host has what the session saw.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::trees::{Thing, Tree};
use crate::world::World;

/// Small numbers that only seem to be random.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % sides
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())]
    }

    fn path(&mut self, root: &Path) -> PathBuf {
        let mut path = root.join(self.pick(&["a", "b", "b2", "d", "e", "f", "l", "p", "new"]));
        for _ in 0..self.roll(3) {
            path.push(self.pick(&["x", "y", "sub", "1", "deep", "new"]));
        }
        path
    }

    fn content(&mut self) -> &'static [u8] {
        self.pick(&[b"".as_slice(), b"x", b"1", b"a", b"two", b"something else"])
    }
}

/// One thing that a payload may try; most attempts come to something.
fn act(dice: &mut Dice, root: &Path) {
    let path = dice.path(root);
    let other = dice.path(root);
    let mode = dice.pick(&[0o755, 0o700, 0o555, 0o775, 0o1777]);
    let _ = match dice.roll(14) {
        // A FIFO waits for a reader.
        0..=2 if fs::metadata(&path).is_ok_and(|found| !found.is_file()) => Ok(()),
        0 | 1 => fs::write(&path, dice.content()),
        2 => fs::OpenOptions::new().append(true).open(&path).map(drop),
        3 => fs::remove_file(&path),
        4 => fs::remove_dir_all(&path),
        5 => fs::create_dir_all(&path),
        6 => fs::remove_dir_all(&path).and_then(|()| fs::create_dir(&path)),
        7 => fs::remove_file(&path).and_then(|()| fs::create_dir_all(path.join("new"))),
        8 => fs::remove_dir_all(&path).and_then(|()| fs::write(&path, dice.content())),
        9 => fs::rename(&path, &other),
        10 => fs::hard_link(&path, &other),
        11 => symlink(dice.pick(&["a", "../b", "/"]), &path),
        12 if path.is_dir() => fs::set_permissions(&path, PermissionsExt::from_mode(mode)),
        12 => fs::set_permissions(&path, PermissionsExt::from_mode(dice.pick(&[0o644, 0o600]))),
        _ if dice.roll(8) == 0 => UnixListener::bind(&path).map(drop),
        _ => mknodat(CWD, &path, FileType::Fifo, Mode::RUSR, 0).map_err(Into::into),
    };
}

/// Without sockets, which are not applied.
fn applied(mut tree: Tree) -> Tree {
    tree.0.retain(|_, node| node.thing != Thing::Socket);
    tree
}

fn play(seed: u64) {
    let Some(mut world) = World::new() else { return };
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1);
    let before = Tree::read(&world.host());
    let mut seen = before.clone();
    for _ in 0..1 + dice.roll(3) {
        let merged = world.begin();
        assert_eq!(Tree::read(&merged), seen, "seed {seed}: the layers changed between mounts");
        for _ in 0..dice.roll(40) {
            act(&mut dice, &merged);
        }
        seen = Tree::read(&merged);
        world.end();
    }
    assert_eq!(world.diff(), before.changes(&seen), "seed {seed}");
    assert_eq!(world.diff(), before.changes(&seen), "seed {seed}: looking has changed it");
    let sockets = seen.0.values().any(|node| node.thing == Thing::Socket);
    let written = world.apply();
    if sockets {
        // What a socket took the place of stays.
        return;
    }
    assert_eq!(written, before.changes(&seen), "seed {seed}");
    assert_eq!(applied(Tree::read(&world.host())), applied(seen), "seed {seed}");
    assert_eq!(world.diff(), [], "seed {seed}");
    assert_eq!(world.apply(), [], "seed {seed}");
}

/// `SANDBOX_STRESS=full` plays longer.
#[test]
fn whatever_a_payload_does_is_told_and_applied() {
    let is_full = std::env::var_os("SANDBOX_STRESS").is_some_and(|value| value == "full");
    for seed in 0..if is_full { 1000 } else { 60 } {
        play(seed);
    }
}
