//! A command whose end and answers are decided by its test.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::io::{DuplexStream, duplex};
use tokio::sync::watch;

use crate::capability::Report;
use crate::confine::{Ended, Launched, Process};
use crate::error::{Result, SandboxError};
use crate::exec::{Exit, TerminalSize, Usage};
use crate::policy::limits::ResourceLimits;
use crate::run::Running;

/// What a test sees of a process, and decides.
#[derive(Debug)]
pub(crate) struct Fake {
    over: watch::Sender<Option<Exit>>,
    pub(crate) kills: AtomicU32,
    pub(crate) signals: Mutex<Vec<i32>>,
    pub(crate) sizes: Mutex<Vec<TerminalSize>>,
    /// Whether it cannot be waited for.
    pub(crate) lost: AtomicBool,
    /// Whether the system refuses to end or to resize it.
    pub(crate) refuses: AtomicBool,
}

impl Fake {
    fn check(&self) -> Result<()> {
        if self.refuses.load(Ordering::SeqCst) {
            return Err(SandboxError::InvalidRequest("refused".into()));
        }
        Ok(())
    }

    /// Ends, unless it has; whatever came first stays.
    pub(crate) fn exit(&self, exit: Exit) {
        self.over.send_if_modified(|over| over.is_none() && over.replace(exit).is_none());
    }
}

#[async_trait]
impl Process for Fake {
    fn id(&self) -> u32 {
        1
    }

    async fn wait(&self) -> Result<Ended> {
        let mut over = self.over.subscribe();
        let exit = over.wait_for(Option::is_some).await.map_or(None, |exit| *exit);
        if self.lost.load(Ordering::SeqCst) {
            return Err(SandboxError::InvalidRequest("out of sight".into()));
        }
        let exit = exit.unwrap_or(Exit::Code(0));
        Ok(Ended { exit, usage: Usage::default(), denials: Default::default() })
    }

    fn signal(&self, signal: i32) -> Result<()> {
        self.signals.lock().unwrap().push(signal);
        Ok(())
    }

    fn kill(&self) -> Result<()> {
        self.kills.fetch_add(1, Ordering::SeqCst);
        self.check()?;
        self.exit(Exit::Signal(9));
        Ok(())
    }

    fn resize(&self, size: TerminalSize) -> Result<()> {
        self.check()?;
        self.sizes.lock().unwrap().push(size);
        Ok(())
    }
}

/// The ends of the streams that a command would hold.
pub(crate) struct Command {
    pub(crate) process: Arc<Fake>,
    pub(crate) stdin: DuplexStream,
    pub(crate) stdout: DuplexStream,
    pub(crate) stderr: DuplexStream,
}

impl Command {
    /// Closes the streams and ends.
    pub(crate) fn exit(self, code: i32) {
        drop((self.stdin, self.stdout, self.stderr));
        self.process.exit(Exit::Code(code));
    }
}

/// A command with standard input.
pub(crate) fn command(limits: ResourceLimits) -> (Running, Command) {
    let (input, stdin) = duplex(16);
    let (stdout, out) = duplex(1 << 16);
    let (stderr, err) = duplex(1 << 16);
    let process = Arc::new(Fake {
        over: watch::Sender::new(None),
        kills: AtomicU32::new(0),
        signals: Mutex::default(),
        sizes: Mutex::default(),
        lost: AtomicBool::new(false),
        refuses: AtomicBool::new(false),
    });
    let launched = Launched {
        process: Arc::clone(&process) as Arc<dyn Process>,
        stdin: Some(Box::new(input)),
        stdout: Box::new(out),
        stderr: Some(Box::new(err)),
        report: None,
    };
    let running = Running::new(launched, limits, Report::default());
    (running, Command { process, stdin, stdout, stderr })
}
