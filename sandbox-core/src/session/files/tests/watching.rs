//! Changes, as they are told. The clock is the tests' own.

use std::time::Duration;

use tokio::time::timeout;

use super::*;

/// More than any number of looks that a change needs.
const LONG: Duration = Duration::from_secs(4);

async fn next(changes: &mut Changes) -> Option<FileChange> {
    timeout(LONG, changes.next()).await.expect("a change")
}

/// What is told until nothing is for a while.
async fn all(changes: &mut Changes) -> Vec<FileChange> {
    let mut all = Vec::new();
    while let Ok(Some(change)) = timeout(LONG, changes.next()).await {
        all.push(change);
    }
    all
}

fn added(path: &str) -> FileChange {
    FileChange::Added(at(path))
}

fn changed(path: &str) -> FileChange {
    FileChange::Changed(at(path))
}

fn removed(path: &str) -> FileChange {
    FileChange::Removed(at(path))
}

#[tokio::test(start_paused = true)]
async fn what_comes_changes_and_goes_is_told() {
    let world = World::new();
    world.put("work/old", "x");
    std::fs::create_dir(world.path("work/folder")).unwrap();
    let mut changes = world.files.watch(&at("/work")).unwrap();
    world.put("work/folder/new", "1");
    world.put("work/old", "longer");
    assert_eq!(all(&mut changes).await, [added("/work/folder/new"), changed("/work/old")]);
    std::fs::rename(world.path("work/folder"), world.path("work/moved")).unwrap();
    std::fs::remove_file(world.path("work/old")).unwrap();
    let expected = [
        removed("/work/folder"),
        removed("/work/folder/new"),
        removed("/work/old"),
        added("/work/moved"),
        added("/work/moved/new"),
    ];
    assert_eq!(all(&mut changes).await, expected);
    assert_eq!(all(&mut changes).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_replaced_has_changed() {
    let world = World::new();
    world.put("work/a", "x");
    let mut changes = world.files.watch(&at("/work/a")).unwrap();
    world.put("work/b", "y");
    std::fs::rename(world.path("work/b"), world.path("work/a")).unwrap();
    assert_eq!(next(&mut changes).await, Some(changed("/work/a")));
    std::fs::remove_file(world.path("work/a")).unwrap();
    assert_eq!(next(&mut changes).await, Some(removed("/work/a")));
    world.put("work/a", "z");
    assert_eq!(next(&mut changes).await, Some(added("/work/a")));
}

#[tokio::test(start_paused = true)]
async fn a_folder_is_watched_under_any_name_until_it_is_gone() {
    let world = World::new();
    std::fs::create_dir(world.path("work/folder")).unwrap();
    let mut changes = world.files.watch(&at("/work/folder")).unwrap();
    std::fs::rename(world.path("work/folder"), world.path("work/moved")).unwrap();
    std::fs::create_dir(world.path("work/folder")).unwrap();
    world.put("work/folder/other", "x");
    world.put("work/moved/a", "x");
    assert_eq!(all(&mut changes).await, [added("/work/folder/a")]);
    std::fs::remove_dir_all(world.path("work/moved")).unwrap();
    assert_eq!(next(&mut changes).await, Some(removed("/work/folder/a")));
    assert_eq!(next(&mut changes).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_slow_loses_nothing() {
    let world = World::new();
    let mut changes = world.files.watch(&at("/work")).unwrap();
    for number in 0..1000 {
        world.put(&format!("work/{number}"), "x");
    }
    tokio::time::sleep(LONG).await;
    std::fs::remove_file(world.path("work/0")).unwrap();
    let all = all(&mut changes).await;
    assert_eq!(all.len(), 1001);
    assert_eq!(all.last(), Some(&removed("/work/0")));
}

#[tokio::test(start_paused = true)]
async fn a_tree_that_is_too_large_is_said_to_be_watched_in_part() {
    let world = World::new();
    let deep = format!("work/{}", "d/".repeat(66));
    std::fs::create_dir_all(world.path(&deep)).unwrap();
    let mut changes = world.files.watch(&at("/work")).unwrap();
    assert_eq!(next(&mut changes).await, Some(FileChange::Incomplete));
    world.put("work/seen", "x");
    world.put(&format!("{deep}/hidden"), "x");
    assert_eq!(all(&mut changes).await, [added("/work/seen")]);
}

#[tokio::test(start_paused = true)]
async fn many_names_are_watched_in_part_and_those_near_the_top_first() {
    let world = World::new();
    std::fs::create_dir_all(world.path("work/many")).unwrap();
    let mut changes = world.files.watch(&at("/work")).unwrap();
    for number in 0..10_001 {
        world.put(&format!("work/many/{number}"), "");
    }
    world.put("work/seen", "x");
    let all = all(&mut changes).await;
    assert_eq!(all[0], FileChange::Incomplete);
    assert!(all.contains(&added("/work/seen")));
    assert_eq!(all.len(), 1 + 10_000 - 1, "and the folder, which was there");
    assert_eq!(all.iter().filter(|change| **change == FileChange::Incomplete).count(), 1);
}

#[cfg(unix)]
mod closed {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_change_of_mode_is_told_and_times_that_are_set_back_do_not_hide_one() {
        let world = World::new();
        world.put("work/a", "x");
        let times = std::fs::metadata(world.path("work/a")).unwrap();
        std::fs::create_dir(world.path("work/folder")).unwrap();
        let mut changes = world.files.watch(&at("/work")).unwrap();
        world.put("work/a", "y");
        let file = std::fs::File::options().write(true).open(world.path("work/a")).unwrap();
        file.set_modified(times.modified().unwrap()).unwrap();
        let mode = PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(world.path("work/folder"), mode).unwrap();
        assert_eq!(all(&mut changes).await, [changed("/work/a"), changed("/work/folder")]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_with_its_reader() {
    let world = World::new();
    let changes = world.files.watch(&at("/work")).unwrap();
    drop(changes);
    tokio::time::sleep(LONG).await;
    let alive = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert_eq!(alive, 0);
}
