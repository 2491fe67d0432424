//! When the process that decides is killed, nothing more comes out.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use super::harness::Tested;
use super::inside::MARK;
use super::world::{Means, World};
use super::zone::WEB;
use crate::support::PATIENCE;
use crate::support::processes::{Process, left_after, marker, soon};
use crate::support::sessions::Sessions;

/// After how long since the start launchers are killed, in milliseconds.
const EARLY: [u64; 4] = [0, 3, 10, 30];
/// And after how long since the first connection.
const LATE: [u64; 6] = [0, 1, 5, 10, 30, 60];

const RULE: &str = "web.test:80";

/// A process that is killed at the latest when its test ends, however that ends.
struct Doomed(Child);

impl Doomed {
    fn start(command: &mut Command) -> Self {
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().expect("the binary starts"))
    }

    fn kill(&mut self) {
        self.0.kill().expect("kill");
        self.0.wait().expect("wait");
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        // Nearly always it has ended.
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

pub(crate) fn launchers(world: &World, means: Means) -> Tested {
    let own = std::env::current_exe().expect("this program");
    let marker = marker();
    let beat = format!("beat web.test {marker}");
    let words = [own.to_str().expect("a path in UTF-8"), MARK, &beat];
    let moments = EARLY.map(|after| (false, after)).into_iter();
    for (is_late, after) in moments.chain(LATE.map(|after| (true, after))) {
        let before = visits(world);
        let mut launcher = Doomed::start(&mut world.command(means, &[RULE], &words));
        if is_late {
            soon("a connection", || (visits(world) > before).then_some(()));
        }
        thread::sleep(Duration::from_millis(after));
        let found = Process::find(launcher.0.id() as i32).expect("the launcher");
        let below = found.tree();
        launcher.kill();
        nothing_more(world, &marker, &below);
    }
    Ok(())
}

pub(crate) fn owners(world: &World, means: Means) -> Tested {
    let own = std::env::current_exe().expect("this program");
    let own = own.to_str().expect("a path in UTF-8");
    for after in [0, 20] {
        let marker = marker();
        let beat = format!("beat web.test {marker}");
        let sessions = Sessions::new();
        let mut create = sessions.command(&["create", "--read", own, "--allow-host", RULE]);
        let id = crate::support::run(means.prepare(&mut create));
        assert_eq!(id.code, Some(0), "{}", id.stderr);
        let id = id.text().trim_end().to_owned();
        let before = visits(world);
        let exec = &mut sessions.command(&["exec", &id, "--", own, MARK, &beat]);
        let mut exec = Doomed::start(exec);
        soon("a connection", || (visits(world) > before).then_some(()));
        thread::sleep(Duration::from_millis(after));
        let owner = sessions.owner(&id);
        let below = owner.tree();
        owner.kill();
        nothing_more(world, &marker, &below);
        crate::support::wait(&mut exec.0);
    }
    Ok(())
}

/// Connections to the web server.
fn visits(world: &World) -> usize {
    world.seen.web.load(Ordering::SeqCst)
}

/// Waits until these processes are gone. From then on the web server has no visitor but this
/// process, whose connections also show that it has counted what came before them.
#[track_caller]
fn nothing_more(world: &World, marker: &str, gone: &[Process]) {
    // A launcher that was killed early may have started something since it was looked at; who calls
    // a session in vain may still have to say so.
    let late = Process::with(marker).into_iter().filter(|it| !it.command.contains("session"));
    let gone: Vec<_> = gone.iter().cloned().chain(late).collect();
    let left = left_after(&gone, PATIENCE);
    assert!(left.is_empty(), "still there: {left:?}");
    let visit = || {
        let before = visits(world);
        drop(TcpStream::connect((WEB, 80)).expect("the web server"));
        soon("the own visit", || (visits(world) > before).then_some(()));
    };
    visit();
    let before = visits(world);
    thread::sleep(Duration::from_millis(20));
    visit();
    assert_eq!(visits(world), before + 1, "connections without a launcher");
}
