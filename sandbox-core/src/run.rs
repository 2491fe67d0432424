//! A running command: pumps its streams, keeps the limits that need a clock, gathers the result.
//!
//! Three things go on at once: two pumps that move output, and a watch that waits for the end, for
//! the deadline and for silence. Output past the limit is counted and dropped, so a flooding
//! command costs no memory and is not blocked; a reader that goes away closes the stream, so the
//! command meets the same broken pipe as without a sandbox. When the command has ended its whole
//! tree has, so the pumps see the end of file. A reader that does not read holds them back as it
//! would hold back the command; but when a limit has ended the command, only for a moment.

mod pump;

use std::sync::Arc;

use tokio::io::AsyncWrite;
use tokio::sync::watch::{Sender, channel};
use tokio::time::{Instant, sleep_until};

use crate::capability::Report;
use crate::confine::{Ended, Input, Launched, Output, Process};
use crate::egress::decision::Log;
use crate::error::Result;
use crate::exec::{ExecResult, Exit, KillReason};
use crate::policy::limits::ResourceLimits;
use crate::size::{ByteSize, Span};
use pump::{Allowance, Meter, pump};

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
    /// What is decided about its connections; to be had for as long as it runs.
    decisions: Option<Arc<Log>>,
    started: Instant,
    finished: bool,
}

impl Running {
    pub(crate) fn new(launched: Launched, limits: ResourceLimits, report: Report) -> Self {
        let Launched { process, stdin, stdout, stderr, report: _ } = launched;
        let started = Instant::now();
        let stdout = Some(stdout);
        let decisions = process.egress().map(|egress| egress.log());
        let finished = false;
        Self { process, stdin, stdout, stderr, limits, report, decisions, started, finished }
    }

    /// The parts, for whoever drives the command from elsewhere: nothing here ends it any more.
    #[cfg(unix)]
    pub(crate) fn into_parts(mut self) -> (Launched, ResourceLimits, Report) {
        self.finished = true;
        // A command that was started has an output until it is finished.
        let nothing = || Box::new(tokio::io::empty()) as Output;
        let launched = Launched {
            process: Arc::clone(&self.process),
            stdin: self.stdin.take(),
            stdout: self.stdout.take().unwrap_or_else(nothing),
            stderr: self.stderr.take(),
            report: None,
        };
        (launched, self.limits.clone(), std::mem::take(&mut self.report))
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

    /// What is decided about its connections, where the policy lists hosts and the command has a
    /// sandbox to itself.
    #[must_use]
    pub fn decisions(&self) -> Option<&Arc<Log>> {
        self.decisions.as_ref()
    }

    /// Runs to the end of the command and of everything it started.
    ///
    /// # Errors
    /// The sandbox lost sight of the command, or a pipe failed.
    pub async fn finish(mut self, stdout: Sink<'_>, stderr: Sink<'_>) -> Result<ExecResult> {
        // Nobody took the input, so nobody writes: the command must not wait for it.
        drop(self.stdin.take());
        let keep = self.limits.captured_output();
        let pass = self.limits.output.map_or(u64::MAX, ByteSize::bytes).into();
        let left = &Allowance { pass, keep: keep.into() };
        let meter = Meter::new(self.started);
        let watch = Watch { process: &*self.process, limits: &self.limits, started: self.started };
        let (ended_at, until) = channel(None);
        let out = pump(self.stdout.take(), stdout, &meter, left, until.clone());
        let err = pump(self.stderr.take(), stderr, &meter, left, until);
        let (out, err) = (async { Ok(out.await) }, async { Ok(err.await) });
        let (ended, stdout, stderr) = tokio::try_join!(watch.end(&meter, &ended_at), out, err)?;
        self.finished = true;
        Ok(ExecResult {
            exit: ended.exit,
            stdout,
            stderr,
            elapsed: self.started.elapsed(),
            usage: ended.usage,
            denials: ended.denials,
            network: self.decisions.as_ref().map(|log| log.summary()),
            report: std::mem::take(&mut self.report),
        })
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

/// What decides about the end of a command; apart from its streams, which only one thread may hold.
struct Watch<'a> {
    process: &'a dyn Process,
    limits: &'a ResourceLimits,
    started: Instant,
}

impl Watch<'_> {
    /// Waits for the end, and brings it about when a limit is reached; then tells the pumps when.
    async fn end(self, meter: &Meter, ended_at: &Sender<Option<Instant>>) -> Result<Ended> {
        let mut reached = None;
        loop {
            let deadline = self.next_deadline(meter).filter(|_| reached.is_none());
            let timer = async {
                match deadline {
                    Some((at, _)) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                ended = self.process.wait() => {
                    let mut ended = ended?;
                    if let Some(exit) = reached {
                        ended.exit = exit;
                        ended_at.send_replace(Some(Instant::now()));
                    }
                    return Ok(ended);
                }
                () = timer => {
                    // Output may have come while the timer ran; only a wall limit is final.
                    let passed = self.next_deadline(meter).filter(|(at, _)| *at <= Instant::now());
                    if let Some((_, exit)) = passed {
                        reached = Some(exit);
                        self.process.kill()?;
                    }
                }
            }
        }
    }

    /// The next moment at which a limit is reached, and how the command ends then. A limit beyond
    /// what the clock can count is none.
    fn next_deadline(&self, meter: &Meter) -> Option<(Instant, Exit)> {
        let after = |start: Instant, span: Span| start.checked_add(span.duration());
        let wall = self.limits.wall_time.and_then(|wall| after(self.started, wall));
        let idle = self.limits.idle.and_then(|idle| after(meter.silent_since(), idle));
        let wall = wall.map(|at| (at, Exit::TimedOut));
        let idle = idle.map(|at| (at, Exit::Killed(KillReason::Idle)));
        wall.into_iter().chain(idle).min_by_key(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests;
