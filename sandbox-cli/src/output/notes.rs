//! What is said on standard error after a run: which limit ended it, which hosts were denied, and
//! what best effort lost.
//! Nothing else; a run that went as asked is silent.

use std::io::{self, Write};

use sandbox_core::{EnforcementLevel, ExecResult, Policy, Report, ResourceLimits};

use super::network;
use super::style::FAIR;
use crate::exit;

/// Prints the notes of a run.
pub(crate) fn show(result: &ExecResult, policy: &Policy) {
    say(lines(result, policy));
}

/// Prints which limit ended a command, whose policy others keep.
pub(crate) fn show_limits(result: &ExecResult) {
    say(exit::limits_met(result, &ResourceLimits::default()));
}

/// Prints what a new session does not enforce.
pub(crate) fn show_lost(report: &Report, level: EnforcementLevel) {
    say(lost(report, level));
}

/// Prints a line each.
pub(crate) fn say(lines: impl IntoIterator<Item = String>) {
    let mut out = anstream::AutoStream::auto(io::stderr().lock());
    for line in lines {
        // Where standard error is gone there is nobody to tell.
        let _ = writeln!(out, "{FAIR}sandbox:{FAIR:#} {line}");
    }
}

pub(super) fn lines(result: &ExecResult, policy: &Policy) -> Vec<String> {
    let mut lines = exit::limits_met(result, policy.limits());
    lines.extend(result.network.as_ref().map(network::denied).into_iter().flatten());
    lines.extend(lost(&result.report, policy.enforcement()));
    lines
}

fn lost(report: &Report, level: EnforcementLevel) -> Vec<String> {
    match level {
        EnforcementLevel::Required => Vec::new(),
        EnforcementLevel::Off => vec!["enforcement is off: nothing was confined".into()],
        EnforcementLevel::BestEffort => {
            let lost = report.gaps().into_iter().filter(|gap| gap.absent);
            lost.map(|gap| format!("not enforced: {}: {}", gap.feature, gap.what)).collect()
        }
    }
}
