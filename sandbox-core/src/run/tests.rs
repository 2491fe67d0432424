use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::Notify;

use super::*;
use crate::error::SandboxError;
use crate::exec::{TerminalSize, Usage};

/// A process whose end is decided by its test.
#[derive(Default)]
struct Fake {
    over: Notify,
    killed: AtomicBool,
    /// Whether it cannot be waited for.
    lost: bool,
    /// Whether it stays when it is killed.
    stubborn: bool,
}

#[async_trait]
impl Process for Fake {
    fn id(&self) -> u32 {
        1
    }

    async fn wait(&self) -> Result<Ended> {
        self.over.notified().await;
        if self.lost {
            return Err(SandboxError::InvalidRequest("lost".into()));
        }
        let killed = self.killed.load(Ordering::Relaxed);
        let exit = if killed { Exit::Signal(9) } else { Exit::Code(7) };
        Ok(Ended { exit, usage: Usage::default(), denials: Default::default() })
    }

    fn signal(&self, _: i32) -> Result<()> {
        Ok(())
    }

    fn kill(&self) -> Result<()> {
        self.killed.store(true, Ordering::Relaxed);
        if !self.stubborn {
            self.over.notify_one();
        }
        Ok(())
    }

    fn resize(&self, _: TerminalSize) -> Result<()> {
        Ok(())
    }
}

/// The ends of the streams that a command would hold.
struct Command {
    process: Arc<Fake>,
    stdout: DuplexStream,
    stderr: DuplexStream,
    stdin: DuplexStream,
}

impl Command {
    /// Closes the streams and ends.
    fn exit(self) {
        drop((self.stdout, self.stderr));
        self.process.over.notify_one();
    }
}

fn start_as(fake: Fake, change: impl FnOnce(&mut ResourceLimits)) -> (Running, Command) {
    let (stdout, out) = duplex(1 << 20);
    let (stderr, err) = duplex(1 << 20);
    let (input, stdin) = duplex(1 << 10);
    let process = Arc::new(fake);
    let launched = Launched {
        process: Arc::clone(&process) as Arc<dyn Process>,
        stdin: Some(Box::new(input)),
        stdout: Box::new(out),
        stderr: Some(Box::new(err)),
        report: None,
    };
    let mut limits = ResourceLimits::default();
    change(&mut limits);
    let running = Running::new(launched, limits, Report::default());
    (running, Command { process, stdout, stderr, stdin })
}

fn start(change: impl FnOnce(&mut ResourceLimits)) -> (Running, Command) {
    start_as(Fake::default(), change)
}

fn millis(count: u64) -> Option<Span> {
    Some(Duration::from_millis(count).into())
}

async fn captured(running: Running) -> ExecResult {
    running.finish(Sink::Capture, Sink::Capture).await.unwrap()
}

#[tokio::test]
async fn streams_and_exit_reach_the_result() {
    let (running, mut command) = start(|_| {});
    let work = async move {
        command.stdout.write_all(b"out").await.unwrap();
        command.stderr.write_all(b"err").await.unwrap();
        command.exit();
    };
    let (result, ()) = tokio::join!(captured(running), work);
    assert_eq!(result.exit, Exit::Code(7));
    assert_eq!((result.stdout.bytes, result.stderr.bytes), (b"out".to_vec(), b"err".to_vec()));
    assert!(!result.stdout.truncated && !result.stderr.truncated);
}

#[tokio::test]
async fn the_output_limit_holds_for_both_streams_together() {
    let (running, mut command) = start(|l| l.output = Some(ByteSize::from_bytes(6)));
    let work = async move {
        command.stdout.write_all(b"1234").await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        command.stderr.write_all(b"abcd").await.unwrap();
        command.exit();
    };
    let (result, ()) = tokio::join!(captured(running), work);
    assert_eq!((&*result.stdout.bytes, result.stdout.truncated), (&b"1234"[..], false));
    assert_eq!((&*result.stderr.bytes, result.stderr.truncated), (&b"ab"[..], true));
}

#[tokio::test]
async fn the_output_limit_holds_for_writers_too() {
    let (running, mut command) = start(|l| l.output = Some(ByteSize::from_bytes(4)));
    let work = async move {
        for _ in 0..3 {
            command.stdout.write_all(b"123").await.unwrap();
            tokio::task::yield_now().await;
        }
        command.exit();
    };
    let mut written = Vec::new();
    let finish = running.finish(Sink::Write(&mut written), Sink::Discard);
    let (result, ()) = tokio::join!(finish, work);
    assert_eq!(written, b"1231");
    assert!(result.unwrap().stdout.truncated);
}

#[tokio::test]
async fn a_flood_is_dropped_and_does_not_block() {
    let (running, mut command) = start(|l| l.output = Some(ByteSize::from_bytes(10)));
    let work = async move {
        command.stdout.write_all(&vec![b'x'; 32 << 20]).await.unwrap();
        command.exit();
    };
    let (result, ()) = tokio::join!(captured(running), work);
    assert_eq!((result.stdout.bytes.len(), result.stdout.truncated), (10, true));
}

#[tokio::test]
async fn a_reader_that_goes_away_closes_the_stream() {
    let (running, mut command) = start(|_| {});
    let work = async move {
        let mut error = None;
        while error.is_none() {
            error = command.stdout.write_all(&[0; 4096]).await.err();
        }
        command.exit();
        error.unwrap().kind()
    };
    let (mut near, far) = duplex(16);
    drop(far);
    let (result, kind) = tokio::join!(running.finish(Sink::Write(&mut near), Sink::Discard), work);
    assert_eq!(kind, std::io::ErrorKind::BrokenPipe);
    assert_eq!(result.unwrap().exit, Exit::Code(7));
}

#[tokio::test(start_paused = true)]
async fn the_wall_limit_ends_the_command() {
    let (running, command) = start(|l| l.wall_time = millis(500));
    let (result, _streams) = (captured(running).await, command);
    assert_eq!(result.exit, Exit::TimedOut);
    assert!(result.elapsed >= Duration::from_millis(500));
    assert!(result.elapsed < Duration::from_secs(2), "held open by a stream");
}

#[tokio::test(start_paused = true)]
async fn what_came_before_the_wall_limit_is_kept() {
    let (running, mut command) = start(|l| l.wall_time = millis(500));
    command.stdout.write_all(b"before").await.unwrap();
    assert_eq!(captured(running).await.stdout.bytes, b"before");
}

#[tokio::test(start_paused = true)]
async fn a_limit_beyond_the_clock_is_none() {
    for forever in [Duration::MAX, Duration::from_secs(u64::MAX / 2000)] {
        let (running, command) = start(|l| {
            l.wall_time = Some(forever.into());
            l.idle = Some(forever.into());
        });
        let work = async move {
            tokio::time::sleep(Duration::from_secs(10)).await;
            command.exit();
        };
        assert_eq!(tokio::join!(captured(running), work).0.exit, Exit::Code(7));
    }
}

#[tokio::test(start_paused = true)]
async fn silence_ends_the_command_and_either_stream_breaks_it() {
    let (running, command) = start(|l| l.idle = millis(300));
    let (result, _streams) = (captured(running).await, command);
    assert_eq!(result.exit, Exit::Killed(KillReason::Idle));

    let (running, mut command) = start(|l| l.idle = millis(300));
    let work = async move {
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            command.stdout.write_all(b".").await.unwrap();
            tokio::time::sleep(Duration::from_millis(200)).await;
            command.stderr.write_all(b".").await.unwrap();
        }
        command.exit();
    };
    assert_eq!(tokio::join!(captured(running), work).0.exit, Exit::Code(7));
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_slow_reader_is_no_silence() {
    let (running, mut command) = start(|l| l.idle = millis(300));
    let work = async move {
        command.stdout.write_all(&[b'x'; 64]).await.unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
        command.exit();
    };
    let (mut near, mut far) = duplex(16);
    let read = async move {
        tokio::time::sleep(Duration::from_millis(4900)).await;
        let mut all = Vec::new();
        far.read_to_end(&mut all).await.unwrap();
        all.len()
    };
    let finish = async move { running.finish(Sink::Write(&mut near), Sink::Discard).await };
    let (result, (), length) = tokio::join!(finish, work, read);
    assert_eq!((result.unwrap().exit, length), (Exit::Code(7), 64));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_never_reads_does_not_hold_up_the_wall_limit() {
    let (running, mut command) = start(|l| l.wall_time = millis(500));
    command.stdout.write_all(&[b'x'; 64]).await.unwrap();
    let (mut near, _far) = duplex(16);
    let result = running.finish(Sink::Write(&mut near), Sink::Discard).await.unwrap();
    assert_eq!((result.exit, result.stdout.truncated), (Exit::TimedOut, true));
    assert!(result.elapsed < Duration::from_secs(3), "{:?}", result.elapsed);
}

#[tokio::test(start_paused = true)]
async fn of_two_limits_the_nearer_counts() {
    let both = |wall, idle| {
        start(|l: &mut ResourceLimits| {
            l.wall_time = millis(wall);
            l.idle = millis(idle);
        })
    };
    let (running, _command) = both(500, 2000);
    assert_eq!(captured(running).await.exit, Exit::TimedOut);
    let (running, _command) = both(2000, 500);
    assert_eq!(captured(running).await.exit, Exit::Killed(KillReason::Idle));
}

#[tokio::test(start_paused = true)]
async fn input_that_nobody_took_is_at_its_end() {
    let (running, mut command) = start(|_| {});
    let work = async move {
        let read = command.stdin.read(&mut [0; 8]).await.unwrap();
        command.exit();
        read
    };
    assert_eq!(tokio::join!(captured(running), work).1, 0);
}

#[tokio::test]
async fn a_command_that_is_lost_is_an_error_and_is_ended() {
    let (running, command) = start_as(Fake { lost: true, ..Fake::default() }, |_| {});
    command.process.over.notify_one();
    let error = running.finish(Sink::Capture, Sink::Capture).await.unwrap_err();
    assert_eq!(error.to_string(), "lost");
    assert!(command.process.killed.load(Ordering::Relaxed));
}

#[tokio::test]
async fn dropping_ends_the_command_and_finishing_does_not_twice() {
    let (running, command) = start(|_| {});
    drop(running);
    assert!(command.process.killed.load(Ordering::Relaxed));

    let (running, command) = start(|_| {});
    let process = Arc::clone(&command.process);
    let (result, ()) = tokio::join!(captured(running), async { command.exit() });
    assert_eq!(result.exit, Exit::Code(7));
    assert!(!process.killed.load(Ordering::Relaxed));
}

#[tokio::test(start_paused = true)]
async fn giving_up_on_a_run_ends_the_command() {
    let (running, command) = start_as(Fake { stubborn: true, ..Fake::default() }, |_| {});
    let bounded = tokio::time::timeout(Duration::from_secs(1), captured(running)).await;
    assert!(bounded.is_err());
    assert!(command.process.killed.load(Ordering::Relaxed));
}

#[test]
fn a_run_can_move_between_threads() {
    fn sendable<T: Send>(_: &T) {}
    let (running, _command) = start(|_| {});
    sendable(&running.finish(Sink::Capture, Sink::Discard));
}
