//! A command of a caller: its streams are handed over, its end is told.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::pin;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe;
use tokio::time::{Instant, sleep_until};

use super::answer::{reply, reply_with};
use crate::confine::{Ended, Input, Launched, Output, Process, Stream};
use crate::error::Result;
use crate::exec::Exit;
use crate::policy::limits::ResourceLimits;
use crate::remote::link::Link;
use crate::remote::message::{Control, End, Started};
use crate::run::Running;

/// Hands a command over and stays with it to its end. It ends when the caller goes away.
pub(super) async fn carry(link: &Link, running: Result<Running>) -> io::Result<()> {
    let (launched, limits, report) = match running {
        Ok(running) => running.into_parts(),
        Err(error) => return reply::<Started>(link, Err(error)).await,
    };
    let Launched { process, stdin, stdout, stderr, report: _ } = launched;
    let guard = Guard(Arc::clone(&process));
    let mut ends = vec![readable(stdout)?];
    let (has_stdin, has_stderr) = (stdin.is_some(), stderr.is_some());
    ends.extend(stdin.map(writable).transpose()?);
    ends.extend(stderr.map(readable).transpose()?);
    let rights: Vec<_> = ends.iter().map(AsFd::as_fd).collect();
    let pid = process.id();
    let started =
        Started { pid, stdin: has_stdin, stderr: has_stderr, limits: limits.clone(), report };
    reply_with(link, Ok(started), &rights).await?;
    drop(ends);
    let ended = drive(link, &*process, &limits).await;
    drop(guard);
    reply(link, ended.map(End::from)).await
}

/// Ends a command that nobody is left to hear of.
struct Guard(Arc<dyn Process>);

impl Drop for Guard {
    fn drop(&mut self) {
        // One that has ended is no error.
        let _ = self.0.kill();
    }
}

/// Obeys the caller until the command's end. The wall limit is kept here, so that a caller who
/// stands still does not stop the clock.
async fn drive(link: &Link, process: &dyn Process, limits: &ResourceLimits) -> Result<Ended> {
    let wall = limits.wall_time.and_then(|wall| Instant::now().checked_add(wall.duration()));
    let deadline = async {
        match wall {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    };
    let (mut ended, mut deadline) = (pin!(process.wait()), pin!(deadline));
    let mut order = pin!(link.hear::<Control>());
    let (mut late, mut alone) = (false, false);
    loop {
        tokio::select! {
            biased;
            ended = &mut ended => {
                let mut ended = ended?;
                if late {
                    ended.exit = Exit::TimedOut;
                }
                return Ok(ended);
            }
            heard = &mut order, if !alone => {
                match heard {
                    Ok(Some(control)) => obey(process, &control),
                    _ => {
                        alone = true;
                        process.kill()?;
                    }
                }
                order.set(link.hear());
            }
            () = &mut deadline, if !late => {
                late = true;
                process.kill()?;
            }
        }
    }
}

/// What the system refuses here, it would refuse the caller too: a process that is ending, say.
fn obey(process: &dyn Process, control: &Control) {
    let _ = match control {
        Control::Signal(number) => process.signal(*number),
        Control::Kill => process.kill(),
        Control::Freeze => process.freeze(),
        Control::Thaw => process.thaw(),
        Control::Resize(size) => process.resize(*size),
    };
}

/// The descriptor of a stream; one that is none is carried into a pipe.
fn readable(stream: Output) -> io::Result<OwnedFd> {
    let mut stream = match Stream::of_output(stream) {
        Ok(stream) => return Ok(stream.into_inner()),
        Err(stream) => stream,
    };
    let (mut ours, theirs) = pipe::pipe()?;
    tokio::spawn(async move { tokio::io::copy(&mut stream, &mut ours).await });
    theirs.into_nonblocking_fd()
}

/// The same for what is written to.
fn writable(stream: Input) -> io::Result<OwnedFd> {
    let mut stream = match Stream::of_input(stream) {
        Ok(stream) => return Ok(stream.into_inner()),
        Err(stream) => stream,
    };
    let (theirs, mut ours) = pipe::pipe()?;
    tokio::spawn(async move {
        let mut bytes = vec![0; 64 << 10];
        while let Ok(read @ 1..) = ours.read(&mut bytes).await {
            // Live: nothing waits for a buffer to fill.
            if stream.write_all(&bytes[..read]).await.is_err() || stream.flush().await.is_err() {
                return;
            }
        }
    });
    theirs.into_nonblocking_fd()
}
