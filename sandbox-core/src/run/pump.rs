//! Moving one output stream, and noting when it moved.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch::Receiver;
use tokio::time::{Instant, sleep_until};

use super::Sink;
use crate::exec::Captured;

/// One read from a command that floods; also the most that is in flight for a slow reader.
const CHUNK: usize = 256 << 10;

/// The first read. Most commands say little, and the room for more would take longer to get than
/// their start.
const FIRST: usize = 8 << 10;

/// How long a slow reader is waited for once a limit has ended the command.
const PATIENCE: Duration = Duration::from_secs(1);

/// When output last came, from either stream.
pub(super) struct Meter {
    started: Instant,
    last: AtomicU64,
    /// Pumps that wait for a reader: as long as there are any, silence is not the command's.
    sending: AtomicU32,
}

impl Meter {
    pub(super) fn new(started: Instant) -> Self {
        Self { started, last: AtomicU64::new(0), sending: AtomicU32::new(0) }
    }

    fn note(&self) {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    /// Since when the command has been silent.
    pub(super) fn silent_since(&self) -> Instant {
        if self.sending.load(Ordering::Relaxed) > 0 {
            return Instant::now();
        }
        self.started + Duration::from_millis(self.last.load(Ordering::Relaxed))
    }
}

/// How much of both streams together is passed on, and how much of that is kept: a limit on what a
/// command costs must not depend on how it spreads its output.
pub(super) struct Allowance {
    pub(super) pass: AtomicU64,
    pub(super) keep: AtomicU64,
}

/// Moves one stream until its end, or until `ended` tells that a limit has ended the command and
/// the reader has had its time.
pub(super) async fn pump(
    source: Option<impl AsyncRead + Unpin>,
    mut sink: Sink<'_>,
    meter: &Meter,
    left: &Allowance,
    mut ended: Receiver<Option<Instant>>,
) -> Captured {
    let mut captured = Captured::default();
    let Some(mut source) = source else { return captured };
    let mut buffer = vec![0; FIRST];
    loop {
        let read = tokio::select! {
            biased;
            read = source.read(&mut buffer) => read,
            () = patience(&mut ended) => break,
        };
        // An error of the source is its end: a terminal answers EIO when its last user is gone.
        let Ok(read @ 1..) = read else { break };
        meter.note();
        let allowed = take(&left.pass, read);
        let kept = match &mut sink {
            Sink::Capture => {
                let kept = take(&left.keep, allowed);
                captured.bytes.extend_from_slice(&buffer[..kept]);
                kept
            }
            Sink::Write(writer) if allowed > 0 => {
                if !send(*writer, &buffer[..allowed], meter, &mut ended).await {
                    captured.truncated |= ended.borrow().is_some();
                    break;
                }
                allowed
            }
            Sink::Write(_) | Sink::Discard => allowed,
        };
        captured.truncated |= kept < read;
        if read == buffer.len() && read < CHUNK {
            buffer = vec![0; CHUNK];
        }
    }
    captured
}

/// Hands bytes to the reader; `false` when it went away or was too slow.
async fn send(
    writer: &mut (dyn AsyncWrite + Unpin + Send),
    bytes: &[u8],
    meter: &Meter,
    ended: &mut Receiver<Option<Instant>>,
) -> bool {
    let sent = async {
        writer.write_all(bytes).await?;
        writer.flush().await
    };
    meter.sending.fetch_add(1, Ordering::Relaxed);
    let sent = tokio::select! {
        biased;
        sent = sent => sent.is_ok(),
        () = patience(ended) => false,
    };
    meter.sending.fetch_sub(1, Ordering::Relaxed);
    meter.note();
    sent
}

fn take(left: &AtomicU64, wanted: usize) -> usize {
    let less = |left: u64| Some(left.saturating_sub(wanted as u64));
    let before = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    let (Ok(before) | Err(before)) = before;
    usize::try_from(before).unwrap_or(usize::MAX).min(wanted)
}

/// Waits until a slow reader has had its time; for ever, as long as no limit ended the command.
async fn patience(ended: &mut Receiver<Option<Instant>>) {
    let at = ended.wait_for(Option::is_some).await.map_or(None, |at| *at);
    match at {
        Some(at) => sleep_until(at + PATIENCE).await,
        None => std::future::pending().await,
    }
}
