//! Sandboxes that last: what one command leaves the next one finds, and nothing outlives the end.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sandbox_core::confine::{Confinement, Enclosure, Launched};
use sandbox_core::plan::{Host, Layers, Mounted, Plan, Shown};
use sandbox_core::{ExecRequest, Exit, Policy, Rights, SandboxError, SandboxPath};
use sandbox_linux::{LinuxConfinement, TierChoice};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

type Outcome = Result<(), Box<dyn Error>>;

fn linux() -> Result<Arc<LinuxConfinement>, SandboxError> {
    Ok(Arc::new(LinuxConfinement::new(TierChoice::Namespaces)?))
}

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
        let room = linux()?.enclose(&plan)?;
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
    let room = linux()?.enclose(&plan)?;
    let place = Place { policy, room, folder };
    let (_, exit) = place.run("while :; do :; done").await?;
    assert_eq!(exit, Exit::Killed(sandbox_core::KillReason::CpuTime));
    assert_eq!(place.run("echo on").await?.0, "on\n");
    Ok(())
}

/// A folder that is copied on write, with layers that change.
struct Layered {
    _folder: tempfile::TempDir,
    repo: PathBuf,
    state: PathBuf,
    policy: Policy,
}

impl Layered {
    fn new() -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let base = fs::canonicalize(folder.path())?;
        let (repo, state) = (base.join("repo"), base.join("state"));
        fs::create_dir_all(repo.join("closed"))?;
        fs::create_dir_all(&state)?;
        fs::write(repo.join("file"), "host\n")?;
        fs::write(repo.join(".env"), "secret")?;
        let hidden = Policy::read_only().hide(repo.join(".env"))?.hide(repo.join("closed"))?;
        Ok(Self { _folder: folder, repo, state, policy: hidden.build()? })
    }

    /// The mounts with a new uppermost layer.
    fn mounts(&self, upper: &str, frozen: &[&str]) -> Result<Vec<Mounted>, Box<dyn Error>> {
        for name in ["upper", "work"] {
            fs::create_dir_all(self.state.join(upper).join(name))?;
        }
        let of = |name: &&str| self.state.join(name).join("upper");
        let layers = Layers {
            root: self.state.clone(),
            frozen: frozen.iter().map(of).collect(),
            upper: of(&upper),
            work: self.state.join(upper).join("work"),
        };
        let shown = Shown::Layered { source: self.repo.clone(), layers };
        Ok(vec![Mounted { target: SandboxPath::new("/work")?, shown }])
    }

    fn plan(&self, mounts: &[Mounted]) -> Result<Plan, Box<dyn Error>> {
        Ok(Plan::furnished(&self.policy, mounts, &Host::current())?)
    }

    fn start(
        &self,
        room: &dyn Enclosure,
        mounts: &[Mounted],
        script: &str,
    ) -> Result<Launched, Box<dyn Error>> {
        let script = format!("exec 2>&1\n{script}");
        let request = ExecRequest::new("sh").arg("-c").arg(script).cwd("/work");
        Ok(room.start(&Plan::inside(&self.policy, mounts, &request, &Host::current())?)?)
    }

    async fn run(
        &self,
        room: &dyn Enclosure,
        mounts: &[Mounted],
        script: &str,
    ) -> Result<String, Box<dyn Error>> {
        let mut launched = self.start(room, mounts, script)?;
        let mut text = String::new();
        launched.stdout.read_to_string(&mut text).await?;
        launched.process.wait().await?;
        Ok(text)
    }
}

#[tokio::test]
async fn mounts_show_what_they_should() -> Outcome {
    let all = Layered::new()?;
    let notes = all.state.join("notes");
    fs::create_dir_all(&notes)?;
    let at = SandboxPath::new;
    let seen = Shown::Host { source: all.repo.clone(), rights: Rights::READ_ONLY };
    let mut mounts = all.mounts("1", &[])?;
    mounts.extend([
        Mounted { target: at("/mnt/notes")?, shown: Shown::Own { source: notes.clone() } },
        Mounted { target: at("/mnt/small")?, shown: Shown::Memory { size: Some("1M".parse()?) } },
        Mounted { target: at("/mnt/seen")?, shown: seen },
    ]);
    let room = linux()?.enclose(&all.plan(&mounts)?)?;
    let run = async |script: &str| all.run(&*room, &mounts, script).await;
    let text = run("pwd; ls; echo changed > file; mkdir new; echo a > new/a; cat file").await?;
    assert_eq!(text, "/work\nclosed\nfile\nchanged\n");
    assert_eq!(run("cat new/a").await?, "a\n");
    assert_eq!(run("cat .env /mnt/seen/.env").await?.matches("denied").count(), 2);
    assert_eq!(fs::read_to_string(all.repo.join("file"))?, "host\n");
    assert_eq!(fs::read_to_string(all.state.join("1/upper/file"))?, "changed\n");
    assert!(!all.repo.join("new").exists());
    assert_eq!(run("echo note > /mnt/notes/a; cat /mnt/seen/file").await?, "host\n");
    assert_eq!(fs::read_to_string(notes.join("a"))?, "note\n");
    assert!(run("echo x > /mnt/seen/file").await?.contains("ead-only"));
    assert!(run("head -c 2M /dev/zero > /mnt/small/big").await?.contains("space"));
    for closed in [".sandbox-layers", ".sandbox-past", ".sandbox-rests"] {
        assert!(run(&format!("ls /{closed}")).await?.contains("denied"), "{closed}");
    }
    Ok(())
}

#[tokio::test]
async fn layers_can_be_changed_while_nobody_uses_them() -> Outcome {
    let all = Layered::new()?;
    let work = Path::new("/work");
    let first = all.mounts("1", &[])?;
    let room = linux()?.enclose(&all.plan(&first)?)?;
    assert_eq!(all.run(&*room, &first, "echo one > file; echo a > a; cat file").await?, "one\n");
    // A snapshot: what was written is frozen, and a fresh layer takes what comes.
    let second = all.mounts("2", &["1"])?;
    assert!(room.relayer(&all.plan(&second)?, work, false)?, "nobody uses it");
    assert_eq!(all.run(&*room, &second, "cat file a; echo two > file; rm a").await?, "one\na\n");
    let hidden = all.run(&*room, &second, "cat .env; ls closed; mv .env x; cat /work/.env").await?;
    assert!(!hidden.contains("secret") && hidden.contains("denied"), "{hidden}");
    assert_eq!(fs::read_to_string(all.state.join("1/upper/file"))?, "one\n");
    // Back to it.
    let third = all.mounts("3", &["1"])?;
    assert!(room.relayer(&all.plan(&third)?, work, true)?, "nobody uses it");
    assert_eq!(all.run(&*room, &third, "cat file a").await?, "one\na\n");
    assert_eq!(fs::read_to_string(all.repo.join("file"))?, "host\n");
    Ok(())
}

#[tokio::test]
async fn layers_in_use_stay_unless_they_must_go() -> Outcome {
    let all = Layered::new()?;
    let work = Path::new("/work");
    let first = all.mounts("1", &[])?;
    let room = linux()?.enclose(&all.plan(&first)?)?;
    let script = "echo one > file; echo in; read x; cat file .env; echo late > late";
    let request = ExecRequest::new("sh").arg("-c").arg(script).cwd("/work").with_stdin();
    let plan = Plan::inside(&all.policy, &first, &request, &Host::current())?;
    let mut user = room.start(&plan)?;
    let mut line = [0; 8];
    let read = user.stdout.read(&mut line).await?;
    assert_eq!(&line[..read], b"in\n");
    let second = all.mounts("2", &["1"])?;
    assert!(!room.relayer(&all.plan(&second)?, work, false)?, "somebody uses it");
    assert_eq!(all.run(&*room, &first, "cat file").await?, "one\n");
    let hidden = all.run(&*room, &first, "cat .env; ls closed").await?;
    assert!(!hidden.contains("secret") && hidden.contains("denied"), "{hidden}");
    let third = all.mounts("3", &[])?;
    assert!(room.relayer(&all.plan(&third)?, work, true)?, "it must go");
    assert_eq!(all.run(&*room, &third, "cat file; ls").await?, "host\nclosed\nfile\n");
    // Who was there goes on with what he had, and sees no more than before.
    user.stdin.take().ok_or("no input")?.write_all(b"\n").await?;
    let mut text = String::new();
    user.stdout.read_to_string(&mut text).await?;
    assert_eq!(text, "one\n");
    assert!(!all.run(&*room, &third, "ls").await?.contains("late"));
    Ok(())
}
