//! When a pool fills up, with sandboxes of paper.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use super::*;
use crate::capability::{Report, SandboxCapabilities};
use crate::confine::Explanation;
use crate::denial::Denials;
use crate::exec::{ExecRequest, Exit};
use crate::plan::Host;
use crate::policy::Policy;

type Outcome = std::result::Result<(), Box<dyn std::error::Error>>;

/// Counts the sandboxes that it makes.
#[derive(Default)]
struct Paper {
    made: Arc<AtomicUsize>,
    /// Whether commands cannot start.
    broken: bool,
}

impl Confinement for Paper {
    fn name(&self) -> &'static str {
        "paper"
    }

    fn capabilities(&self) -> SandboxCapabilities {
        SandboxCapabilities::new("paper", [])
    }

    fn assess(&self, _: &Plan) -> Result<Report> {
        Ok(Report::new("paper", []))
    }

    fn explain(&self, _: &Plan) -> Result<Explanation> {
        Ok(Explanation::default())
    }

    fn launch(&self, _: &Plan) -> Result<Launched> {
        Err(SandboxError::InvalidRequest("only sessions are made of paper".into()))
    }

    fn enclose(self: Arc<Self>, _: &Plan) -> Result<Arc<dyn Enclosure>> {
        self.made.fetch_add(1, Ordering::SeqCst);
        Ok(Arc::new(Sheet { broken: self.broken }))
    }
}

struct Sheet {
    broken: bool,
}

#[async_trait]
impl Enclosure for Sheet {
    fn start(&self, _: &Plan) -> Result<Launched> {
        if self.broken {
            return Err(SandboxError::InvalidRequest("torn".into()));
        }
        let stdout = Box::new(tokio::io::empty());
        let process = Arc::new(Idle::default());
        Ok(Launched { report: None, process, stdin: None, stdout, stderr: None })
    }

    fn freeze(&self) -> Result<()> {
        Ok(())
    }

    fn thaw(&self) -> Result<()> {
        Ok(())
    }

    fn usage(&self) -> Result<Usage> {
        Ok(Usage::default())
    }

    async fn end(&self) -> Result<()> {
        Ok(())
    }
}

/// A command that runs until it is killed.
#[derive(Default)]
struct Idle {
    killed: AtomicBool,
    told: tokio::sync::Notify,
}

#[async_trait]
impl Process for Idle {
    fn id(&self) -> u32 {
        1
    }

    async fn wait(&self) -> Result<Ended> {
        while !self.killed.load(Ordering::SeqCst) {
            self.told.notified().await;
        }
        Ok(Ended { exit: Exit::Code(0), usage: Usage::default(), denials: Denials::NotObserved })
    }

    fn signal(&self, _: i32) -> Result<()> {
        Ok(())
    }

    fn kill(&self) -> Result<()> {
        self.killed.store(true, Ordering::SeqCst);
        self.told.notify_one();
        Ok(())
    }

    fn resize(&self, _: TerminalSize) -> Result<()> {
        Ok(())
    }
}

fn pool(broken: bool) -> std::result::Result<(Pool<Paper>, Arc<AtomicUsize>, Plan), SandboxError> {
    let made = Arc::new(AtomicUsize::new(0));
    let paper = Arc::new(Paper { made: Arc::clone(&made), broken });
    let policy = Policy::read_only().build()?;
    let plan = Plan::new(&policy, &ExecRequest::new("true"), &Host::current())?;
    Ok((Pool::new(paper, &plan, 2)?, made, plan))
}

/// Whether so many are made, soon.
async fn comes_to(made: &AtomicUsize, wanted: usize) -> bool {
    let begin = Instant::now();
    while made.load(Ordering::SeqCst) < wanted && begin.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    made.load(Ordering::SeqCst) == wanted
}

#[tokio::test]
async fn a_command_that_ends_is_replaced() -> Outcome {
    let (pool, made, plan) = pool(false)?;
    assert_eq!(made.load(Ordering::SeqCst), 2);
    for round in 1..=3 {
        let launched = pool.start(&plan)?;
        launched.process.kill()?;
        launched.process.wait().await?;
        assert!(comes_to(&made, 2 + round).await, "{round}");
    }
    Ok(())
}

#[tokio::test]
async fn a_command_that_goes_on_or_is_forgotten_is_replaced() -> Outcome {
    let (pool, made, plan) = pool(false)?;
    let goes_on = pool.start(&plan)?;
    assert!(comes_to(&made, 3).await);
    drop(pool.start(&plan)?);
    assert!(comes_to(&made, 4).await);
    drop(goes_on);
    Ok(())
}

#[tokio::test]
async fn a_command_that_cannot_start_is_replaced() -> Outcome {
    let (pool, made, plan) = pool(true)?;
    for round in 1..=3 {
        assert!(pool.start(&plan).is_err());
        assert!(comes_to(&made, 2 + round).await, "{round}");
    }
    Ok(())
}
