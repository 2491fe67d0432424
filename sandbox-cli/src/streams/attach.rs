//! Our streams on a task that was started before, and goes on when we leave it.
//!
//! # Theory of operation
//! Three things go on at once beside the signals: what the task writes is shown, from the oldest
//! byte that is kept; our input is read and searched for the keys that leave; the rest of it is
//! written to the task. The last two are apart, with room between them, because a task that does not
//! read must not keep a person from leaving. No signal reaches the task: a terminal sends the keys
//! themselves, and whoever ends us means us. To end a task there is a call of its own.

use std::io::{IsTerminal, stdin};

use sandbox_core::session::log::{Piece, Start, Stream as Written};
use sandbox_core::session::task::{TaskId, TaskState};
use sandbox_core::session::{BackgroundTasks, TaskOutput};
use sandbox_core::{SandboxError, SessionId};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::keys::Keys;
use super::relay::Event;
use super::writer::Writer;
use super::{Stream, enter_raw, lost, stdin as input};
use crate::failure::Failure;
use crate::platform::signals::{Signals, stop_self};
use crate::platform::stdio::stdin_is_empty;
use crate::platform::terminal::{self, Raw};

/// Blocks of input that a task has not read yet.
const WAITING: usize = 128;

/// Signals that end a process with its terminal; their numbers are the same everywhere.
const HANG_UP: i32 = 1;
const QUIT: i32 = 3;

/// A task, and who keeps it.
pub(crate) struct Task<'a> {
    pub(crate) keeper: &'a dyn BackgroundTasks,
    pub(crate) session: &'a SessionId,
    pub(crate) id: TaskId,
}

/// Why we are no longer connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parting {
    /// The task has ended.
    Ended,
    /// The keys were typed.
    Left,
    /// A signal asked for our end.
    Interrupted(i32),
}

/// Connects our streams to a task until it ends or is left.
pub(crate) async fn attach(task: &Task<'_>, keys: &[u8]) -> Result<Parting, Failure> {
    let signals = Signals::listen().map_err(SandboxError::io("listening for signals"))?;
    let info = task.keeper.get(task.session, task.id).await?;
    let output = task.keeper.watch(task.session, task.id, Start::Offset(0)).await?;
    let on_terminal = info.terminal.is_some();
    let alive = info.state == TaskState::Running;
    let raw = if on_terminal && alive { Some(enter_raw()?) } else { None };
    let ours = Ours { task, signals, raw, on_terminal };
    ours.resize().await;
    let reads = alive && !stdin_is_empty();
    ours.until_parted(output, keys, reads).await
}

/// Our side.
struct Ours<'a> {
    task: &'a Task<'a>,
    signals: Signals,
    raw: Option<Raw>,
    on_terminal: bool,
}

impl Ours<'_> {
    async fn until_parted(
        mut self,
        output: Box<dyn TaskOutput>,
        keys: &[u8],
        reads: bool,
    ) -> Result<Parting, Failure> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let (show, read) = (show(output), read(keys, sender, reads));
        let write = write(self.task, receiver, !self.on_terminal);
        tokio::pin!(show, read, write);
        loop {
            tokio::select! {
                shown = &mut show => return shown.map(|()| Parting::Ended),
                () = &mut read => return Ok(Parting::Left),
                () = &mut write => {}
                event = self.signals.next() => match event {
                    Event::End(number) | Event::Pass(number @ (HANG_UP | QUIT)) => {
                        return Ok(Parting::Interrupted(number));
                    }
                    Event::Resize => self.resize().await,
                    Event::Suspend(_) => self.stop()?,
                    Event::Pass(_) => {}
                },
            }
        }
    }

    /// Gives the task's terminal the size of ours.
    async fn resize(&self) {
        if self.raw.is_some() && stdin().is_terminal() {
            let task = self.task;
            // A size that cannot be set is no reason to leave.
            let _ = task.keeper.resize(task.session, task.id, terminal::size()).await;
        }
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

/// Shows what the task writes, to its end.
async fn show(mut output: Box<dyn TaskOutput>) -> Result<(), Failure> {
    let mut out = Writer::new(Stream::Stdout);
    let mut err = Writer::new(Stream::Stderr);
    while let Some(piece) = output.next().await? {
        let Piece::Bytes { stream, bytes } = piece else { continue };
        let (stream, writer) = match stream {
            Written::Stdout => (Stream::Stdout, &mut out),
            Written::Stderr => (Stream::Stderr, &mut err),
        };
        writer.write_all(&bytes).await.map_err(Failure::output(stream.name()))?;
    }
    for (stream, writer) in [(Stream::Stdout, &mut out), (Stream::Stderr, &mut err)] {
        writer.drained().await.or_else(|error| lost(stream, error))?;
    }
    Ok(())
}

/// Reads our input; ends only when the keys were typed.
async fn read(keys: &[u8], task: Sender<Vec<u8>>, reads: bool) {
    let mut keys = Keys::new(keys);
    let blocks = if reads { input::blocks() } else { None };
    if let Some(mut blocks) = blocks {
        while let Some(block) = blocks.recv().await {
            let (typed, left) = keys.take(&block);
            if left {
                return;
            }
            // A task that takes nothing more can still be left.
            let _ = task.send(typed).await;
        }
        drop(task);
        return std::future::pending().await;
    }
    // What was never read has no end.
    std::future::pending::<()>().await;
    drop(task);
}

/// Writes our input to the task, and its end, unless that is a terminal's.
async fn write(task: &Task<'_>, mut typed: Receiver<Vec<u8>>, closes: bool) {
    while let Some(bytes) = typed.recv().await {
        if task.keeper.write(task.session, task.id, &bytes).await.is_err() {
            // Without input, or its end was met: the output is what we are here for.
            typed.close();
            return std::future::pending().await;
        }
    }
    if closes {
        // One that has ended meanwhile has no input.
        let _ = task.keeper.close_input(task.session, task.id).await;
    }
    std::future::pending::<()>().await;
}
