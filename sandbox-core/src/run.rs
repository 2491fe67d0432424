//! A running command: pumps its streams, keeps the limits that need a clock, gathers the result.
//!
//! Three things go on at once: two pumps that move output, and a watch that waits for the end, for
//! the deadline and for silence. Output past the limit is counted and dropped, so a flooding
//! command costs no memory and is not blocked; a reader that goes away closes the stream, so the
//! command meets the same broken pipe as without a sandbox. When the command has ended its whole
//! tree has, so the pumps see the end of file and nothing can hold them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until};

use crate::capability::Report;
use crate::confine::{Ended, Input, Launched, Output, Process};
use crate::error::Result;
use crate::exec::{Captured, ExecResult, Exit, KillReason};
use crate::policy::limits::ResourceLimits;

/// One read from a command; also the most that is in flight for a slow reader.
const CHUNK: usize = 256 << 10;

/// Where an output stream goes.
pub enum Sink<'a> {
    /// Into the result.
    Capture,
    /// Nowhere.
    Discard,
    /// To a writer, live.
    Write(&'a mut (dyn AsyncWrite + Unpin + Send)),
}

/// A command that was started. Dropping it ends the whole tree.
pub struct Running {
    process: Arc<dyn Process>,
    stdin: Option<Input>,
    stdout: Option<Output>,
    stderr: Option<Output>,
    limits: ResourceLimits,
    report: Report,
    started: Instant,
    finished: bool,
}

/// What is left of the output limit, and when output last came.
struct Meter {
    left: AtomicU64,
    started: Instant,
    last: AtomicU64,
}

impl Running {
    pub(crate) fn new(launched: Launched, limits: ResourceLimits, report: Report) -> Self {
        let Launched { process, stdin, stdout, stderr } = launched;
        let started = Instant::now();
        let stdout = Some(stdout);
        Self { process, stdin, stdout, stderr, limits, report, started, finished: false }
    }

    /// The process, for signals, for resizing its terminal, for ending it.
    #[must_use]
    pub fn process(&self) -> Arc<dyn Process> {
        Arc::clone(&self.process)
    }

    /// The standard input, once; dropping it is the end of file.
    pub fn take_stdin(&mut self) -> Option<Input> {
        self.stdin.take()
    }

    /// What is enforced for this command.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Runs to the end of the command and of everything it started.
    ///
    /// # Errors
    /// The sandbox lost sight of the command, or a pipe failed.
    pub async fn finish(mut self, stdout: Sink<'_>, stderr: Sink<'_>) -> Result<ExecResult> {
        let limit = self.limits.captured_output();
        let meter = Meter {
            left: AtomicU64::new(if self.limits.output.is_some() { limit } else { u64::MAX }),
            started: self.started,
            last: AtomicU64::new(0),
        };
        let capture = AtomicU64::new(limit);
        let out = pump(self.stdout.take(), stdout, &meter, &capture);
        let err = pump(self.stderr.take(), stderr, &meter, &capture);
        let (ended, stdout, stderr) = tokio::join!(self.watch(&meter), out, err);
        let ended = ended?;
        self.finished = true;
        Ok(ExecResult {
            exit: ended.exit,
            stdout,
            stderr,
            elapsed: self.started.elapsed(),
            usage: ended.usage,
            denials: ended.denials,
            report: std::mem::take(&mut self.report),
        })
    }

    /// Waits for the end, and brings it about when a limit is reached.
    async fn watch(&self, meter: &Meter) -> Result<Ended> {
        let mut reached = None;
        loop {
            let deadline = self.next_deadline(meter).filter(|_| reached.is_none());
            let timer = async {
                match deadline {
                    Some((at, exit)) => {
                        sleep_until(at).await;
                        exit
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                ended = self.process.wait() => {
                    let mut ended = ended?;
                    ended.exit = reached.unwrap_or(ended.exit);
                    return Ok(ended);
                }
                exit = timer => {
                    // Output may have come while the timer ran; only a wall limit is final.
                    let passed = self.next_deadline(meter).is_some_and(|(at, _)| at <= Instant::now());
                    if passed {
                        reached = Some(exit);
                        self.process.kill()?;
                    }
                }
            }
        }
    }

    /// The next moment at which a limit is reached, and how the command ends then.
    fn next_deadline(&self, meter: &Meter) -> Option<(Instant, Exit)> {
        let wall = self.limits.wall_time.map(|w| (self.started + w.duration(), Exit::TimedOut));
        let idle = self.limits.idle.map(|idle| {
            let last = Duration::from_millis(meter.last.load(Ordering::Relaxed));
            (self.started + last + idle.duration(), Exit::Killed(KillReason::Idle))
        });
        wall.into_iter().chain(idle).min_by_key(|(at, _)| *at)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.finished {
            // There is nobody left to tell; the process's own guard reaps what remains.
            let _ = self.process.kill();
        }
    }
}

impl Meter {
    /// Takes up to `wanted` bytes from what is left, and notes that output came.
    fn take(&self, wanted: usize) -> usize {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
        take(&self.left, wanted)
    }
}

fn take(left: &AtomicU64, wanted: usize) -> usize {
    let before = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
        Some(left.saturating_sub(wanted as u64))
    });
    let before = before.unwrap_or_default();
    usize::try_from(before).unwrap_or(usize::MAX).min(wanted)
}

/// Moves one stream until its end.
async fn pump(
    source: Option<impl AsyncRead + Unpin>,
    mut sink: Sink<'_>,
    meter: &Meter,
    capture: &AtomicU64,
) -> Captured {
    let mut captured = Captured::default();
    let Some(mut source) = source else { return captured };
    let mut buffer = vec![0; CHUNK];
    // An error of the source is its end: a terminal answers EIO when its last user is gone.
    while let Ok(read @ 1..) = source.read(&mut buffer).await {
        let allowed = meter.take(read);
        let kept = match &mut sink {
            Sink::Capture => {
                let kept = take(capture, allowed);
                captured.bytes.extend_from_slice(&buffer[..kept]);
                kept
            }
            Sink::Discard => allowed,
            Sink::Write(writer) => {
                let sent = async {
                    writer.write_all(&buffer[..allowed]).await?;
                    writer.flush().await
                };
                if sent.await.is_err() {
                    break;
                }
                allowed
            }
        };
        captured.truncated |= kept < read;
    }
    captured
}
