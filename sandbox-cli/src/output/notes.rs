//! What is said on standard error after a run: which limit ended it, and what best effort lost.
//! Nothing else; a run that went as asked is silent.

use std::io::{self, Write};

use sandbox_core::{EnforcementLevel, ExecResult, Policy};

use super::style::FAIR;
use crate::exit;

/// Prints the notes of a run.
pub(crate) fn show(result: &ExecResult, policy: &Policy) {
    let mut out = anstream::AutoStream::auto(io::stderr().lock());
    for line in lines(result, policy) {
        // Where standard error is gone there is nobody to tell.
        let _ = writeln!(out, "{FAIR}sandbox:{FAIR:#} {line}");
    }
}

pub(super) fn lines(result: &ExecResult, policy: &Policy) -> Vec<String> {
    let mut lines = exit::limits_met(result, policy.limits());
    match policy.enforcement() {
        EnforcementLevel::Required => {}
        EnforcementLevel::Off => lines.push("enforcement is off: nothing was confined".into()),
        EnforcementLevel::BestEffort => {
            let lost = result.report.gaps().into_iter().filter(|gap| gap.absent);
            lines.extend(lost.map(|gap| format!("not enforced: {}: {}", gap.feature, gap.what)));
        }
    }
    lines
}
