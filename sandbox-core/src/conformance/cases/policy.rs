//! What a backend says of itself: the report, the refusal, the plan in words.

use std::time::Duration;

use crate::capability::{Enforcement, Feature};
use crate::conformance::context::{Context, at, ensure};
use crate::conformance::{Case, Verdict};
use crate::error::SandboxError;
use crate::policy::network::NetworkPolicy;
use crate::policy::{EnforcementLevel, PolicyBuilder};
use crate::size::ByteSize;

pub(super) const CASES: &[Case] = &[
    Case::works("policy::the_report_names_the_tier", tier),
    Case::works("policy::what_is_absent_is_an_error_when_required", required),
    Case::works("policy::what_is_absent_is_reported_at_best_effort", best_effort),
    Case::works("policy::unconfined_must_be_asked_for", off),
    Case::works("policy::a_plan_can_be_explained", explained),
    Case::works("policy::a_missing_path_is_an_error", missing_path),
];

fn tier(cx: &Context<'_>) -> Verdict {
    let result = cx.run(cx.policy()?, &cx.request(&[&["cwd"]]))?;
    let (ran, claimed) = (result.report.tier, cx.capabilities().tier);
    ensure(!ran.is_empty() && claimed.starts_with(&*ran), || {
        format!("{ran:?} ran, {claimed:?} is claimed")
    })
}

/// A policy that asks for a feature, where asking is possible.
fn asking(builder: PolicyBuilder, feature: Feature) -> Option<PolicyBuilder> {
    let second = Some(Duration::from_secs(10).into());
    Some(match feature {
        Feature::Memory => builder.memory(ByteSize::from_mib(512)),
        Feature::CpuTime => builder.limits(|l| l.cpu_time = second),
        Feature::CpuCount => builder.limits(|l| l.cpu_count = Some(1.0)),
        Feature::Processes => builder.processes(64),
        Feature::OpenFiles => builder.limits(|l| l.open_files = Some(64)),
        Feature::FileSize => builder.limits(|l| l.file_size = Some(ByteSize::from_mib(8))),
        Feature::Disk => builder.limits(|l| l.disk = Some(ByteSize::from_mib(8))),
        Feature::NetworkAllowList => builder.allow_hosts(["example.com"]).ok()?,
        Feature::NetworkDeny => builder.network(NetworkPolicy::denied()),
        Feature::PrivatePlaces | Feature::Privileges | Feature::SystemCalls => builder,
        _ => return None,
    })
}

fn absent(cx: &Context<'_>) -> Vec<Feature> {
    let absent = |(feature, state): (Feature, Enforcement)| {
        matches!(state, Enforcement::Absent { .. }).then_some(feature)
    };
    cx.capabilities().features.into_iter().filter_map(absent).collect()
}

/// Nothing must have run: the command would leave a file.
fn required(cx: &Context<'_>) -> Verdict {
    let trace = at(&cx.ws, "it-ran");
    for feature in absent(cx) {
        let Some(policy) = asking(cx.policy()?, feature) else { continue };
        let policy = policy.enforcement(EnforcementLevel::Required);
        let result = cx.attempt(policy, &cx.request(&[&["put", &trace, "x"]]))?;
        let refused = matches!(result, Err(SandboxError::Unenforceable { .. }));
        ensure(refused, || format!("{feature} is absent, and the run gave {result:?}"))?;
        ensure(!cx.ws.join("it-ran").exists(), || format!("{feature} is absent, and it ran"))?;
    }
    Ok(())
}

fn best_effort(cx: &Context<'_>) -> Verdict {
    for feature in absent(cx) {
        let Some(policy) = asking(cx.policy()?, feature) else { continue };
        let result = cx.run(policy, &cx.request(&[&["cwd"]]))?;
        let told = result.report.gaps().iter().any(|gap| gap.feature == feature);
        ensure(told, || format!("{feature} is absent, and the report is silent about it"))?;
    }
    Ok(())
}

/// The way out for people who search a fault: nothing is confined, and the report hides nothing.
fn off(cx: &Context<'_>) -> Verdict {
    let policy = cx.policy()?.enforcement(EnforcementLevel::Off);
    let result = cx.run(policy, &cx.request(&[&["read", &at(&cx.out, "file")]]))?;
    let confined: Vec<_> =
        [Feature::FilesystemRead, Feature::FilesystemWrite, Feature::NetworkDeny]
            .into_iter()
            .filter(|feature| {
                matches!(result.report.enforced.get(feature), Some(Enforcement::Full { .. }))
            })
            .collect();
    ensure(confined.is_empty(), || {
        format!("nothing is confined, and the report claims {confined:?}")
    })?;
    ensure(result.exit.success(), || format!("it ended with {:?}", result.exit))
}

fn explained(cx: &Context<'_>) -> Verdict {
    let policy = cx.policy()?.build()?;
    let (plan, report) = cx.backend.plan(&policy, &cx.request(&[&["cwd"]]))?;
    let explanation = cx.backend.explain(&plan)?;
    ensure(!report.tier.is_empty(), || "the report names no tier".into())?;
    ensure(!explanation.sections.is_empty(), || "the explanation is empty".into())
}

fn missing_path(cx: &Context<'_>) -> Verdict {
    let policy = cx.policy()?.read(cx.root.join("not-there"))?;
    let result = cx.attempt(policy, &cx.request(&[&["cwd"]]))?;
    ensure(matches!(result, Err(SandboxError::MissingPath { .. })), || format!("{result:?}"))
}
