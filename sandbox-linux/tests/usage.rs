//! What a session is told to have used.

mod stage;

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use sandbox_core::ExecRequest;
use sandbox_core::run::Sink;
use sandbox_core::session::SandboxBackend;
use stage::{Outcome, Stage};

#[tokio::test]
async fn what_is_written_and_who_lives_is_counted() -> Outcome {
    let stage = Stage::new()?;
    let id = stage.open(stage.spec()?).await?;
    let usage = async || stage.sessions.usage(&id).await;
    assert_eq!(usage().await?.processes, Some(0));
    let script =
        "head -c 3000000 /dev/zero > /work/here; sleep 1000 & sleep 1000 & exec sleep 1000";
    let request = ExecRequest::new("sh").arg("-c").arg(script);
    let running = stage.sessions.spawn(&id, request).await?;
    let mut seen = None;
    for _ in 0..2000 {
        seen = usage().await?.processes;
        if seen == Some(3) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(seen, Some(3));
    running.process().kill()?;
    running.finish(Sink::Discard, Sink::Discard).await?;
    let usage = usage().await?;
    assert_eq!(usage.processes, Some(0));
    let on_disk = !is_in_memory(&stage.repo()?)?;
    assert!(!on_disk || usage.written >= Some(3_000_000), "{usage:?}");
    Ok(())
}

fn is_in_memory(path: &Path) -> Result<bool, Box<dyn Error>> {
    const TMPFS: i64 = 0x0102_1994;
    Ok(rustix::fs::statfs(path)?.f_type == TMPFS)
}
