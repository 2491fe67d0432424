//! The time of a diff depends on the layers, not on the host's folder.

use std::fs;
use std::time::{Duration, Instant};

use crate::world::{World, set_mode};

#[test]
fn a_diff_reads_the_layers_alone() {
    let Some(mut world) = World::new() else { return };
    let host = world.host();
    for folder in 0..200 {
        let folder = host.join(format!("many/{folder}"));
        fs::create_dir_all(&folder).expect("folders");
        for file in 0..100 {
            fs::write(folder.join(file.to_string()), "before").expect("a file");
        }
    }
    // Nobody but root could list it.
    set_mode(&host.join("f"), 0);
    world.stamp = Some(world.take_stamp());
    let seen = world.begin();
    for number in 0..1000 {
        let path = seen.join(format!("many/{}/{}", number % 100, number / 100));
        let content = if number % 2 == 0 { "after" } else { "AFTER!" };
        fs::write(path, content).expect("a file");
    }
    world.end();
    let mut best = Duration::MAX;
    for _ in 0..10 {
        let started = Instant::now();
        assert_eq!(world.diff().len(), 1000);
        best = best.min(started.elapsed());
    }
    let started = Instant::now();
    assert_eq!(world.apply().len(), 1000);
    println!("a diff took {best:?}, applying it {:?}", started.elapsed());
    set_mode(&host.join("f"), 0o755);
}
