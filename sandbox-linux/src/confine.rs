//! Placeholder while the tiers are written.
use sandbox_core::capability::{Report, SandboxCapabilities};
use sandbox_core::confine::{Confinement, Explanation, Launched};
use sandbox_core::plan::Plan;
use sandbox_core::{Result, SandboxError};

/// Which tier to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TierChoice {
    /// The strongest that works.
    #[default]
    Auto,
    /// Landlock, seccomp and resource limits.
    Landlock,
    /// Namespaces, and everything of the tier below.
    Namespaces,
}

/// Confinement by the Linux kernel.
#[derive(Debug)]
pub struct LinuxConfinement {
    choice: TierChoice,
}

impl LinuxConfinement {
    /// Asks the kernel what it has.
    ///
    /// # Errors
    /// None yet.
    pub fn new(choice: TierChoice) -> Result<Self> {
        Ok(Self { choice })
    }
}

impl Confinement for LinuxConfinement {
    fn name(&self) -> &'static str {
        match self.choice {
            TierChoice::Landlock => "linux-landlock",
            _ => "linux",
        }
    }
    fn capabilities(&self) -> SandboxCapabilities {
        SandboxCapabilities::default()
    }
    fn assess(&self, _: &Plan) -> Result<Report> {
        Ok(Report::default())
    }
    fn explain(&self, _: &Plan) -> Result<Explanation> {
        Ok(Explanation::default())
    }
    fn launch(&self, _: &Plan) -> Result<Launched> {
        Err(SandboxError::Unsupported { backend: "linux".into(), operation: "launch".into() })
    }
}
