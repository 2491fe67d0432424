//! AppContainer and job objects behind the platform-neutral trait, as far as it goes: every
//! question that would need the kernel is answered with "unsupported".
//!
//! # Security
//! A confinement that is not there must never look like one that is: no capability is claimed, no
//! report is made up, and nothing is started unconfined.

use sandbox_core::capability::SandboxCapabilities;
use sandbox_core::confine::{Confinement, Explanation, Launched};
use sandbox_core::plan::Plan;
use sandbox_core::{Report, Result, SandboxError};

/// The backend's name, in messages and reports.
pub(crate) const NAME: &str = "windows";

/// Confinement by AppContainer and job objects. It enforces nothing yet, and says so.
#[derive(Clone, Copy, Debug, Default)]
pub struct WindowsConfinement;

/// The answer to every operation that would need the kernel.
pub(crate) fn unsupported(operation: &str) -> SandboxError {
    SandboxError::Unsupported { backend: NAME.into(), operation: format!("{operation} yet") }
}

impl Confinement for WindowsConfinement {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> SandboxCapabilities {
        SandboxCapabilities::new("none", [])
    }

    fn assess(&self, _: &Plan) -> Result<Report> {
        Err(unsupported("assessing a plan"))
    }

    fn explain(&self, _: &Plan) -> Result<Explanation> {
        Err(unsupported("explaining a plan"))
    }

    fn launch(&self, _: &Plan) -> Result<Launched> {
        Err(unsupported("running commands"))
    }
}

// The tests make plans, and plans are made of paths that start with a slash.
#[cfg(test)]
#[cfg(unix)]
mod tests {
    use sandbox_core::Policy;

    use super::*;
    use crate::forge::plan;

    fn refusal<T>(result: Result<T>) -> (String, String) {
        match result {
            Err(SandboxError::Unsupported { backend, operation }) => (backend, operation),
            Err(other) => panic!("another error: {other}"),
            Ok(_) => panic!("claimed to do what it cannot"),
        }
    }

    #[test]
    fn every_effect_is_refused_by_name() {
        let plan = plan(Policy::builder(), &[]);
        let confinement = WindowsConfinement;
        let answers = [
            refusal(confinement.assess(&plan)),
            refusal(confinement.explain(&plan)),
            refusal(confinement.launch(&plan)),
            refusal(crate::backend()),
        ];
        for (backend, operation) in &answers {
            assert_eq!(backend, "windows");
            assert!(operation.ends_with("yet"), "{operation}");
        }
        assert_ne!(answers[0].1, answers[2].1);
    }

    #[test]
    fn nothing_is_claimed() {
        let capabilities = WindowsConfinement.capabilities();
        assert_eq!(capabilities.tier, "none");
        assert!(capabilities.features.is_empty());
        assert_eq!(WindowsConfinement.name(), "windows");
    }
}
