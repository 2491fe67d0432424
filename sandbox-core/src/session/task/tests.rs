use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use super::fake::{Command, command};
use super::*;
use crate::exec::{Exit, KillReason};
use crate::policy::limits::ResourceLimits;
use crate::session::log::{Piece, Stream};
use crate::size::ByteSize;

mod ends;
mod input;

const NOWHERE: TaskId = TaskId::new(99);

fn tasks() -> Tasks {
    Tasks::new(Settings::default())
}

/// Starts a command that has no limits.
fn start(tasks: &Tasks) -> (TaskId, Command) {
    let (running, command) = command(ResourceLimits::default());
    (tasks.start(None, "work", running).unwrap(), command)
}

fn limited(tasks: &Tasks, change: impl FnOnce(&mut ResourceLimits)) -> (TaskId, Command) {
    let mut limits = ResourceLimits::default();
    change(&mut limits);
    let (running, command) = command(limits);
    (tasks.start(None, "work", running).unwrap(), command)
}

fn state(tasks: &Tasks, id: TaskId) -> TaskState {
    tasks.info(id).unwrap().state
}

async fn exit_of(tasks: &Tasks, id: TaskId) -> Exit {
    tasks.wait(id).await.unwrap().exit
}

#[tokio::test]
async fn a_task_is_listed_from_its_start_to_its_end() {
    let tasks = tasks();
    let (id, mut command) = start(&tasks);
    let info = tasks.info(id).unwrap();
    assert_eq!((info.state, info.ended, info.output), (TaskState::Running, None, 0));
    assert_eq!((info.command.as_str(), info.terminal), ("work", None));
    command.stdout.write_all(b"four").await.unwrap();
    command.exit(7);
    assert_eq!(exit_of(&tasks, id).await, Exit::Code(7));
    let info = tasks.list().remove(0);
    assert_eq!((info.state, info.output), (TaskState::Exited(Exit::Code(7)), 4));
    assert!(info.ended.unwrap() >= info.started && !info.truncated);
}

#[tokio::test]
async fn ids_go_up_and_none_is_given_twice() {
    let tasks = tasks();
    let (first, command_1) = start(&tasks);
    command_1.exit(0);
    tasks.wait(first).await.unwrap();
    tasks.remove(first).unwrap();
    let (second, _command_2) = start(&tasks);
    assert_eq!((first.to_string(), second.to_string()), ("t1".into(), "t2".into()));
    for taken in [TaskId::new(0), first, second] {
        let (running, refused) = command(ResourceLimits::default());
        let error = tasks.start(Some(taken), "work", running).unwrap_err();
        assert!(error.to_string().contains("t2 was given already"), "{error}");
        assert_eq!(refused.process.kills.load(Ordering::SeqCst), 1);
    }
    let (running, _command_7) = command(ResourceLimits::default());
    assert_eq!(tasks.start(Some(TaskId::new(7)), "work", running).unwrap(), TaskId::new(7));
    assert_eq!(start(&tasks).0, TaskId::new(8));
    let listed: Vec<u64> = tasks.list().iter().map(|info| info.id.number()).collect();
    assert_eq!(listed, [2, 7, 8]);
}

#[tokio::test]
async fn an_unknown_id_is_an_error_everywhere() {
    let tasks = tasks();
    let errors = [
        tasks.info(NOWHERE).err(),
        tasks.log(NOWHERE).err(),
        tasks.watch(NOWHERE, Start::Now).err(),
        tasks.wait(NOWHERE).await.err(),
        tasks.kill(NOWHERE).err(),
        tasks.signal(NOWHERE, 1).err(),
        tasks.write_stdin(NOWHERE, b"x").await.err(),
        tasks.close_stdin(NOWHERE).await.err(),
        tasks.remove(NOWHERE).err(),
    ];
    for error in errors {
        assert!(matches!(error, Some(SandboxError::TaskNotFound { id: NOWHERE })), "{error:?}");
    }
}

#[tokio::test]
async fn both_streams_come_into_one_log_live_and_in_order() {
    let tasks = tasks();
    let (id, mut command) = start(&tasks);
    let mut watcher = tasks.watch(id, Start::Scrollback).unwrap();
    let mut expect = async |stream, bytes: &[u8]| {
        let bytes = bytes.to_vec();
        assert_eq!(watcher.next().await, Some(Piece::Bytes { stream, bytes }));
    };
    command.stdout.write_all(b"one").await.unwrap();
    expect(Stream::Stdout, b"one").await;
    command.stderr.write_all(b"two").await.unwrap();
    expect(Stream::Stderr, b"two").await;
    command.stdout.write_all(b"three").await.unwrap();
    expect(Stream::Stdout, b"three").await;
    command.exit(0);
    assert_eq!(watcher.next().await, None);
    assert_eq!(state(&tasks, id), TaskState::Exited(Exit::Code(0)), "the end came before it");
    assert_eq!(tasks.log(id).unwrap().tail_text(), "onetwothree");
}

#[tokio::test(start_paused = true)]
async fn limits_hold() {
    let tasks = tasks();
    let second = Some(Duration::from_secs(1).into());
    let (wall, _wall) = limited(&tasks, |limits| limits.wall_time = second);
    let (idle, _idle) = limited(&tasks, |limits| limits.idle = second);
    let (out, mut command) =
        limited(&tasks, |limits| limits.output = Some(ByteSize::from_bytes(3)));
    assert_eq!(exit_of(&tasks, wall).await, Exit::TimedOut);
    assert_eq!(exit_of(&tasks, idle).await, Exit::Killed(KillReason::Idle));
    command.stdout.write_all(b"12345").await.unwrap();
    command.exit(0);
    assert!(tasks.wait(out).await.unwrap().stdout.truncated);
    assert_eq!(tasks.log(out).unwrap().tail_text(), "123");
    assert!(tasks.info(out).unwrap().truncated);
}

#[tokio::test]
async fn a_full_log_says_so() {
    let tasks = Tasks::new(Settings { log: 4, ..Settings::default() });
    let (id, mut command) = start(&tasks);
    command.stdout.write_all(b"123456").await.unwrap();
    command.exit(0);
    tasks.wait(id).await.unwrap();
    let info = tasks.info(id).unwrap();
    assert_eq!((info.output, info.truncated), (6, true));
    assert_eq!(tasks.log(id).unwrap().tail_text(), "3456");
}

#[tokio::test(start_paused = true)]
async fn a_watcher_that_stopped_does_not_keep_a_task_from_its_end() {
    let tasks = Tasks::new(Settings { log: 4, ..Settings::default() });
    let (id, mut command) = start(&tasks);
    let _stopped = tasks.watch(id, Start::Now).unwrap();
    command.stdout.write_all(&[b'x'; 60_000]).await.unwrap();
    command.exit(0);
    let waited = timeout(Duration::from_secs(2), tasks.wait(id)).await;
    assert_eq!(waited.unwrap().unwrap().exit, Exit::Code(0));
    assert_eq!(tasks.info(id).unwrap().output, 60_000);
}

#[tokio::test]
async fn only_a_task_that_has_ended_can_be_removed() {
    let tasks = tasks();
    let (id, command) = start(&tasks);
    let error = tasks.remove(id).unwrap_err();
    assert_eq!(error.to_string(), "the task t1 has not ended");
    let mut watcher = tasks.watch(id, Start::Now).unwrap();
    command.exit(0);
    assert_eq!(watcher.next().await, None);
    tasks.remove(id).unwrap();
    assert!(matches!(tasks.remove(id), Err(SandboxError::TaskNotFound { .. })));
    assert!(tasks.list().is_empty());
}

#[tokio::test]
async fn tasks_that_ended_longest_ago_are_forgotten() {
    let tasks = Tasks::new(Settings { ended: 2, ..Settings::default() });
    let (running, _command) = start(&tasks);
    let ids: Vec<TaskId> = (0..5)
        .map(|_| {
            let (id, command) = start(&tasks);
            command.exit(0);
            id
        })
        .collect();
    for id in &ids {
        let _ = tasks.wait(*id).await;
    }
    while tasks.list().len() > 3 {
        tokio::task::yield_now().await;
    }
    let kept: Vec<TaskId> = tasks.list().iter().map(|info| info.id).collect();
    assert_eq!(kept, [running, ids[3], ids[4]]);
    tasks.remove(ids[4]).unwrap();
    let (id, command) = start(&tasks);
    command.exit(0);
    tasks.wait(id).await.unwrap();
    tokio::task::yield_now().await;
    assert!(tasks.info(ids[3]).is_ok(), "one that was removed took a place");
}

#[test]
fn tasks_can_be_shared_between_threads() {
    fn sendable<T: Send>(_: T) {}
    fn shared<T: Send + Sync>() {}
    shared::<Tasks>();
    let tasks = tasks();
    sendable(tasks.wait(NOWHERE));
    sendable(tasks.write_stdin(NOWHERE, b""));
    sendable(tasks.end_all());
}

#[test]
fn a_command_is_shown_so_that_nothing_in_it_can_be_mistaken() {
    let request = ExecRequest::new("sh").args(["-c", "echo \u{1b}[2J x", ""]);
    assert_eq!(command_line(&request), "sh -c \"echo \\u{1b}[2J x\" \"\"");
}
