//! Standard output and standard error: a mailbox of one chunk, and a thread that empties it.
//!
//! A write to a pipe or a terminal can block for as long as its reader likes. It must not block
//! the clock that ends the command, and setting `O_NONBLOCK` would change the caller's own
//! descriptors, so each stream has a thread that blocks. It starts with the first byte that cannot
//! be written at once; most streams of most commands never need it.
//!
//! The mailbox is the backpressure: while it is full, the pump does not read, and the command
//! blocks in its own write, just as without a sandbox.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;

use tokio::io::AsyncWrite;

use super::Stream;
use crate::platform::{stdio, write_now};

/// The thread only writes.
const STACK: usize = 64 << 10;

/// The writing end of one of our own streams. A flush hands the bytes to the thread;
/// [`Writer::drained`] waits until they are out.
pub(super) struct Writer {
    stream: Stream,
    mailbox: Arc<Mailbox>,
    started: bool,
}

#[derive(Default)]
struct Mailbox {
    content: Mutex<Content>,
    filled: Condvar,
}

#[derive(Default)]
struct Content {
    /// What the thread has not taken yet.
    waiting: Vec<u8>,
    /// Whether the thread is writing what it took.
    writing: bool,
    /// What ended the stream; [`Writer::drained`] takes it along.
    error: Option<io::Error>,
    waker: Option<Waker>,
}

impl Writer {
    /// A writer to `stream`.
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, mailbox: Arc::default(), started: false }
    }

    /// Waits until everything is written, or cannot be.
    pub(super) async fn drained(&mut self) -> io::Result<()> {
        std::future::poll_fn(|cx| {
            let mut content = self.mailbox.lock();
            if content.error.is_none() && (content.writing || !content.waiting.is_empty()) {
                content.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(content.error.take().map_or(Ok(()), Err))
        })
        .await
    }

    /// Writes without the thread, while it has nothing to do and the stream takes bytes at once:
    /// the output of a short command is never worth a thread.
    fn write_now(&self, bytes: &[u8]) -> Option<usize> {
        let content = self.mailbox.lock();
        let idle = content.error.is_none() && !content.writing && content.waiting.is_empty();
        idle.then(|| write_now(self.stream, bytes))
    }

    fn start(&mut self) -> io::Result<()> {
        let (stream, mailbox) = (self.stream, Arc::clone(&self.mailbox));
        let thread = thread::Builder::new().name(stream.name().into()).stack_size(STACK);
        thread.spawn(move || mailbox.empty_into(stream))?;
        self.started = true;
        Ok(())
    }
}

impl AsyncWrite for Writer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(written @ 1..) = self.write_now(bytes) {
            return Poll::Ready(Ok(written));
        }
        if !self.started {
            self.start()?;
        }
        let mut content = self.mailbox.lock();
        if let Some(error) = &content.error {
            return Poll::Ready(Err(error.kind().into()));
        }
        if !content.waiting.is_empty() {
            content.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        content.waiting.extend_from_slice(bytes);
        self.mailbox.filled.notify_one();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread: takes a chunk, writes it, until a write fails or the process ends.
    fn empty_into(&self, stream: Stream) {
        let mut taken = Vec::new();
        loop {
            let mut content = self.lock();
            while content.waiting.is_empty() {
                content = self.filled.wait(content).unwrap_or_else(PoisonError::into_inner);
            }
            std::mem::swap(&mut taken, &mut content.waiting);
            content.writing = true;
            wake(content);
            let written = stdio::write_all(stream, &taken);
            taken.clear();
            let mut content = self.lock();
            content.writing = false;
            content.error = written.err();
            let over = content.error.is_some();
            wake(content);
            if over {
                return;
            }
        }
    }
}

/// Wakes whoever waits for the mailbox, after it was let go.
fn wake(mut content: MutexGuard<'_, Content>) {
    let waker = content.waker.take();
    drop(content);
    if let Some(waker) = waker {
        waker.wake();
    }
}
