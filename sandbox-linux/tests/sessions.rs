//! Sessions over the Linux confinement: their life, their folders, their snapshots.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sandbox_core::session::{
    ChangeKind, Labels, LocalSessions, OnIdle, SandboxBackend, SandboxSpec, SandboxState,
};
use sandbox_core::{
    ExecRequest, FilesystemAccess, FilesystemMount, Policy, SandboxError, SessionId, SnapshotName,
};
use sandbox_linux::{LinuxConfinement, TierChoice};

type Outcome = Result<(), Box<dyn Error>>;

struct Stage {
    all: tempfile::TempDir,
    sessions: LocalSessions<LinuxConfinement>,
}

impl Stage {
    fn new() -> Result<Self, Box<dyn Error>> {
        let all = tempfile::tempdir()?;
        fs::create_dir(all.path().join("repo"))?;
        fs::write(all.path().join("repo/file"), "host\n")?;
        let confinement = Arc::new(LinuxConfinement::new(TierChoice::Namespaces)?);
        let sessions = LocalSessions::new(confinement, fs::canonicalize(all.path())?.join("root"));
        Ok(Self { all, sessions })
    }

    fn repo(&self) -> Result<PathBuf, Box<dyn Error>> {
        Ok(fs::canonicalize(self.all.path())?.join("repo"))
    }

    fn spec(&self) -> Result<SandboxSpec, Box<dyn Error>> {
        let overlay = FilesystemMount::overlay(self.repo()?, "/work")?;
        Ok(SandboxSpec::new(Policy::read_only().build()?).mount(overlay))
    }

    async fn open(&self, spec: SandboxSpec) -> Result<SessionId, Box<dyn Error>> {
        Ok(self.sessions.provision(spec).await?.id)
    }

    async fn run(&self, id: &SessionId, script: &str) -> Result<String, Box<dyn Error>> {
        let request = ExecRequest::new("sh").arg("-c").arg(format!("exec 2>&1\n{script}"));
        let request = if script.starts_with("pwd") { request } else { request.cwd("/work") };
        Ok(self.sessions.exec(id, request).await?.stdout.text().into_owned())
    }

    fn left(&self) -> Vec<PathBuf> {
        let folder = |name: &str| self.all.path().join("root").join(name);
        let entries = ["sessions", "layers"].map(|name| fs::read_dir(folder(name)));
        entries.into_iter().flatten().flatten().flatten().map(|entry| entry.path()).collect()
    }
}

fn name(text: &str) -> Result<SnapshotName, Box<dyn Error>> {
    Ok(SnapshotName::new(text)?)
}

#[tokio::test]
async fn a_session_lives_and_leaves_nothing() -> Outcome {
    let stage = Stage::new()?;
    let spec = stage.spec()?.id("one".parse()?).label("for", "test");
    let id = stage.open(spec.clone()).await?;
    assert_eq!(stage.sessions.get(&id).await?.state, SandboxState::Provisioned);
    assert_eq!(stage.run(&id, "cat file; echo changed > file; cat file").await?, "host\nchanged\n");
    assert_eq!(stage.sessions.get(&id).await?.state, SandboxState::Running);
    assert_eq!(fs::read_to_string(stage.repo()?.join("file"))?, "host\n");
    let taken = stage.sessions.provision(spec).await;
    assert!(matches!(taken, Err(SandboxError::AlreadyExists { .. })), "{taken:?}");
    let labels = Labels::from([("for".into(), "test".into())]);
    assert_eq!(stage.sessions.list(&labels).await?.len(), 1);
    let others = Labels::from([("for".into(), "others".into())]);
    assert_eq!(stage.sessions.list(&others).await?.len(), 0);
    assert!(stage.sessions.usage(&id).await?.cpu.is_some_and(|cpu| cpu > Duration::ZERO));
    stage.sessions.terminate(&id).await?;
    let gone = stage.sessions.get(&id).await;
    assert!(matches!(gone, Err(SandboxError::SessionNotFound { .. })), "{gone:?}");
    assert_eq!(stage.left(), Vec::<PathBuf>::new());
    Ok(())
}

#[tokio::test]
async fn every_session_has_a_memory_and_outputs() -> Outcome {
    let stage = Stage::new()?;
    let id = stage.open(stage.spec()?).await?;
    let script = "echo note > $SANDBOX_MEMORY_DIR/a; echo result > /mnt/session/outputs/b";
    stage.run(&id, script).await?;
    assert_eq!(stage.run(&id, "cat /mnt/memory/a $SANDBOX_OUTPUTS_DIR/b").await?, "note\nresult\n");
    let mount = FilesystemMount::scratch("/mnt/memory")?;
    let refused = stage.sessions.provision(stage.spec()?.mount(mount)).await;
    assert!(matches!(refused, Err(SandboxError::InvalidRequest(_))), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn mounts_of_every_kind() -> Outcome {
    let stage = Stage::new()?;
    let spec = stage
        .spec()?
        .mount(FilesystemMount::bind(stage.repo()?, "/seen", FilesystemAccess::ReadOnly)?)
        .mount(FilesystemMount::bind(stage.repo()?, "/direct", FilesystemAccess::ReadWrite)?)
        .mount(FilesystemMount::scratch("/scratch")?)
        .mount(FilesystemMount::tmpfs("/small", Some("1M".parse()?))?);
    let id = stage.open(spec).await?;
    assert_eq!(stage.run(&id, "echo x 2>/dev/null > /seen/file; cat /seen/file").await?, "host\n");
    stage.run(&id, "echo direct > /direct/new; echo s > /scratch/s; echo t > /small/t").await?;
    assert_eq!(fs::read_to_string(stage.repo()?.join("new"))?, "direct\n");
    assert_eq!(stage.run(&id, "cat /scratch/s /small/t").await?, "s\nt\n");
    assert!(stage.run(&id, "head -c 2M /dev/zero > /small/big").await?.contains("space"));
    Ok(())
}

#[tokio::test]
async fn snapshots_are_gone_back_to() -> Outcome {
    let stage = Stage::new()?;
    let id = stage.open(stage.spec()?).await?;
    stage.run(&id, "echo one > file; echo a > a").await?;
    stage.sessions.snapshot(&id, &name("first state")?).await?;
    stage.run(&id, "echo two > file; rm a; echo b > b").await?;
    stage.sessions.snapshot(&id, &name("second")?).await?;
    let again = stage.sessions.snapshot(&id, &name("second")?).await;
    assert!(matches!(again, Err(SandboxError::AlreadyExists { .. })), "{again:?}");
    stage.run(&id, "rm -rf *").await?;
    stage.sessions.restore(&id, &name("second")?).await?;
    assert_eq!(stage.run(&id, "cat file b; ls").await?, "two\nb\nb\nfile\n");
    stage.sessions.restore(&id, &name("first state")?).await?;
    assert_eq!(stage.run(&id, "cat file; ls").await?, "one\na\nfile\n");
    let known: Vec<_> = stage.sessions.snapshots(&id).await?;
    let names: Vec<&str> = known.iter().map(|snapshot| snapshot.name.as_str()).collect();
    assert_eq!(names, ["first state", "second"]);
    let missing = stage.sessions.restore(&id, &name("third")?).await;
    assert!(matches!(missing, Err(SandboxError::NotFound { .. })), "{missing:?}");
    stage.sessions.discard(&id).await?;
    assert_eq!(stage.run(&id, "cat file; ls").await?, "host\nfile\n");
    Ok(())
}

/// A command that works in the folder all the time, and so keeps its layer in use.
#[tokio::test]
async fn a_folder_in_use_is_kept_as_it_is_at_the_moment() -> Outcome {
    let stage = Stage::new()?;
    fs::create_dir(stage.repo()?.join("old"))?;
    fs::write(stage.repo()?.join("old/gone"), "host\n")?;
    let id = stage.open(stage.spec()?).await?;
    let work = "exec 3>> log; n=0; while :; do n=$((n+1)); echo $n >&3; echo $n > count; done";
    let busy = ExecRequest::new("sh").arg("-c").arg(work).cwd("/work");
    let task = stage.sessions.tasks()?.start(&id, busy).await?.id;
    let script = "mkdir -p deep/er; echo one > deep/er/file; ln deep/er/file second; ln -s x link
        chmod 751 deep; touch -d @1000000000 deep/er; rm -r old; mkdir old; echo new > old/new
        mkfifo pipe; truncate -s 1M holes; echo end >> holes; chmod 600 holes; rm file";
    assert_eq!(stage.run(&id, script).await?, "");
    let look = "find . -path ./log -o -path ./count -o -printf '%p %y %m %n %s %T@\\n' | sed 's/^\\. .*//' | sort
        cat deep/er/file second old/*; readlink link; cat file; tail -c4 holes";
    let before = stage.run(&id, look).await?;
    let kept = stage.sessions.snapshot(&id, &name("while it runs")?).await?;
    let fork = stage.sessions.fork(&id, 1).await?.remove(0).id;
    let count = |id: SessionId| {
        let stage = &stage;
        async move { stage.run(&id, "cat count; tail -n1 log").await }
    };
    let counted = count(fork.clone()).await?;
    assert_eq!(stage.run(&fork, look).await?, before);
    let lost = stage.run(&id, "rm -r deep second; echo more > old/new; cat file").await?;
    assert!(lost.contains("No such file"), "{lost}");
    // It goes on in the session, and nowhere else.
    let now = count(id.clone()).await?;
    assert_ne!(now, counted);
    assert_eq!(count(fork.clone()).await?, counted);
    stage.sessions.tasks()?.kill(&id, task).await?;
    stage.sessions.tasks()?.wait(&id, task).await?;
    stage.sessions.restore(&id, &kept.name).await?;
    assert_eq!(stage.run(&id, look).await?, before);
    for id in [id, fork] {
        stage.sessions.terminate(&id).await?;
    }
    assert_eq!(stage.left(), Vec::<PathBuf>::new());
    Ok(())
}

#[tokio::test]
async fn forks_go_their_own_ways() -> Outcome {
    let stage = Stage::new()?;
    let id = stage.open(stage.spec()?.label("for", "test")).await?;
    stage.run(&id, "echo common > file").await?;
    let forks = stage.sessions.fork(&id, 2).await?;
    let [left, right] = &forks[..] else { return Err("not two".into()) };
    assert_eq!(left.parent.as_ref(), Some(&id));
    assert_eq!(left.labels.get("for").map(String::as_str), Some("test"));
    stage.run(&left.id, "echo left >> file").await?;
    stage.run(&id, "echo parent >> file").await?;
    assert_eq!(stage.run(&right.id, "cat file").await?, "common\n");
    // Its parent's end takes nothing away from a fork.
    stage.sessions.terminate(&id).await?;
    assert_eq!(stage.run(&left.id, "cat file").await?, "common\nleft\n");
    stage.sessions.terminate(&left.id).await?;
    stage.sessions.terminate(&right.id).await?;
    assert_eq!(stage.left(), Vec::<PathBuf>::new());
    Ok(())
}

#[tokio::test]
async fn a_fork_has_what_its_parent_remembers() -> Outcome {
    let stage = Stage::new()?;
    let id = stage.open(stage.spec()?.mount(FilesystemMount::scratch("/scratch")?)).await?;
    stage
        .run(&id, "echo note > $SANDBOX_MEMORY_DIR/note; mkdir /scratch/a; echo b > /scratch/a/b")
        .await?;
    let forks = stage.sessions.fork(&id, 2).await?;
    stage.run(&id, "echo later > /scratch/a/b").await?;
    for fork in &forks {
        let found = stage
            .run(&fork.id, "cat $SANDBOX_MEMORY_DIR/note /scratch/a/b; echo > /scratch/a/c")
            .await?;
        assert_eq!(found, "note\nb\n");
    }
    assert_eq!(stage.run(&id, "ls /scratch/a").await?, "b\n");
    for id in forks.into_iter().map(|fork| fork.id).chain([id]) {
        stage.sessions.terminate(&id).await?;
    }
    assert_eq!(stage.left(), Vec::<PathBuf>::new());
    Ok(())
}

#[tokio::test]
async fn changes_are_listed_and_applied() -> Outcome {
    let stage = Stage::new()?;
    let id = stage.open(stage.spec()?).await?;
    stage.run(&id, "echo more >> file; mkdir new; echo a > new/a; ln -s file link").await?;
    stage.sessions.snapshot(&id, &name("between")?).await?;
    stage.run(&id, "echo b > new/b; rm link").await?;
    let listed = stage.sessions.diff(&id).await?;
    let paths: Vec<_> =
        listed[0].changes.iter().map(|c| (c.path.display().to_string(), c.kind)).collect();
    let expected = [
        ("file", ChangeKind::Changed),
        ("new", ChangeKind::Added),
        ("new/a", ChangeKind::Added),
        ("new/b", ChangeKind::Added),
    ];
    assert_eq!(paths, expected.map(|(path, kind)| (path.to_owned(), kind)));
    let applied = stage.sessions.apply(&id).await?;
    assert_eq!((applied.changes.len(), applied.conflicts.len()), (4, 0));
    assert_eq!(fs::read_to_string(stage.repo()?.join("file"))?, "host\nmore\n");
    assert_eq!(fs::read_to_string(stage.repo()?.join("new/b"))?, "b\n");
    // The session goes on from there.
    assert!(stage.sessions.diff(&id).await?[0].changes.is_empty());
    assert_eq!(stage.run(&id, "cat file new/a; echo again > file").await?, "host\nmore\na\n");
    fs::write(stage.repo()?.join("file"), "host again\n")?;
    let applied = stage.sessions.apply(&id).await?;
    assert_eq!((applied.changes.len(), applied.conflicts.len()), (0, 1));
    assert_eq!(fs::read_to_string(stage.repo()?.join("file"))?, "host again\n");
    stage.sessions.discard(&id).await?;
    assert_eq!(stage.run(&id, "cat file").await?, "host again\n");
    Ok(())
}

#[tokio::test]
async fn a_suspended_session_stands_still() -> Outcome {
    let stage = Stage::new()?;
    let id = stage.open(stage.spec()?).await?;
    let beat = "while :; do printf . >> /mnt/memory/beats; sleep 0.01; done";
    let beating = stage.sessions.spawn(&id, ExecRequest::new("sh").arg("-c").arg(beat)).await?;
    let beats = stage.all.path().join("root/sessions").join(id.as_str()).join("memory/beats");
    let count = || fs::read(&beats).map_or(0, |beats| beats.len());
    while count() < 3 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stage.sessions.suspend(&id).await?;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let before = count();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(count(), before);
    let refused = stage.sessions.exec(&id, ExecRequest::new("true")).await;
    assert!(matches!(refused, Err(SandboxError::WrongState { .. })), "{refused:?}");
    stage.sessions.resume(&id).await?;
    while count() == before {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(beating);
    stage.sessions.terminate(&id).await?;
    Ok(())
}

/// Without namespaces every command is launched by itself, and what lies on the host lasts.
#[tokio::test]
async fn a_session_of_the_landlock_tier() -> Outcome {
    let stage = Stage::new()?;
    let confinement = Arc::new(LinuxConfinement::new(TierChoice::Landlock)?);
    let root = fs::canonicalize(stage.all.path())?.join("other");
    let sessions = LocalSessions::new(confinement, root);
    let overlay = sessions.provision(stage.spec()?).await;
    assert!(matches!(overlay, Err(SandboxError::Unsupported { .. })), "{overlay:?}");
    let repo = FilesystemMount::bind(stage.repo()?, "/work", FilesystemAccess::ReadWrite)?;
    let spec = SandboxSpec::new(Policy::read_only().build()?).mount(repo);
    let id = sessions.provision(spec).await?.id;
    let run = async |script: &str| -> Result<String, Box<dyn Error>> {
        let request = ExecRequest::new("sh").arg("-c").arg(script).cwd("/work");
        Ok(sessions.exec(&id, request).await?.stdout.text().into_owned())
    };
    run("echo note > $SANDBOX_MEMORY_DIR/a; echo changed > file").await?;
    assert_eq!(run("cat $SANDBOX_MEMORY_DIR/a file").await?, "note\nchanged\n");
    let beat = "while :; do printf . >> $SANDBOX_MEMORY_DIR/beats; sleep 0.01; done";
    let beating = sessions.spawn(&id, ExecRequest::new("sh").arg("-c").arg(beat)).await?;
    let beats = stage.all.path().join("other/sessions").join(id.as_str()).join("memory/beats");
    let count = || fs::read(&beats).map_or(0, |beats| beats.len());
    while count() < 3 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    sessions.suspend(&id).await?;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let before = count();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(count(), before);
    sessions.resume(&id).await?;
    while count() == before {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    sessions.terminate(&id).await?;
    let discard = || sandbox_core::run::Sink::Discard;
    assert!(!beating.finish(discard(), discard()).await?.exit.success());
    Ok(())
}

#[tokio::test]
async fn time_ends_a_session() -> Outcome {
    let stage = Stage::new()?;
    let short = stage.open(stage.spec()?.ttl("300ms".parse()?)).await?;
    let idle = stage.spec()?.idle("200ms".parse()?, OnIdle::Suspend);
    let idle = stage.open(idle).await?;
    while stage.sessions.get(&short).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    while stage.sessions.get(&idle).await?.state != SandboxState::Suspended {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stage.sessions.resume(&idle).await?;
    assert_eq!(stage.run(&idle, "cat file").await?, "host\n");
    Ok(())
}

#[tokio::test]
async fn what_is_dropped_leaves_nothing_and_what_was_left_is_reaped() -> Outcome {
    let stage = Stage::new()?;
    let id = stage.open(stage.spec()?).await?;
    let running = stage.sessions.spawn(&id, ExecRequest::new("sleep").arg("60")).await?;
    let Stage { all, sessions } = stage;
    drop(sessions);
    let result = running.finish(sandbox_core::run::Sink::Discard, sandbox_core::run::Sink::Discard);
    assert!(!result.await?.exit.success());
    let confinement = Arc::new(LinuxConfinement::new(TierChoice::Namespaces)?);
    let root = fs::canonicalize(all.path())?.join("root");
    let stage = Stage { all, sessions: LocalSessions::new(confinement, &root) };
    assert_eq!(stage.left(), Vec::<PathBuf>::new());
    // As if its owner had been killed.
    let orphan = root.join("sessions/orphan");
    fs::create_dir_all(orphan.join("memory"))?;
    fs::write(orphan.join("lock"), "")?;
    let held = stage.open(stage.spec()?).await?;
    assert_eq!(stage.sessions.reap().await?, 1);
    assert!(!orphan.exists());
    assert_eq!(stage.run(&held, "cat file").await?, "host\n");
    Ok(())
}
