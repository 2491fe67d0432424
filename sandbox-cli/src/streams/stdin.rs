//! Standard input: a thread reads blocks, a task writes them to the command.
//!
//! The thread may wait for ever in its read; it is never joined, the process ends around it. The
//! channel is bounded, so a command that does not read holds back whoever writes to us.

use std::io;

use sandbox_core::confine::Input;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use crate::platform::stdio;

/// One read.
const BLOCK: usize = 64 << 10;
/// Blocks between the thread and the task.
const WAITING: usize = 2;
/// What a terminal takes for the end of file, after a whole line; in a line it takes two.
const END_OF_FILE: u8 = 4;

/// Carries standard input to the command until one of them ends. Dropping `input` is the command's
/// end of file; on a terminal that is a character instead, and the keyboard stays.
pub(super) async fn feed(mut input: Input, terminal: bool) {
    // Without it, the command sees an empty input rather than one that never ends.
    let Some(mut blocks) = blocks() else { return };
    let mut last = b'\n';
    while let Some(block) = blocks.recv().await {
        // A command that closed its input is not the caller's concern.
        if input.write_all(&block).await.is_err() || input.flush().await.is_err() {
            return;
        }
        last = block.last().copied().unwrap_or(last);
    }
    if terminal {
        let ends: &[u8] = if last == b'\n' { &[END_OF_FILE] } else { &[END_OF_FILE; 2] };
        // The terminal may be gone already, and with it whoever waits for its end.
        let _ = input.write_all(ends).await;
        std::future::pending::<()>().await;
    }
}

/// What is read from standard input, until its end; `None` where no thread can be had.
pub(super) fn blocks() -> Option<mpsc::Receiver<Vec<u8>>> {
    let (sender, blocks) = mpsc::channel(WAITING);
    let thread = std::thread::Builder::new().name("stdin".into());
    thread.spawn(move || read(&sender)).ok()?;
    Some(blocks)
}

fn read(sender: &mpsc::Sender<Vec<u8>>) {
    // An input that cannot be read is an empty one.
    while let Ok(Some(block)) = read_block() {
        if sender.blocking_send(block).is_err() {
            return;
        }
    }
}

fn read_block() -> io::Result<Option<Vec<u8>>> {
    let mut block = vec![0; BLOCK];
    let read = stdio::read(&mut block)?;
    block.truncate(read);
    Ok(Some(block).filter(|block| !block.is_empty()))
}
