//! The log as something that the pumps of a command can write to.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use super::{Log, Stream};

/// Appends to one stream of a log.
pub struct LogWriter {
    log: Log,
    stream: Stream,
    /// The wait for room. It holds no bytes, so it does not matter who asks for them next.
    waiting: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl LogWriter {
    pub(super) fn new(log: Log, stream: Stream) -> Self {
        Self { log, stream, waiting: None }
    }
}

impl fmt::Debug for LogWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogWriter").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl AsyncWrite for LogWriter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            if let Some(waiting) = &mut self.waiting {
                ready!(waiting.as_mut().poll(context));
                self.waiting = None;
            }
            let written = self.log.try_append(self.stream, bytes)?;
            if written > 0 || bytes.is_empty() {
                return Poll::Ready(Ok(written));
            }
            let log = self.log.clone();
            self.waiting = Some(Box::pin(async move { log.room().await }));
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
