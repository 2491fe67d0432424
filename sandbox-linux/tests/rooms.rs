//! Sandboxes that last: what one command leaves the next one finds, and nothing outlives the end.

use std::error::Error;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use sandbox_core::confine::{Confinement, Enclosure, Launched};
use sandbox_core::plan::{Host, Plan};
use sandbox_core::{ExecRequest, Exit, Policy};
use sandbox_linux::{LinuxConfinement, TierChoice};
use tokio::io::AsyncReadExt;

type Outcome = Result<(), Box<dyn Error>>;

struct Place {
    policy: Policy,
    room: Arc<dyn Enclosure>,
    folder: tempfile::TempDir,
}

impl Place {
    fn open() -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let policy = Policy::workspace(fs::canonicalize(folder.path())?)?.build()?;
        let plan = Plan::without_command(&policy, &Host::current())?;
        let room = LinuxConfinement::new(TierChoice::Namespaces)?.enclose(&plan)?;
        Ok(Self { policy, room, folder })
    }

    fn start(&self, script: &str) -> Result<Launched, Box<dyn Error>> {
        let request = ExecRequest::new("sh").arg("-c").arg(script);
        let plan = Plan::new(&self.policy, &request, &Host::current())?;
        Ok(self.room.start(&plan)?)
    }

    async fn run(&self, script: &str) -> Result<(String, Exit), Box<dyn Error>> {
        let mut launched = self.start(script)?;
        let mut text = String::new();
        launched.stdout.read_to_string(&mut text).await?;
        Ok((text, launched.process.wait().await?.exit))
    }
}

#[tokio::test]
async fn one_command_finds_what_another_left() -> Outcome {
    let place = Place::open()?;
    assert_eq!(place.run("echo private > /tmp/left; echo seen > left").await?.1, Exit::Code(0));
    assert_eq!(place.run("cat /tmp/left left").await?.0, "private\nseen\n");
    assert_eq!(fs::read_to_string(place.folder.path().join("left"))?, "seen\n");
    assert!(!fs::exists("/tmp/left")?, "a private file lies on the host");
    Ok(())
}

#[tokio::test]
async fn a_command_cannot_reach_its_neighbour_or_the_first_process() -> Outcome {
    let place = Place::open()?;
    let neighbour = place.start("echo $$; exec sleep 60")?;
    let mut started = neighbour;
    let mut line = [0; 16];
    let read = started.stdout.read(&mut line).await?;
    let number = String::from_utf8_lossy(&line[..read]).trim().to_owned();
    let script = format!("kill -9 1 2>/dev/null; kill -9 {number} 2>/dev/null; echo $?");
    let (text, exit) = place.run(&script).await?;
    assert_eq!((text.trim() == "0", exit), (false, Exit::Code(0)), "{text}");
    assert_eq!(place.run("echo still here").await?.0, "still here\n");
    started.process.kill()?;
    started.process.wait().await?;
    Ok(())
}

#[tokio::test]
async fn what_a_command_leaves_running_ends_with_it() -> Outcome {
    let place = Place::open()?;
    let script = "(setsid sh -c 'sleep 0.3; touch late' &) ; exit 3";
    assert_eq!(place.run(script).await?.1, Exit::Code(3));
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(place.run("ls").await?.0, "");
    Ok(())
}

#[tokio::test]
async fn frozen_processes_stand_still_and_go_on() -> Outcome {
    let place = Place::open()?;
    let count = || fs::read_to_string(place.folder.path().join("beats")).map_or(0, |b| b.len());
    let beating = place.start("while :; do printf . >> beats; sleep 0.01; done")?;
    while count() < 3 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    place.room.freeze()?;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let before = count();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(count(), before, "it went on");
    place.room.thaw()?;
    while count() == before {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    beating.process.kill()?;
    beating.process.wait().await?;
    Ok(())
}

#[tokio::test]
async fn the_end_takes_everything_along() -> Outcome {
    let place = Place::open()?;
    let one = place.start("sleep 60")?;
    let two = place.start("trap '' TERM INT HUP; sleep 60 & sleep 60")?;
    place.room.end().await?;
    for ended in [one.process.wait().await?, two.process.wait().await?] {
        assert!(!matches!(ended.exit, Exit::Code(_)), "{ended:?}");
    }
    assert!(place.start("true").is_err(), "a command started in what has ended");
    place.room.end().await?;
    Ok(())
}

#[tokio::test]
async fn limits_hold_for_each_command() -> Outcome {
    let folder = tempfile::tempdir()?;
    let policy = Policy::workspace(fs::canonicalize(folder.path())?)?
        .limits(|limits| limits.cpu_time = "1s".parse().ok())
        .build()?;
    let plan = Plan::without_command(&policy, &Host::current())?;
    let room = LinuxConfinement::new(TierChoice::Namespaces)?.enclose(&plan)?;
    let place = Place { policy, room, folder };
    let (_, exit) = place.run("while :; do :; done").await?;
    assert_eq!(exit, Exit::Killed(sandbox_core::KillReason::CpuTime));
    assert_eq!(place.run("echo on").await?.0, "on\n");
    Ok(())
}
