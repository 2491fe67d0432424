//! One run with the caller's streams: live, byte for byte, with backpressure.
//!
//! Everything happens on one thread, whose runtime is made by hand: the library's pumps and clock,
//! the task that feeds standard input, the signals. Only what can block for ever has a thread of
//! its own: reading our standard input, writing our outputs.

pub(crate) mod attach;
mod keys;
pub(crate) mod relay;
mod stdin;
mod writer;

use std::fs::File;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sandbox_core::confine::{Confinement, Process};
use sandbox_core::run::{Running, Sink};
use sandbox_core::{ExecRequest, ExecResult, Exit, LocalBackend, Policy, SandboxError};

use tokio::time::timeout;

use crate::failure::Failure;
use crate::platform::signals::{Signals, stop_self};
use crate::platform::stdio;
use crate::platform::terminal::{self, Raw};
use relay::{Action, Relay};
use writer::Writer;

/// One of our own output streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// What happens to what the command writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    /// It appears at once.
    Live,
    /// It is kept for the result.
    Captured,
}

/// Runs a command to its end, and has decisions about its connections written to `log`.
pub(crate) fn run<C: Confinement + ?Sized>(
    backend: &LocalBackend<C>,
    policy: &Policy,
    request: ExecRequest,
    show: Show,
    on_terminal: bool,
    log: Option<File>,
) -> Result<ExecResult, Failure> {
    let start = async |request| {
        let running = backend.spawn(policy, &request)?;
        if let (Some(file), Some(decisions)) = (log, running.decisions()) {
            decisions.write_to(file);
        }
        Ok(running)
    };
    block_on_last(follow(start, request, show, on_terminal, Input::Ours))
}

/// Where a command reads from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// What we read from.
    Ours,
    /// Nothing.
    None,
}

/// Makes a runtime on this thread and runs something to its end.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    runtime()?.block_on(work)
}

/// The same for the last thing that this process does. What the runtime still has, the helper's exit
/// say, goes with the process, which takes no time.
pub(crate) fn block_on_last<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    ManuallyDrop::new(runtime()?).block_on(work)
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    crate::platform::raise_open_files();
    let mut builder = tokio::runtime::Builder::new_current_thread();
    Ok(builder.enable_all().build().map_err(SandboxError::io("starting the runtime"))?)
}

/// Starts a command and carries its streams to its end.
pub(crate) async fn follow(
    start: impl AsyncFnOnce(ExecRequest) -> Result<Running, SandboxError>,
    request: ExecRequest,
    show: Show,
    on_terminal: bool,
    input: Input,
) -> Result<ExecResult, Failure> {
    // Before the launch, so that a signal that comes in between is passed on, not lost.
    let signals = Signals::listen().map_err(SandboxError::io("listening for signals"))?;
    let mut running = start(with_streams(request, on_terminal, input)).await?;
    let raw = if on_terminal && show == Show::Live { Some(enter_raw()?) } else { None };
    if let Some(input) = running.take_stdin() {
        tokio::spawn(stdin::feed(input, on_terminal));
    }
    let watch = Watch { process: running.process(), signals, relay: Relay::default(), raw };
    watch.over(running, show).await
}

fn with_streams(request: ExecRequest, on_terminal: bool, input: Input) -> ExecRequest {
    let empty = input == Input::None || stdio::stdin_is_empty();
    let request = if empty { request } else { request.with_stdin() };
    if on_terminal { request.terminal(terminal::size()) } else { request }
}

fn enter_raw() -> Result<Raw, SandboxError> {
    Raw::enter().map_err(SandboxError::io("setting the terminal's mode"))
}

/// Passes signals on while a command runs.
struct Watch {
    process: Arc<dyn Process>,
    signals: Signals,
    relay: Relay,
    raw: Option<Raw>,
}

impl Watch {
    /// Waits for the end of the command and of its output.
    async fn over(mut self, running: Running, show: Show) -> Result<ExecResult, Failure> {
        let mut out = Writer::new(Stream::Stdout);
        let mut err = Writer::new(Stream::Stderr);
        let result = match show {
            Show::Captured => self.during(running.finish(Sink::Capture, Sink::Capture)).await??,
            Show::Live => {
                let finish = running.finish(Sink::Write(&mut out), Sink::Write(&mut err));
                self.during(finish).await??
            }
        };
        self.relay.command_ended();
        for (stream, writer) in [(Stream::Stdout, &mut out), (Stream::Stderr, &mut err)] {
            let drained = timeout(patience(result.exit), writer.drained());
            // A reader that is still not done when its time is up gets no more.
            let drained = self.during(drained).await?.unwrap_or(Ok(()));
            drained.or_else(|error| lost(stream, error))?;
        }
        Ok(result)
    }

    /// Awaits `work`, and handles the signals that arrive meanwhile.
    async fn during<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                event = self.signals.next() => {
                    let action = self.relay.judge(event, Instant::now());
                    self.act(action)?;
                }
            }
        }
    }

    fn act(&mut self, action: Action) -> Result<(), Failure> {
        match action {
            Action::Forward(number) => self.process.signal(number)?,
            Action::Kill => self.process.kill()?,
            Action::GiveUp(number) => return Err(Failure::interrupted(number)),
            Action::Suspend(number) => {
                self.process.signal(number)?;
                self.stop()?;
            }
            // A size that cannot be set is no reason to end the command.
            Action::Resize if self.raw.is_some() => drop(self.process.resize(terminal::size())),
            Action::Resize => {}
        }
        Ok(())
    }

    /// Stops this process, with its terminal as it was before.
    fn stop(&mut self) -> Result<(), Failure> {
        match self.raw.take() {
            Some(raw) => {
                let call = SandboxError::io("setting the terminal's mode");
                self.raw = Some(raw.suspended(stop_self).map_err(call)?);
            }
            None => stop_self(),
        }
        Ok(())
    }
}

/// How long a reader is waited for: as long as it likes, unless a limit ended the command.
fn patience(exit: Exit) -> Duration {
    match exit {
        Exit::Code(_) | Exit::Signal(_) => Duration::MAX,
        _ => Duration::from_millis(250),
    }
}

/// A reader that went away is its own business: the command has met the broken pipe as it would
/// have without us.
fn lost(stream: Stream, error: std::io::Error) -> Result<(), Failure> {
    if error.kind() == std::io::ErrorKind::BrokenPipe {
        return Ok(());
    }
    Err(Failure::output(stream.name())(error))
}

impl Stream {
    /// The stream as messages name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stdout => "standard output",
            Self::Stderr => "standard error",
        }
    }
}
