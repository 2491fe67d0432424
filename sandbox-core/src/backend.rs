//! The backend that a caller holds: a [`Confinement`] and the lifecycle around it.

use std::sync::Arc;

use crate::capability::{Enforcement, Feature, Report, SandboxCapabilities};
use crate::confine::{Confinement, Explanation};
use crate::egress::{Level, check_level};
use crate::error::{Result, SandboxError};
use crate::exec::{ExecRequest, ExecResult};
use crate::plan::{Host, Plan};
use crate::policy::limits::ResourceLimits;
use crate::policy::network::NetworkPolicy;
use crate::policy::{EnforcementLevel, Policy};
use crate::run::{Running, Sink};

/// What is enforced here, whatever the confinement can do.
const OWN: [(Feature, &str); 3] = [
    (Feature::WallTime, "the launcher's clock"),
    (Feature::Idle, "the launcher's clock"),
    (Feature::Output, "the launcher's pumps"),
];

/// Runs commands under a policy, on this machine, with the means of `C`.
#[derive(Debug)]
pub struct LocalBackend<C: ?Sized> {
    confinement: Arc<C>,
}

impl<C: ?Sized> Clone for LocalBackend<C> {
    fn clone(&self) -> Self {
        Self { confinement: Arc::clone(&self.confinement) }
    }
}

impl<C: Confinement> LocalBackend<C> {
    /// The same backend without its type, to be kept beside others.
    #[must_use]
    pub fn erased(self) -> LocalBackend<dyn Confinement> {
        LocalBackend { confinement: self.confinement }
    }
}

impl<C: Confinement + ?Sized> LocalBackend<C> {
    /// A backend over a confinement.
    pub fn new(confinement: Arc<C>) -> Self {
        Self { confinement }
    }

    /// The confinement's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.confinement.name()
    }

    /// What this machine can enforce.
    #[must_use]
    pub fn capabilities(&self) -> SandboxCapabilities {
        let mut capabilities = self.confinement.capabilities();
        for (feature, by) in OWN {
            capabilities.features.entry(feature).or_insert_with(|| Enforcement::full(by));
        }
        capabilities
    }

    /// Has ready what the next launch will need, as far as no policy decides about it: a hint, see
    /// [`Confinement::warm_up`].
    pub fn warm_up(&self, network: &NetworkPolicy) {
        self.confinement.warm_up(network);
    }

    /// The plan for a request, and the report of what would be enforced.
    ///
    /// # Errors
    /// [`SandboxError::Unenforceable`] when the policy requires what this machine cannot enforce,
    /// [`SandboxError::LevelNotReached`] when its list of hosts would hold for fewer programs than it
    /// demands,
    /// and every error of [`Plan::new`].
    pub fn plan(&self, policy: &Policy, request: &ExecRequest) -> Result<(Plan, Report)> {
        let plan = Plan::new(policy, request, &Host::current())?;
        let report = self.judge(&plan)?;
        Ok((plan, report))
    }

    /// The report of a plan that is enough for its policy.
    pub(crate) fn judge(&self, plan: &Plan) -> Result<Report> {
        let report = self.report(plan)?;
        if plan.enforcement == EnforcementLevel::Required
            && let Some(gap) = report.first_absent()
        {
            return Err(SandboxError::Unenforceable {
                backend: self.name().into(),
                feature: gap.feature,
                why: gap.what.into_owned(),
            });
        }
        if plan.enforcement == EnforcementLevel::Required {
            self.check_credentials(plan, report.egress.as_ref())?;
        }
        // Who says which level is enough means it, also with best effort.
        if plan.enforcement != EnforcementLevel::Off {
            check_level(&plan.network, report.egress.as_ref(), self.name())?;
        }
        Ok(report)
    }

    /// Credentials are put into requests by a gateway that every program goes through.
    fn check_credentials(&self, plan: &Plan, level: Option<&Level>) -> Result<()> {
        let some = !plan.network.credentials().is_empty() && plan.network.lists_hosts();
        if !some || level == Some(&Level::Transparent) {
            return Ok(());
        }
        let operation = "credentials, which need a list of hosts that holds for every program; with \
                         best effort their variables would not be set";
        Err(SandboxError::Unsupported { backend: self.name().into(), operation: operation.into() })
    }

    /// What would be enforced, whether or not that is enough.
    ///
    /// # Errors
    /// As [`Confinement::assess`].
    pub fn report(&self, plan: &Plan) -> Result<Report> {
        Ok(with_own(self.confinement.assess(plan)?, &plan.limits))
    }

    /// The kernel state that a request compiles to.
    ///
    /// # Errors
    /// As [`Confinement::explain`].
    pub fn explain(&self, plan: &Plan) -> Result<Explanation> {
        self.confinement.explain(plan)
    }

    /// Starts a command and hands over its streams.
    ///
    /// # Errors
    /// As [`LocalBackend::plan`], and [`SandboxError::Launch`] with the step that failed.
    pub fn spawn(&self, policy: &Policy, request: &ExecRequest) -> Result<Running> {
        let (plan, report) = self.plan(policy, request)?;
        let mut launched = self.confinement.launch(&plan)?;
        let seen = launched.report.take().map(|seen| with_own(seen, &plan.limits));
        Ok(Running::new(launched, plan.limits, seen.unwrap_or(report)))
    }

    /// Runs a command to its end and keeps its output, up to the policy's limit.
    ///
    /// # Errors
    /// As [`LocalBackend::spawn`]. A command that fails is a result, not an error.
    pub async fn run(&self, policy: &Policy, request: &ExecRequest) -> Result<ExecResult> {
        self.spawn(policy, request)?.finish(Sink::Capture, Sink::Capture).await
    }
}

/// Adds what is enforced on this side of the confinement.
fn with_own(mut report: Report, limits: &ResourceLimits) -> Report {
    for (feature, by) in OWN {
        let asked = match feature {
            Feature::WallTime => limits.wall_time.is_some(),
            Feature::Idle => limits.idle.is_some(),
            _ => limits.output.is_some(),
        };
        if asked {
            report.enforced.entry(feature).or_insert_with(|| Enforcement::full(by));
        }
    }
    report
}

#[cfg(test)]
mod tests;
