//! Stores that somebody has changed: a typed error, and nothing is touched.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use sandbox_core::SandboxError;
use sandbox_core::snapshot::{SnapshotError, Store};

use crate::dump::dump;
use crate::world::{World, furnish, open_up, pipe, set_date, set_mode};

/// Changes a snapshot and sees what becomes of restoring it.
fn tamper(with: impl Fn(&Path)) -> (World, SandboxError) {
    let world = World::new();
    furnish(&world.live);
    world.save("a").unwrap();
    world.wreck();
    let before = dump(&world.live);
    let outside = world.top.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "content").unwrap();
    let place = world.store_path().join("1");
    with(&place);
    let error = world.restore("a").expect_err("a damaged snapshot is no snapshot");
    assert_eq!(dump(&world.live), before, "{error}");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(fs::read(outside.join("file")).unwrap(), b"content");
    (world, error)
}

/// As before, and the error says that the snapshot is damaged.
fn damage(why: &str, with: impl Fn(&Path)) -> World {
    let (world, error) = tamper(with);
    let is_damage = matches!(error, SandboxError::Snapshot(SnapshotError::Damaged { .. }));
    assert!(is_damage, "{error}");
    assert!(error.to_string().contains(why), "{error}");
    world
}

fn replace(path: &Path, old: &str, new: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(old), "{text}");
    fs::write(path, text.replacen(old, new, 1)).unwrap();
}

/// Changes the list, and the manifest so that it says the same.
fn forge_list(place: &Path, old: &str, new: &str) {
    let list = place.join("list-0");
    let before = blake3::hash(&fs::read(&list).unwrap()).to_hex();
    replace(&list, old, new);
    let after = blake3::hash(&fs::read(&list).unwrap()).to_hex();
    replace(&place.join("manifest.json"), &before, &after);
}

/// Changes something in the copy without changing the date of its folder.
fn in_copy(place: &Path, name: &str, with: impl Fn(&Path)) {
    let path = place.join("tree-0").join(name);
    let folder = path.parent().unwrap();
    let found = fs::metadata(folder).unwrap();
    let date = found.modified().unwrap();
    set_mode(folder, 0o700);
    with(&path);
    let file = File::open(folder).unwrap();
    file.set_times(fs::FileTimes::new().set_modified(date)).unwrap();
    fs::set_permissions(folder, found.permissions()).unwrap();
}

#[test]
fn the_manifest() {
    let manifest = |place: &Path| place.join("manifest.json");
    damage("version", |place| replace(&manifest(place), "\"version\": 1", "\"version\": 2"));
    damage("version", |place| replace(&manifest(place), "\"version\"", "\"revision\""));
    damage("manifest", |place| replace(&manifest(place), "\"hash\"", "\"hush\""));
    damage("manifest", |place| replace(&manifest(place), "\"a\"", "\"../a\""));
    damage("manifest", |place| fs::write(manifest(place), "").unwrap());
    damage("counts", |place| replace(&manifest(place), "\"files\": ", "\"files\": 1"));
    damage("counts", |place| replace(&manifest(place), "\"bytes\": ", "\"bytes\": 1"));
    damage("manifest", |place| {
        let text = fs::read(manifest(place)).unwrap();
        fs::write(manifest(place), &text[..text.len() / 2]).unwrap();
    });
    let (_, error) = tamper(|place| replace(&manifest(place), "\"/work\"", "\"/other\""));
    assert!(matches!(error, SandboxError::NotFound { .. }), "{error}");
    let (_, error) = tamper(|place| fs::remove_file(manifest(place)).unwrap());
    assert!(matches!(error, SandboxError::NotFound { .. }), "{error}");
}

/// Opening what stands for the manifest must not wait for anybody, and lead nowhere.
#[test]
fn the_manifest_is_something_else() {
    for with in [
        pipe as fn(&Path),
        |path| symlink("/dev/zero", path).unwrap(),
        |path| {
            fs::create_dir(path).unwrap();
        },
    ] {
        tamper(|place| {
            fs::remove_file(place.join("manifest.json")).unwrap();
            with(&place.join("manifest.json"));
        });
    }
}

#[test]
fn a_damaged_snapshot_hides_no_other() {
    let world = World::new();
    fs::write(world.path("file"), "x").unwrap();
    for name in ["a", "b", "c"] {
        world.save(name).unwrap();
    }
    fs::write(world.store_path().join("2/manifest.json"), "{}").unwrap();
    world.restore("a").unwrap();
    world.restore("c").unwrap();
    world.save("d").unwrap();
    let error = world.store.list().unwrap_err();
    assert!(error.to_string().contains("/2 is damaged"), "{error}");
}

#[test]
fn the_list() {
    let list = |place: &Path| place.join("list-0");
    damage("list-0 is missing", |place| fs::remove_file(list(place)).unwrap());
    damage("list-0", |place| replace(&list(place), "\"mode\":420", "\"mode\":493"));
    damage("list-0", |place| {
        let text = fs::read(list(place)).unwrap();
        fs::write(list(place), &text[..text.len() - 200]).unwrap();
    });
}

#[test]
fn a_forged_list() {
    damage("list-0", |place| forge_list(place, "{\"in\":0", "{\"on\":0"));
    damage("not what was saved", |place| forge_list(place, "\"name\":\"file\"", "\"name\":\"f\""));
    for name in ["../file", "/etc", "..", ".", "a/b", ""] {
        damage("not what was saved", |place| {
            forge_list(place, "\"name\":\"file\"", &format!("\"name\":\"{name}\""));
        });
    }
    damage("not what was saved", |place| forge_list(place, "\"size\":7}", "\"size\":8}"));
    damage("not what was saved", |place| forge_list(place, "\"mode\":420", "\"mode\":2541"));
    damage("not what was saved", |place| forge_list(place, "{\"in\":0", "{\"in\":99999"));
    damage("not what was saved", |place| forge_list(place, "\"of\":", "\"of\":9999"));
    damage("not what was saved", |place| forge_list(place, "nowhere", "../out"));
}

#[test]
fn the_copy() {
    damage("names", |place| in_copy(place, "sticky/more", |path| fs::write(path, "x").unwrap()));
    damage("not what was saved", |place| {
        in_copy(place, "file", |path| fs::remove_file(path).unwrap());
    });
    damage("not what was saved", |place| {
        in_copy(place, "a/b/c/none", |path| {
            fs::write(path, "more").unwrap();
            set_date(path, 1, 0);
        });
    });
    damage("not what was saved", |place| set_mode(&place.join("tree-0/a/tool"), 0o4755 & 0o700));
    // Of the same size, but of another date.
    damage("not what was saved", |place| {
        fs::write(place.join("tree-0/a/tool"), "#!/bin/zz\n").unwrap();
    });
    damage("tree-0", |place| {
        open_up(&place.join("tree-0"));
        fs::remove_dir_all(place.join("tree-0")).unwrap();
    });
}

#[test]
fn links_that_lead_out_of_the_copy() {
    let outside = |place: &Path| place.join("../../outside");
    damage("not what was saved", |place| {
        in_copy(place, "a/tool", |path| {
            fs::remove_file(path).unwrap();
            symlink(outside(place).join("file"), path).unwrap();
        });
    });
    damage("not what was saved", |place| {
        in_copy(place, "empty", |path| {
            fs::remove_dir(path).unwrap();
            symlink(outside(place), path).unwrap();
        });
    });
    damage("tree-0", |place| {
        fs::rename(place.join("tree-0"), place.join("was")).unwrap();
        symlink(outside(place), place.join("tree-0")).unwrap();
    });
    damage("list-0", |place| {
        fs::remove_file(place.join("list-0")).unwrap();
        symlink(outside(place).join("file"), place.join("list-0")).unwrap();
    });
    let (world, _) = tamper(|place| {
        fs::rename(place, place.with_file_name("was")).unwrap();
        symlink("../outside", place).unwrap();
    });
    assert!(Store::open(&world.store_path()).is_err());
}

/// A journal that names folders and files of somebody's choice.
#[test]
fn a_forged_journal() {
    let world = World::new();
    let victim = world.top.path().join("victim");
    fs::create_dir(&victim).unwrap();
    furnish(&victim);
    fs::create_dir_all(world.path(".sandbox-restore-0123456789abcdef/new")).unwrap();
    fs::create_dir_all(world.path(".sandbox-restore-0123456789abcdef/old")).unwrap();
    let (before, live) = (dump(&victim), dump(&world.live));
    let forge = |state: &str, path: &Path, work: &str, name: &str| {
        let attributes = "{\"mode\":511,\"modified\":[0,0],\"owner\":null}";
        let text = format!(
            "{{\"version\":1,\"folders\":[{{\"path\":{path:?},\"work\":{work:?},\"old\":[{{\"name\":\
             {name:?},\"mode\":511}}],\"new\":[],\"before\":{attributes},\"after\":{attributes}}}]}}"
        );
        let file = world.store_path().join(format!("restore-{state}.json"));
        fs::write(&file, text).unwrap();
        let opened = Store::open(&world.store_path());
        fs::remove_file(file).unwrap();
        opened.err().map(|error| error.to_string()).unwrap_or_default()
    };
    let work = ".sandbox-restore-0123456789abcdef";
    for state in ["swap", "undo"] {
        let error = forge(state, &victim, work, "file");
        assert!(error.contains("cannot be completed"), "{error}");
        for (work, name) in [(work, "../victim"), (work, "a/b"), ("a", "file"), ("..", "file")] {
            let error = forge(state, &world.live, work, name);
            assert!(error.contains("is damaged"), "{error}");
        }
    }
    let file: PathBuf = world.store_path().join("restore-swap.json");
    fs::write(&file, "{\"version\":1").unwrap();
    assert!(Store::open(&world.store_path()).is_err());
    fs::remove_file(file).unwrap();
    assert_eq!((dump(&victim), dump(&world.live)), (before, live));
}
