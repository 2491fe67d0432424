//! A task's standard input.

use std::fmt;
use std::io;

use tokio::io::AsyncWriteExt;
use tokio::sync::Mutex;

use crate::confine::Input;

/// The writing end, until it is closed. The lock is held while bytes are written, so those of
/// several callers do not mix, and closing comes after them.
pub(in crate::session) struct Stdin {
    pipe: Mutex<Option<Input>>,
    /// Whether there was one.
    pub(super) asked_for: bool,
}

impl Stdin {
    pub(super) fn new(pipe: Option<Input>) -> Self {
        Self { asked_for: pipe.is_some(), pipe: Mutex::new(pipe) }
    }

    pub(super) async fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut pipe = self.pipe.lock().await;
        let pipe = pipe.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        pipe.write_all(bytes).await?;
        pipe.flush().await
    }

    pub(super) async fn close(&self) {
        self.pipe.lock().await.take();
    }
}

impl fmt::Debug for Stdin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stdin").field("asked_for", &self.asked_for).finish_non_exhaustive()
    }
}
