//! Sessions of a supervisor, reached over their sockets as other processes reach them.

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use sandbox_core::remote::{Launcher, RemoteSessions, supervise};
use sandbox_core::run::Sink;
use sandbox_core::session::log::{Piece, Start};
use sandbox_core::session::{Labels, LocalSessions, SandboxBackend, SandboxSpec, SandboxState};
use sandbox_core::{
    ExecRequest, Exit, FilesystemMount, KillReason, Policy, Result as Done, SandboxCapabilities,
    SandboxError, SandboxPath, SessionId, SnapshotName, TerminalSize,
};
use sandbox_linux::{LinuxConfinement, TierChoice};
use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

type Outcome = Result<(), Box<dyn Error>>;

/// The supervisor of these tests is this process, so nobody else is started.
struct Nobody;

impl Launcher for Nobody {
    fn name(&self) -> &str {
        "linux"
    }

    fn capabilities(&self) -> SandboxCapabilities {
        SandboxCapabilities::default()
    }

    fn supervisor(&self) -> std::io::Result<Command> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
}

struct Stage {
    all: tempfile::TempDir,
    sessions: RemoteSessions<Nobody>,
    supervisor: JoinHandle<Done<()>>,
    id: SessionId,
}

impl Stage {
    async fn new() -> Result<Self, Box<dyn Error>> {
        Self::with(Policy::read_only().build()?).await
    }

    async fn with(policy: Policy) -> Result<Self, Box<dyn Error>> {
        let all = tempfile::tempdir()?;
        let top = fs::canonicalize(all.path())?;
        fs::create_dir(top.join("repo"))?;
        fs::write(top.join("repo/file"), "host\n")?;
        let confinement = Arc::new(LinuxConfinement::new(TierChoice::Namespaces)?);
        let local = Arc::new(LocalSessions::new(confinement, top.join("root")));
        let spec = SandboxSpec::new(policy)
            .mount(FilesystemMount::overlay(top.join("repo"), "/work")?)
            .label("for", "test");
        let order = serde_json::to_vec(&spec)?;
        let (say, said) = oneshot::channel();
        let root = top.join("root");
        let supervisor = tokio::spawn(async move {
            let say = move |answer: &[u8]| {
                say.send(answer.to_vec()).map_err(|_| std::io::ErrorKind::BrokenPipe.into())
            };
            supervise(local, root, &order, say).await
        });
        let answer: serde_json::Value = serde_json::from_slice(&said.await?)?;
        let id = answer["done"]["id"].as_str().ok_or_else(|| answer.to_string())?.parse()?;
        let sessions = RemoteSessions::new(Nobody, top.join("root"));
        Ok(Self { all, sessions, supervisor, id })
    }

    fn folder(&self) -> PathBuf {
        self.all.path().join("root/sessions").join(self.id.as_str())
    }

    async fn run(&self, script: &str) -> Result<String, Box<dyn Error>> {
        let request = shell(&format!("exec 2>&1\n{script}")).cwd("/work");
        Ok(self.sessions.exec(&self.id, request).await?.stdout.text().into_owned())
    }

    async fn end(self) -> Outcome {
        self.sessions.terminate(&self.id).await?;
        self.supervisor.await??;
        for name in ["sessions", "layers"] {
            assert_eq!(fs::read_dir(self.all.path().join("root").join(name))?.count(), 0);
        }
        Ok(())
    }
}

fn shell(script: &str) -> ExecRequest {
    ExecRequest::new("sh").arg("-c").arg(script)
}

#[tokio::test]
async fn a_command_is_as_it_would_be_here() -> Outcome {
    let stage = Stage::new().await?;
    let request = shell("echo out; echo err >&2; exit 7").env("A", "b");
    let result = stage.sessions.exec(&stage.id, request).await?;
    assert_eq!((result.exit, &*result.stdout.bytes), (Exit::Code(7), &b"out\n"[..]));
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
    let ((), result) = tokio::try_join!(feed, finish)?;
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

/// Waits until a condition holds.
async fn eventually(mut holds: impl AsyncFnMut() -> Result<bool, Box<dyn Error>>) -> Outcome {
    for _ in 0..400 {
        if holds().await? {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    Err("it never came true".into())
}

#[tokio::test]
async fn a_command_ends_with_its_caller_and_by_its_limit() -> Outcome {
    let policy = Policy::read_only().wall_time(Duration::from_millis(300)).build()?;
    let stage = Stage::with(policy).await?;
    let running = stage.sessions.spawn(&stage.id, shell("sleep 1000")).await?;
    let process = running.process();
    // Nobody drives it here, and still its time ends.
    assert_eq!(process.wait().await?.exit, Exit::TimedOut);
    drop(running);
    stage.end().await?;
    let stage = Stage::new().await?;
    let running = stage.sessions.spawn(&stage.id, shell("exec sleep 1000")).await?;
    let process = running.process();
    process.signal(10)?;
    assert_eq!(process.wait().await?.exit, Exit::Signal(10));
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
    tokio::try_join!(read, write)?;
    tasks.close_input(&stage.id, task).await?;
    assert_eq!(tasks.wait(&stage.id, task).await?.exit, Exit::Code(0));
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
    assert_eq!(tasks.wait(&stage.id, task).await?.exit, Exit::Code(3));
    assert!(tasks.log(&stage.id, task).await?.ends_with(b"6 30\r\n"));
    let task = tasks.start(&stage.id, shell("sleep 1000")).await?.id;
    tasks.kill(&stage.id, task).await?;
    let killed = Exit::Killed(KillReason::Requested);
    assert_eq!(tasks.wait(&stage.id, task).await?.exit, killed);
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

/// What a caller is answered that makes its frames itself.
fn say(socket: &Path, text: &str) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    let length = u32::try_from(text.len()).map_err(std::io::Error::other)?;
    stream.write_all(&length.to_le_bytes())?;
    stream.write_all(&[0])?;
    stream.write_all(text.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(answer.get(5..).unwrap_or_default()).into_owned())
}

#[tokio::test]
async fn strangers_are_refused() -> Outcome {
    let stage = Stage::new().await?;
    let socket = stage.folder().join("socket");
    for name in ["socket", "key", "owner.json"] {
        let mode = fs::metadata(stage.folder().join(name))?.permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let key = fs::read_to_string(stage.folder().join("key"))?;
    let hello = |key: &str, version: u32, call: &str| {
        format!(r#"{{"version":{version},"key":"{key}","call":{call}}}"#)
    };
    for (text, answer) in [
        (hello("", 2, r#""get""#), "the key is not"),
        (hello(&"0".repeat(64), 2, r#""terminate""#), "the key is not"),
        (hello(&key[..63], 2, r#""get""#), "the key is not"),
        // Whoever has no key is told nothing of the version, either.
        (hello("", 1, r#""get""#), "the key is not"),
        (hello(&key, 1, r#""get""#), "speaks version 2"),
        (hello(&key, 2, r#""dance""#), "does not understand"),
        (hello(&key, 2, r#"{"snapshot":{"name":"../a"}}"#), "does not understand"),
        (hello(&key, 2, r#""get""#), r#""state":"provisioned""#),
    ] {
        let at = socket.clone();
        let said = tokio::task::spawn_blocking(move || say(&at, &text)).await??;
        assert!(said.contains(answer), "{answer}: {said}");
    }
    for text in ["no JSON", "{}"] {
        let at = socket.clone();
        let said = tokio::task::spawn_blocking(move || say(&at, text)).await??;
        assert_eq!(said, "", "{text}");
    }
    // What is no frame is not waited for.
    let mut stream = UnixStream::connect(&socket)?;
    stream.write_all(&[0xff; 64])?;
    let mut said = Vec::new();
    let read = move || stream.read_to_end(&mut said).map(|_| said);
    let said = tokio::task::spawn_blocking(read).await?.unwrap_or_default();
    assert_eq!(String::from_utf8_lossy(&said), "");
    assert_eq!(stage.sessions.get(&stage.id).await?.state, SandboxState::Provisioned);
    stage.end().await
}

#[tokio::test]
async fn a_session_whose_folder_is_taken_away_ends() -> Outcome {
    let stage = Stage::new().await?;
    fs::remove_dir_all(stage.folder())?;
    let unknown = stage.sessions.get(&stage.id).await;
    assert!(matches!(unknown, Err(SandboxError::SessionNotFound { .. })), "{unknown:?}");
    tokio::time::timeout(Duration::from_secs(20), stage.supervisor).await???;
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
        supervise(local, at, &order, move |_| {
            say.send(()).map_err(|()| std::io::ErrorKind::BrokenPipe.into())
        })
        .await
    });
    said.await?;
    let sessions = RemoteSessions::new(Nobody, &root);
    let id = "far".parse()?;
    assert_eq!(sessions.exec(&id, shell("echo here")).await?.stdout.bytes, b"here\n");
    sessions.terminate(&id).await?;
    supervisor.await??;
    Ok(())
}

/// A payload that reached another session's socket could have it apply what it likes.
#[tokio::test]
async fn no_session_sees_what_sessions_are_made_of() -> Outcome {
    for tier in [TierChoice::Namespaces, TierChoice::Landlock] {
        let all = tempfile::tempdir()?;
        let top = fs::canonicalize(all.path())?;
        fs::write(top.join("file"), "seen\n")?;
        let confinement = Arc::new(LinuxConfinement::new(tier)?);
        let local = LocalSessions::new(confinement, top.join("root"));
        let level = sandbox_core::EnforcementLevel::BestEffort;
        let policy = Policy::read_only().write(&top)?.enforcement(level).build()?;
        let id = local.provision(SandboxSpec::new(policy)).await?.id;
        fs::write(top.join("root/sessions").join(id.as_str()).join("key"), "the key\n")?;
        let look = "cat file; cat root/sessions/*/key; ls root/sessions; mv root elsewhere; \
                    cat elsewhere/sessions/*/key";
        let result = local.exec(&id, shell(look).cwd(&top)).await?;
        assert_eq!(result.stdout.text(), "seen\n", "{tier:?}: {}", result.stderr.text());
        local.terminate(&id).await?;
    }
    Ok(())
}
