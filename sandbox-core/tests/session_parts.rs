//! The parts of a session together, over a command that is played: a program that answers each line
//! that it reads, and ends with its input.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use sandbox_core::confine::{Confinement, Ended, Explanation, Launched, Process};
use sandbox_core::plan::Plan;
use sandbox_core::session::files::{Create, FileChange, Files};
use sandbox_core::session::log::{Piece, Start, Stream, Watcher};
use sandbox_core::session::task::{Settings, TaskState, Tasks, command_line};
use sandbox_core::{
    ExecRequest, Exit, FilesystemAccess, KillReason, LocalBackend, Policy, Report, Result,
    SandboxCapabilities, SandboxPath, TerminalSize,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, duplex};
use tokio::sync::watch;

/// Launches the played command, and keeps what it was asked.
#[derive(Default)]
struct Stage {
    sizes: Arc<Mutex<Vec<TerminalSize>>>,
}

struct Player {
    over: Arc<watch::Sender<Option<Exit>>>,
    sizes: Arc<Mutex<Vec<TerminalSize>>>,
}

impl Confinement for Stage {
    fn name(&self) -> &'static str {
        "stage"
    }

    fn capabilities(&self) -> SandboxCapabilities {
        SandboxCapabilities::new("stage", [])
    }

    fn assess(&self, _: &Plan) -> Result<Report> {
        Ok(Report::default())
    }

    fn explain(&self, _: &Plan) -> Result<Explanation> {
        Ok(Explanation::default())
    }

    fn launch(&self, _: &Plan) -> Result<Launched> {
        let (input, stdin) = duplex(64);
        let (mut stdout, out) = duplex(64);
        let (mut stderr, err) = duplex(64);
        let over = Arc::new(watch::Sender::new(None));
        let player = Player { over: Arc::clone(&over), sizes: Arc::clone(&self.sizes) };
        tokio::spawn(async move {
            let mut ended = over.subscribe();
            let mut lines = BufReader::new(stdin).lines();
            loop {
                let line = tokio::select! {
                    _ = ended.wait_for(Option::is_some) => return,
                    line = lines.next_line() => line.expect("input"),
                };
                let Some(line) = line else { break };
                let answer = format!("{} is {} long\n", line, line.len());
                stdout.write_all(answer.as_bytes()).await.expect("output");
            }
            stderr.write_all(b"no more\n").await.expect("output");
            drop((stdout, stderr));
            over.send_if_modified(|over| over.is_none() && over.replace(Exit::Code(3)).is_none());
        });
        Ok(Launched {
            process: Arc::new(player),
            stdin: Some(Box::new(input)),
            stdout: Box::new(out),
            stderr: Some(Box::new(err)),
            report: None,
        })
    }
}

#[async_trait]
impl Process for Player {
    fn id(&self) -> u32 {
        1
    }

    async fn wait(&self) -> Result<Ended> {
        let mut over = self.over.subscribe();
        let exit = over.wait_for(Option::is_some).await.map_or(None, |over| *over);
        let exit = exit.expect("a player ends with an exit");
        Ok(Ended { exit, usage: Default::default(), denials: Default::default() })
    }

    fn signal(&self, _: i32) -> Result<()> {
        Ok(())
    }

    fn kill(&self) -> Result<()> {
        let killed = Exit::Killed(KillReason::Requested);
        self.over.send_if_modified(|over| over.is_none() && over.replace(killed).is_none());
        Ok(())
    }

    fn resize(&self, size: TerminalSize) -> Result<()> {
        self.sizes.lock().expect("sizes").push(size);
        Ok(())
    }
}

fn spawn(request: &ExecRequest) -> (sandbox_core::run::Running, Arc<Mutex<Vec<TerminalSize>>>) {
    let stage = Arc::new(Stage::default());
    let sizes = Arc::clone(&stage.sizes);
    let policy = Policy::read_only().build().expect("a policy");
    let running = LocalBackend::new(stage).spawn(&policy, request).expect("a command");
    (running, sizes)
}

/// Everything that one stream brings.
async fn read(watcher: &mut Watcher, of: Stream) -> String {
    let mut text = Vec::new();
    while let Some(piece) = watcher.next().await {
        match piece {
            Piece::Bytes { stream, bytes } if stream == of => text.extend(bytes),
            Piece::Bytes { .. } => {}
            lagged => panic!("{lagged:?}"),
        }
    }
    String::from_utf8(text).expect("text")
}

#[tokio::test]
async fn a_task_is_talked_to_watched_and_waited_for() {
    let tasks = Tasks::new(Settings::default());
    let request = ExecRequest::new("sh").arg("-c").with_stdin();
    let id = tasks.start(None, command_line(&request), spawn(&request).0).unwrap();
    let mut early = tasks.watch(id, Start::Now).unwrap();
    for line in ["one\n", "three\n"] {
        tasks.write_stdin(id, line.as_bytes()).await.unwrap();
    }
    tasks.close_stdin(id).await.unwrap();
    let (result, seen) = tokio::join!(tasks.wait(id), read(&mut early, Stream::Stdout));
    assert_eq!(result.unwrap().exit, Exit::Code(3));
    assert_eq!(seen, "one is 3 long\nthree is 5 long\n");
    let mut late = tasks.watch(id, Start::Scrollback).unwrap();
    assert_eq!(read(&mut late, Stream::Stderr).await, "no more\n");
    let info = tasks.info(id).unwrap();
    assert_eq!((info.command.as_str(), info.state), ("sh -c", TaskState::Exited(Exit::Code(3))));
}

#[tokio::test]
async fn a_terminal_is_resized_and_killed() {
    let tasks = Tasks::new(Settings::default());
    let size = |rows| TerminalSize { rows, columns: 80 };
    let request = ExecRequest::new("sh").terminal(size(24)).with_stdin();
    let (running, sizes) = spawn(&request);
    let id = tasks.start_terminal(None, "sh", size(24), running).unwrap();
    tasks.write_stdin(id, b"x\n").await.unwrap();
    let mut watchers = [Start::Scrollback, Start::Offset(0)].map(|from| tasks.watch(id, from));
    tasks.resize(id, size(50)).unwrap();
    for watcher in watchers.iter_mut().flatten() {
        let expected = Piece::Bytes { stream: Stream::Stdout, bytes: b"x is 1 long\n".into() };
        assert_eq!(watcher.next().await, Some(expected));
    }
    tasks.kill(id).unwrap();
    assert_eq!(tasks.wait(id).await.unwrap().exit, Exit::Killed(KillReason::Requested));
    assert_eq!(*sizes.lock().unwrap(), [size(50)]);
    assert_eq!(tasks.info(id).unwrap().terminal, Some(size(50)));
}

#[tokio::test(start_paused = true)]
async fn files_are_written_watched_and_read() {
    let host = tempfile::tempdir().unwrap();
    let folder = Dir::open_ambient_dir(host.path(), ambient_authority()).unwrap();
    let work = SandboxPath::new("/work").unwrap();
    let files = Files::new(vec![(work.clone(), folder, FilesystemAccess::ReadWrite)]);
    let mut changes = files.watch(&work).unwrap();
    let path = work.join("result").unwrap();
    let (writer, target) = (files.clone(), path.clone());
    let write = move || writer.write(&target, b"done", Create::New, None);
    tokio::task::spawn_blocking(write).await.unwrap().unwrap();
    assert_eq!(changes.next().await, Some(FileChange::Added(path.clone())));
    assert_eq!(files.read(&path, 100).unwrap().bytes, b"done");
}
