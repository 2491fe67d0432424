//! Sessions that stand still: what moves in them truly stops and truly goes on, and cannot tell.
#![expect(clippy::print_stdout, reason = "the harness shows what a test prints")]

mod stage;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sandbox_core::run::Running;
use sandbox_core::session::{SandboxBackend, SandboxSpec};
use sandbox_core::{ExecRequest, Exit, Policy, SandboxError, SessionId};
use stage::{Outcome, Stage};

const MOMENT: Duration = Duration::from_millis(5);

struct Beating {
    stage: Stage,
    id: SessionId,
    running: Running,
}

impl Beating {
    /// A session in which a script writes into `/mnt/memory`; it is there once it has `beats`.
    async fn start(script: &str) -> Result<Self, Box<dyn Error>> {
        let stage = Stage::new()?;
        let spec = stage.spec()?;
        Self::start_in(stage, spec, script).await
    }

    /// The same in a session that is made otherwise.
    async fn start_in(
        stage: Stage,
        spec: SandboxSpec,
        script: &str,
    ) -> Result<Self, Box<dyn Error>> {
        let id = stage.open(spec).await?;
        let script = format!("cd /mnt/memory\n{script}");
        let request = ExecRequest::new("sh").arg("-c").arg(script);
        let running = stage.sessions.spawn(&id, request).await?;
        let beating = Self { stage, id, running };
        beating.goes_on(0).await?;
        Ok(beating)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.stage.memory(&self.id).join(name)
    }

    fn count(&self) -> u64 {
        fs::metadata(self.file("beats")).map_or(0, |beats| beats.len())
    }

    /// Waits until more is written than there was.
    async fn goes_on(&self, before: u64) -> Outcome {
        for _ in 0..4000 {
            if self.count() > before {
                return Ok(());
            }
            tokio::time::sleep(MOMENT).await;
        }
        Err(format!("nothing moves after {before}").into())
    }

    /// What was written at the moment of the stop.
    async fn stop(&self) -> Result<u64, Box<dyn Error>> {
        self.stage.sessions.suspend(&self.id).await?;
        let mut count = self.count();
        // A signal reaches what runs at this moment a moment later.
        for _ in 0..if has_groups() { 0 } else { 100 } {
            tokio::time::sleep(MOMENT * 4).await;
            let before = count;
            count = self.count();
            if count == before {
                break;
            }
        }
        Ok(count)
    }

    async fn stands_still(&self, at: u64) {
        for _ in 0..40 {
            tokio::time::sleep(MOMENT).await;
            assert_eq!(self.count(), at, "it went on");
        }
    }

    async fn resume(&self) -> Outcome {
        Ok(self.stage.sessions.resume(&self.id).await?)
    }
}

const BEAT: &str = "while :; do printf . >> beats; sleep 0.005; done";

/// Whether a group can be made here that stands still.
fn has_groups() -> bool {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let two = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2"));
    let folder = two.and_then(|line| line.split(' ').nth(1)).map(|at| Path::new(at).join(own));
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("of-a-test-{}-{number}", std::process::id());
    folder.is_some_and(|folder| {
        let folder = folder.join(name);
        fs::create_dir(&folder).is_ok() && fs::remove_dir(&folder).is_ok()
    })
}

#[tokio::test]
async fn again_and_again() -> Outcome {
    let beating = Beating::start(&format!("trap '' TSTP TTIN TTOU CONT HUP TERM\n{BEAT}")).await?;
    for _ in 0..3 {
        let at = beating.stop().await?;
        beating.stands_still(at).await;
        beating.resume().await?;
        beating.goes_on(at).await?;
    }
    Ok(())
}

/// Children that end at once, and children of children: the race that stopping one after another
/// would lose.
#[tokio::test]
async fn a_tree_that_grows_stands_still() -> Outcome {
    let script = "for i in 1 2 3 4; do\n\
                  while :; do sh -c 'printf . >> beats; sh -c \"printf . >> beats\"'; done &\n\
                  done; wait";
    let beating = Beating::start(script).await?;
    for _ in 0..5 {
        let at = beating.stop().await?;
        beating.stands_still(at).await;
        beating.resume().await?;
        beating.goes_on(at).await?;
    }
    Ok(())
}

/// What has stopped itself stays so, and what asks to be told of continuing is not.
#[tokio::test]
async fn nobody_can_tell() -> Outcome {
    if !has_groups() {
        println!("skipped: no group of version 2 can be made here");
        return Ok(());
    }
    let script = format!(
        "sh -c 'kill -STOP $$; printf x > woken' &\n\
         trap 'printf x > told' CONT\n\
         {BEAT}"
    );
    let beating = Beating::start(&script).await?;
    for _ in 0..3 {
        let at = beating.stop().await?;
        beating.resume().await?;
        beating.goes_on(at + 5).await?;
    }
    assert!(!beating.file("woken").exists(), "what had stopped itself went on");
    assert!(!beating.file("told").exists(), "a signal told of it");
    Ok(())
}

#[tokio::test]
async fn nothing_starts_and_nothing_is_lost_meanwhile() -> Outcome {
    let beating = Beating::start(BEAT).await?;
    let (sessions, id) = (&beating.stage.sessions, &beating.id);
    let at = beating.stop().await?;
    let refused = sessions.exec(id, ExecRequest::new("true")).await;
    assert!(matches!(refused, Err(SandboxError::WrongState { .. })), "{refused:?}");
    sessions.snapshot(id, &sandbox_core::SnapshotName::new("still")?).await?;
    assert!(!sessions.files(id).await?.list(&stage::at("/mnt/memory")?)?.entries.is_empty());
    beating.stands_still(at).await;
    beating.resume().await?;
    beating.goes_on(at).await?;
    assert!(sessions.exec(id, ExecRequest::new("true")).await?.exit.success());
    Ok(())
}

#[tokio::test]
async fn what_stands_still_can_be_ended() -> Outcome {
    let beating = Beating::start(BEAT).await?;
    let at = beating.stop().await?;
    beating.stage.sessions.terminate(&beating.id).await?;
    let discard = || sandbox_core::run::Sink::Discard;
    let ended = beating.running.finish(discard(), discard()).await?;
    assert!(!matches!(ended.exit, Exit::Code(_)), "{ended:?}");
    assert!(at > 0);
    Ok(())
}

/// The groups go with their sessions, however these end.
#[tokio::test]
async fn no_group_is_left() -> Outcome {
    let ended = Beating::start(BEAT).await?;
    ended.stage.sessions.terminate(&ended.id).await?;
    let suspended = Beating::start(BEAT).await?;
    suspended.stop().await?;
    let Beating { stage, running, .. } = suspended;
    drop(stage);
    drop(running);
    let dropped = Beating::start(BEAT).await?;
    let groups = groups_of(std::process::id());
    drop(dropped);
    for _ in 0..1000 {
        // Other tests have some that live; none may be empty for long.
        let left = |path: &&PathBuf| path.exists() && is_empty(path);
        if !groups.iter().any(|path| left(&path)) {
            return Ok(());
        }
        tokio::time::sleep(MOMENT).await;
    }
    Err(format!("{groups:?}").into())
}

fn is_empty(group: &Path) -> bool {
    let events = fs::read_to_string(group.join("cgroup.events")).unwrap_or_default();
    events.contains("populated 0")
}

/// The groups of version 2 that a process has made, at the mounts of this machine.
fn groups_of(process: u32) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let points = mounts.lines().filter(|line| line.split(' ').nth(2) == Some("cgroup2"));
    let entries = points.filter_map(|line| fs::read_dir(line.split(' ').nth(1)?).ok());
    let name = format!("sandbox-{process}-");
    let paths = entries.flatten().flatten().map(|entry| entry.path());
    paths.filter(|path| path.to_string_lossy().contains(&name)).collect()
}

#[tokio::test]
async fn commands_of_a_pool_stand_still_and_go_on() -> Outcome {
    let spec = SandboxSpec::new(Policy::read_only().build()?).pool(1);
    let beating = Beating::start_in(Stage::new()?, spec, BEAT).await?;
    let at = beating.stop().await?;
    beating.stands_still(at).await;
    beating.resume().await?;
    beating.goes_on(at).await
}
