//! A payload that goes on writing while its folder is saved and restored.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use sandbox_core::snapshot::Limits;

use crate::dump::dump;
use crate::world::{World, named, pipe};

/// How long each race is run.
const TIME: Duration = Duration::from_millis(1500);

/// What must never be seen inside, nor change outside.
const SECRET: &str = "nobody's business";

/// A world with a folder beside it.
struct Outside {
    world: World,
    before: BTreeMap<PathBuf, String>,
}

impl Outside {
    fn new() -> Self {
        let world = World::new();
        let outside = world.top.path().join("outside");
        fs::create_dir_all(outside.join("deep")).unwrap();
        for name in ["file", "deep/file"] {
            fs::write(outside.join(name), SECRET).unwrap();
        }
        let before = dump(&outside);
        Self { world, before }
    }

    fn path(&self) -> PathBuf {
        self.world.top.path().join("outside")
    }

    /// Looks at all snapshots, and makes room for more.
    fn check_store(&self) {
        assert_eq!(dump(&self.path()).len(), self.before.len(), "what is inside stays inside");
        for snapshot in self.world.store.list().unwrap() {
            let copy = self.world.store.copy_of(&snapshot.name, "/work").unwrap();
            for (path, what) in dump(&copy) {
                assert!(!what.contains(SECRET), "{} is {what}", path.display());
            }
            self.world.store.remove(&snapshot.name).unwrap();
        }
    }
}

/// Does one thing again and again while another is done for some time; how often that was done.
fn race(payload: impl Fn() + Sync, mut work: impl FnMut()) -> u64 {
    let (done, times) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                payload();
            }
        });
        let start = Instant::now();
        while start.elapsed() < TIME {
            work();
            times.fetch_add(1, Ordering::Relaxed);
        }
        done.store(true, Ordering::Relaxed);
    });
    times.into_inner()
}

fn exchange(one: &Path, other: &Path) {
    // Either may be on its way elsewhere.
    let _ = renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE);
}

#[test]
fn folders_and_files_become_links_while_they_are_saved() {
    let outside = Outside::new();
    let world = &outside.world;
    for folder in ["a", "b", "c"] {
        fs::create_dir_all(world.path(folder).join("deep")).unwrap();
        for name in ["file", "deep/file"] {
            fs::write(world.path(folder).join(name), "inside").unwrap();
        }
    }
    symlink(outside.path(), world.top.path().join("folder")).unwrap();
    symlink(outside.path().join("file"), world.top.path().join("link")).unwrap();
    pipe(&world.top.path().join("pipe"));
    let turns = AtomicU64::new(0);
    let payload = || {
        let top = world.top.path();
        exchange(&world.path("b"), &top.join("folder"));
        exchange(&world.path("c/deep"), &top.join("folder"));
        exchange(&world.path("a/file"), &top.join("link"));
        exchange(&world.path("a/deep/file"), &top.join("pipe"));
        turns.fetch_add(1, Ordering::Relaxed);
    };
    let (mut saved, mut failed) = (0, 0);
    let times = race(payload, || {
        let name = format!("{saved} and {failed}");
        match world.save(&name) {
            Ok(_) => saved += 1,
            Err(_) => failed += 1,
        }
        if saved + failed > 20 {
            outside.check_store();
        }
    });
    println!("{times} saves, {saved} whole, {} turns", turns.into_inner());
    outside.check_store();
    assert!(saved + failed > 0);
}

#[test]
fn a_working_folder_becomes_a_link_while_it_is_filled() {
    let outside = Outside::new();
    let world = &outside.world;
    fs::create_dir_all(world.path("a/deep")).unwrap();
    for number in 0..100 {
        fs::write(world.path("a/deep").join(number.to_string()), "inside").unwrap();
    }
    fs::write(world.path("file"), "inside").unwrap();
    world.save("a").unwrap();
    let link = world.top.path().join("link");
    symlink(outside.path(), &link).unwrap();
    // Replaces whatever is there by a link, and back.
    let payload = || {
        let Ok(names) = fs::read_dir(&world.live) else { return };
        for name in names.filter_map(Result::ok) {
            for inner in ["", "new", "new/a", "new/a/deep", "old"] {
                exchange(&name.path().join(inner), &link);
                exchange(&name.path().join(inner), &link);
            }
        }
    };
    let (mut restored, mut failed) = (0, 0);
    let times = race(payload, || match world.restore("a") {
        Ok(()) => restored += 1,
        Err(_) => failed += 1,
    });
    println!("{times} restores, {restored} whole");
    assert!(restored + failed > 0);
    assert_eq!(dump(&outside.path()), outside.before, "nothing outside is changed");
}

/// What grows faster than it is copied ends at the limit, or at what it was.
#[test]
fn files_that_grow_are_bounded() {
    let world = World::new();
    let file = world.path("log");
    fs::write(&file, vec![1; 1 << 20]).unwrap();
    let payload = || {
        let mut file = fs::OpenOptions::new().append(true).open(&file).unwrap();
        let _ = std::io::Write::write_all(&mut file, &[1; 1 << 16]);
        if file.metadata().unwrap().len() > 64 << 20 {
            file.set_len(0).unwrap();
        }
    };
    let mut number = 0;
    race(payload, || {
        number += 1;
        let limits = Limits { bytes: Some("32M".parse().unwrap()), files: None };
        let name = named(&number.to_string());
        if let Ok(saved) = world.store.save(&name, &world.folders(), limits, &|_| ()) {
            assert!(saved.bytes <= 32 << 20);
            world.store.remove(&name).unwrap();
        }
    });
}
