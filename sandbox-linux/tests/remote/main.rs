//! Sessions of a supervisor, reached over their sockets as other processes reach them.

mod stage;
mod strangers;

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use sandbox_core::remote::{RemoteSessions, supervise};
use sandbox_core::run::Sink;
use sandbox_core::session::log::{Piece, Start};
use sandbox_core::session::{Labels, LocalSessions, SandboxBackend, SandboxSpec};
use sandbox_core::{
    ExecRequest, Exit, KillReason, Policy, SandboxError, SandboxPath, SnapshotName, TerminalSize,
};
use sandbox_linux::{LinuxConfinement, TierChoice};
use stage::{Nobody, Outcome, Stage, eventually, shell, soon};
use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;

#[tokio::test]
async fn a_command_is_as_it_would_be_here() -> Outcome {
    let stage = Stage::new().await?;
    let request = shell("echo out $A; echo err >&2; exit 7").env("A", "b");
    let result = stage.sessions.exec(&stage.id, request).await?;
    assert_eq!((result.exit, &*result.stdout.bytes), (Exit::Code(7), &b"out b\n"[..]));
    assert_eq!(&*result.stderr.bytes, b"err\n");
    assert!(result.usage.cpu.is_some_and(|cpu| cpu > Duration::ZERO));
    assert_eq!(result.report.tier, "namespaces");
    let result = stage.sessions.exec(&stage.id, shell("kill -TERM $$")).await?;
    assert_eq!(result.exit, Exit::Signal(15));
    let odd = OsString::from_vec(b"\xff odd".to_vec());
    let request = ExecRequest::new("printf").arg("%s").arg(odd);
    assert_eq!(stage.sessions.exec(&stage.id, request).await?.stdout.bytes, b"\xff odd");
    stage.end().await
}

#[tokio::test]
async fn streams_carry_every_byte_both_ways() -> Outcome {
    let stage = Stage::new().await?;
    let bytes: Vec<u8> = (0..8_000_000_u32).map(|at| (at % 251) as u8).collect();
    let mut running = stage.sessions.spawn(&stage.id, ExecRequest::new("cat").with_stdin()).await?;
    let mut stdin = running.take_stdin().ok_or("no input")?;
    let feed = async {
        stdin.write_all(&bytes).await?;
        drop(stdin);
        Ok::<(), Box<dyn Error>>(())
    };
    let finish = async { Ok(running.finish(Sink::Capture, Sink::Capture).await?) };
    let ((), result) = soon(async { tokio::try_join!(feed, finish) }).await??;
    assert!(result.stdout.bytes == bytes);
    stage.end().await
}

#[tokio::test]
async fn errors_keep_their_kind() -> Outcome {
    let stage = Stage::new().await?;
    let missing = stage.sessions.exec(&stage.id, ExecRequest::new("no-such-program")).await;
    assert!(matches!(missing, Err(SandboxError::CommandNotFound { .. })), "{missing:?}");
    let unknown = stage.sessions.get(&"unknown".parse()?).await;
    assert!(matches!(unknown, Err(SandboxError::SessionNotFound { .. })), "{unknown:?}");
    let gone = stage.sessions.restore(&stage.id, &SnapshotName::new("gone")?).await;
    assert!(matches!(gone, Err(SandboxError::NotFound { .. })), "{gone:?}");
    stage.sessions.suspend(&stage.id).await?;
    let asleep = stage.sessions.exec(&stage.id, shell(":")).await;
    let said = asleep.err().ok_or("it ran")?.to_string();
    assert!(said.contains("suspended"), "{said}");
    stage.sessions.resume(&stage.id).await?;
    assert_eq!(stage.run("echo again").await?, "again\n");
    stage.end().await
}

#[tokio::test]
async fn a_command_ends_with_its_caller_and_by_its_limit() -> Outcome {
    let policy = Policy::read_only().wall_time(Duration::from_millis(300)).build()?;
    let stage = Stage::with(policy).await?;
    let running = stage.sessions.spawn(&stage.id, shell("sleep 1000")).await?;
    let process = running.process();
    // Nobody drives it here, and still its time ends.
    assert_eq!(soon(process.wait()).await??.exit, Exit::TimedOut);
    drop(running);
    stage.end().await?;
    let stage = Stage::new().await?;
    let running = stage.sessions.spawn(&stage.id, shell("exec sleep 1000")).await?;
    let process = running.process();
    process.signal(10)?;
    assert_eq!(soon(process.wait()).await??.exit, Exit::Signal(10));
    drop((running, process));
    let running = stage.sessions.spawn(&stage.id, shell("sleep 1000; echo > late")).await?;
    drop(running);
    eventually(async || {
        Ok(!stage.run("ps -e -o args 2>/dev/null || cat /proc/*/cmdline").await?.contains("1000"))
    })
    .await?;
    stage.end().await
}

#[tokio::test]
async fn tasks_are_started_watched_fed_and_ended() -> Outcome {
    let stage = Stage::new().await?;
    let tasks = stage.sessions.tasks()?;
    let task = tasks.start(&stage.id, ExecRequest::new("cat").with_stdin()).await?.id;
    let mut output = tasks.watch(&stage.id, task, Start::Scrollback).await?;
    tasks.write(&stage.id, task, b"hello").await?;
    let Some(Piece::Bytes { bytes, .. }) = output.next().await? else { return Err("none".into()) };
    assert_eq!(bytes, b"hello");
    let big = vec![b'x'; 3 << 20];
    let read = async {
        let mut read = 0;
        while read < big.len() {
            match output.next().await? {
                Some(Piece::Bytes { bytes, .. }) => read += bytes.len(),
                other => return Err(format!("{other:?}").into()),
            }
        }
        Ok::<(), Box<dyn Error>>(())
    };
    let write = async { Ok(tasks.write(&stage.id, task, &big).await?) };
    soon(async { tokio::try_join!(read, write) }).await??;
    tasks.close_input(&stage.id, task).await?;
    assert_eq!(soon(tasks.wait(&stage.id, task)).await??.exit, Exit::Code(0));
    assert!(output.next().await?.is_none());
    assert!(tasks.log(&stage.id, task).await?.ends_with(b"xxx"));
    let refused = tasks.write(&stage.id, task, b"late").await;
    assert!(matches!(refused, Err(SandboxError::Io { .. })), "{refused:?}");
    tasks.remove(&stage.id, task).await?;
    let gone = tasks.get(&stage.id, task).await;
    assert!(matches!(gone, Err(SandboxError::TaskNotFound { .. })), "{gone:?}");
    let size = TerminalSize { rows: 5, columns: 20 };
    let screen = shell("stty size; trap 'stty size; exit 3' WINCH; while :; do sleep 0.05; done");
    let task = tasks.start(&stage.id, screen.terminal(size)).await?.id;
    eventually(async || Ok(tasks.log(&stage.id, task).await?.starts_with(b"5 20"))).await?;
    tasks.resize(&stage.id, task, TerminalSize { rows: 6, columns: 30 }).await?;
    assert_eq!(soon(tasks.wait(&stage.id, task)).await??.exit, Exit::Code(3));
    assert!(tasks.log(&stage.id, task).await?.ends_with(b"6 30\r\n"));
    let task = tasks.start(&stage.id, shell("sleep 1000")).await?.id;
    tasks.kill(&stage.id, task).await?;
    let killed = Exit::Killed(KillReason::Requested);
    assert_eq!(soon(tasks.wait(&stage.id, task)).await??.exit, killed);
    stage.end().await
}

#[tokio::test]
async fn forks_are_reached_by_themselves() -> Outcome {
    let stage = Stage::new().await?;
    stage.run("echo one > file").await?;
    let before = stage.sessions.snapshot(&stage.id, &SnapshotName::new("before it")?).await?;
    stage.run("echo two > file").await?;
    let forks = stage.sessions.fork(&stage.id, 2).await?;
    stage.sessions.restore(&stage.id, &before.name).await?;
    assert_eq!(stage.run("cat file").await?, "one\n");
    let all = stage.sessions.list(&Labels::from([("for".into(), "test".into())])).await?;
    assert_eq!(all.len(), 3);
    for fork in &forks {
        let result = stage.sessions.exec(&fork.id, shell("cat file").cwd("/work")).await?;
        assert_eq!(result.stdout.text(), "two\n");
        assert_eq!(stage.sessions.diff(&fork.id).await?[0].changes.len(), 1);
    }
    stage.sessions.terminate(&stage.id).await?;
    let first = forks.first().ok_or("no forks")?;
    assert!(stage.sessions.apply(&first.id).await?.conflicts.is_empty());
    assert_eq!(fs::read_to_string(stage.all.path().join("repo/file"))?, "two\n");
    let refused = stage.sessions.fork(&first.id, 257).await.err().ok_or("they were made")?;
    assert!(matches!(refused, SandboxError::InvalidRequest(_)), "{refused:?}");
    assert!(refused.to_string().contains("257 forks at once are more than 256"), "{refused}");
    for fork in &forks {
        stage.sessions.terminate(&fork.id).await?;
    }
    stage.supervisor.await??;
    assert_eq!(fs::read_dir(stage.all.path().join("root/sessions"))?.count(), 0);
    Ok(())
}

#[tokio::test]
async fn files_are_called_from_outside() -> Outcome {
    let stage = Stage::new().await?;
    stage.run("echo inside > new; ln -s /etc/passwd link").await?;
    let files = stage.sessions.files(&stage.id).await?;
    let read = |path: &str| -> Result<Vec<u8>, Box<dyn Error>> {
        Ok(files.read(&SandboxPath::new(path)?, 1 << 20)?.bytes)
    };
    assert_eq!(read("/work/new")?, b"inside\n");
    assert_eq!(read("/work/file")?, b"host\n");
    assert!(!stage.all.path().join("repo/new").exists());
    stage.end().await
}

#[tokio::test]
async fn a_session_whose_folder_is_taken_away_ends() -> Outcome {
    let stage = Stage::new().await?;
    fs::remove_dir_all(stage.folder())?;
    let unknown = stage.sessions.get(&stage.id).await;
    assert!(matches!(unknown, Err(SandboxError::SessionNotFound { .. })), "{unknown:?}");
    soon(stage.supervisor).await???;
    Ok(())
}

#[tokio::test]
async fn a_long_path_is_no_obstacle() -> Outcome {
    let all = tempfile::tempdir()?;
    let root = fs::canonicalize(all.path())?.join("a".repeat(120)).join("b".repeat(80));
    fs::create_dir_all(&root)?;
    fs::set_permissions(&root, fs::Permissions::from_mode(0o700))?;
    let confinement = Arc::new(LinuxConfinement::new(TierChoice::Namespaces)?);
    let local = Arc::new(LocalSessions::new(confinement, &root));
    let spec = SandboxSpec::new(Policy::read_only().build()?).id("far".parse()?);
    let order = serde_json::to_vec(&spec)?;
    let (say, said) = oneshot::channel();
    let at = root.clone();
    let supervisor = tokio::spawn(async move {
        let say = move |_: &[u8]| say.send(()).map_err(|()| std::io::ErrorKind::BrokenPipe.into());
        supervise(local, at, &order, say, || {}).await
    });
    said.await?;
    let sessions = RemoteSessions::new(Nobody, &root);
    let id = "far".parse()?;
    assert_eq!(sessions.exec(&id, shell("echo here")).await?.stdout.bytes, b"here\n");
    sessions.terminate(&id).await?;
    supervisor.await??;
    Ok(())
}
