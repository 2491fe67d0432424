use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::exec::Exit;
use crate::policy::limits::ResourceLimits;
use crate::session::log::{Piece, Start, Stream};
use crate::session::task::fake::{Command, command};
use crate::session::task::{Settings, TaskState};

const SMALL: TerminalSize = TerminalSize { rows: 24, columns: 80 };
const LARGE: TerminalSize = TerminalSize { rows: 50, columns: 200 };

fn start() -> (Tasks, TaskId, Command) {
    let tasks = Tasks::new(Settings { log: 8, ..Settings::default() });
    let (running, command) = command(ResourceLimits::default());
    let id = tasks.start_terminal(None, "sh", SMALL, running).unwrap();
    (tasks, id, command)
}

fn size(tasks: &Tasks, id: TaskId) -> Option<TerminalSize> {
    tasks.info(id).unwrap().terminal
}

#[tokio::test]
async fn a_terminal_is_a_task_with_a_size() {
    let (tasks, id, command) = start();
    assert_eq!(size(&tasks, id), Some(SMALL));
    tasks.resize(id, LARGE).unwrap();
    assert_eq!(size(&tasks, id), Some(LARGE));
    assert_eq!(*command.process.sizes.lock().unwrap(), [LARGE]);
    let process = command.process.clone();
    command.exit(4);
    assert_eq!(tasks.wait(id).await.unwrap().exit, Exit::Code(4));
    let error = tasks.resize(id, SMALL).unwrap_err().to_string();
    assert!(error.contains("has ended"), "{error}");
    assert_eq!((size(&tasks, id), process.sizes.lock().unwrap().len()), (Some(LARGE), 1));
}

#[tokio::test]
async fn a_size_that_was_refused_is_not_noted() {
    let (tasks, id, command) = start();
    for (rows, columns) in [(0, 80), (24, 0)] {
        let error = tasks.resize(id, TerminalSize { rows, columns }).unwrap_err().to_string();
        assert!(error.contains("rows and columns"), "{error}");
    }
    command.process.refuses.store(true, Ordering::SeqCst);
    assert_eq!(tasks.resize(id, LARGE).unwrap_err().to_string(), "refused");
    assert_eq!(size(&tasks, id), Some(SMALL));
}

#[tokio::test]
async fn only_a_terminal_has_a_size() {
    let (tasks, _, _command) = start();
    let (running, _other) = command(ResourceLimits::default());
    let id = tasks.start(None, "ls", running).unwrap();
    let error = tasks.resize(id, LARGE).unwrap_err().to_string();
    assert!(error.contains("there is none"), "{error}");
    assert_eq!(size(&tasks, id), None);
    let nowhere = tasks.resize(TaskId::new(99), LARGE).unwrap_err().to_string();
    assert_eq!(nowhere, "there is no task t99");
}

#[tokio::test]
async fn everybody_at_a_terminal_sees_everything() {
    let (tasks, id, mut command) = start();
    command.stdout.write_all(b"prompt> ").await.unwrap();
    while tasks.info(id).unwrap().output < 8 {
        tokio::task::yield_now().await;
    }
    let mut watchers: Vec<_> =
        (0..3).map(|_| tasks.watch(id, Start::Scrollback).unwrap()).collect();
    let typed = async {
        tasks.write_stdin(id, b"ls\r").await.unwrap();
        let mut keys = [0; 3];
        command.stdin.read_exact(&mut keys).await.unwrap();
        command.stdout.write_all(b"a, b and more than fits").await.unwrap();
        tasks.kill(id).unwrap();
        drop(command);
        keys
    };
    let [first, second, third] = &mut watchers[..] else { unreachable!("three watchers") };
    let (keys, all) =
        tokio::join!(typed, async { tokio::join!(screen(first), screen(second), screen(third)) });
    let expected = "prompt> a, b and more than fits";
    assert_eq!(&keys, b"ls\r");
    assert_eq!(all, (expected.into(), expected.into(), expected.into()));
    assert_eq!(tasks.info(id).unwrap().state, TaskState::Exited(Exit::Signal(9)));
    assert_eq!(tasks.log(id).unwrap().tail_text(), "han fits");
}

async fn screen(watcher: &mut crate::session::log::Watcher) -> String {
    let mut screen = String::new();
    while let Some(piece) = watcher.next().await {
        let Piece::Bytes { stream: Stream::Stdout, bytes } = piece else { panic!("{piece:?}") };
        screen.push_str(std::str::from_utf8(&bytes).unwrap());
    }
    screen
}
