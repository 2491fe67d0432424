//! The result of a run as one JSON object.
//!
//! What a command wrote is serialised where it lies: as text if it is UTF-8, else as base64 that
//! is computed while it is written.

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use sandbox_core::egress::Level;
use sandbox_core::egress::decision::Summary;
use sandbox_core::session::{Change, Conflict};
use sandbox_core::{Denials, ExecResult, Exit, Gap, Usage};
use serde::{Serialize, Serializer};

use crate::commands::Review;
use crate::failure::Failure;

#[derive(Serialize)]
pub(super) struct Outcome<'a> {
    exit_code: i32,
    timed_out: bool,
    exit: Exit,
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout_base64: Option<Base64<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr_base64: Option<Base64<'a>>,
    truncated: bool,
    elapsed_ms: u64,
    usage: Used,
    denials: &'a Denials,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<&'a Summary>,
    report: Enforced<'a>,
    #[serde(skip_serializing_if = "Option::is_none", flatten)]
    review: Option<Reviewed<'a>>,
}

/// Of a run on a copy.
#[derive(Serialize)]
struct Reviewed<'a> {
    changes: &'a [Change],
    applied: bool,
    conflicts: &'a [Conflict],
}

/// What was used, in the units of JSON.
#[derive(Serialize)]
pub(super) struct Used {
    cpu_ms: Option<u64>,
    memory_peak_bytes: Option<u64>,
    written_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    processes: Option<u64>,
}

impl Used {
    pub(super) fn of(usage: &Usage) -> Self {
        Self {
            cpu_ms: usage.cpu.map(millis),
            memory_peak_bytes: usage.memory_peak,
            written_bytes: usage.written,
            processes: usage.processes,
        }
    }
}

#[derive(Serialize)]
struct Enforced<'a> {
    tier: &'a str,
    /// For which programs the list of hosts held, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    egress: Option<&'a Level>,
    gaps: Vec<Gap>,
}

/// Bytes that become base64 piece by piece.
pub(super) struct Base64<'a>(&'a [u8]);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(self.0, &STANDARD))
    }
}

/// Prints a result.
pub(crate) fn print(result: &ExecResult) -> Result<(), Failure> {
    super::print_json(&outcome(result))
}

/// Prints the result of a run on a copy.
pub(crate) fn print_reviewed(result: &ExecResult, review: &Review) -> Result<(), Failure> {
    let applied = review.applied.as_ref();
    let conflicts = applied.map_or(&[][..], |applied| &applied.conflicts);
    let review = Reviewed {
        changes: &review.changes,
        applied: applied.is_some() && conflicts.is_empty(),
        conflicts,
    };
    super::print_json(&Outcome { review: Some(review), ..outcome(result) })
}

pub(super) fn outcome(result: &ExecResult) -> Outcome<'_> {
    let (stdout, stdout_base64) = text_or_base64(&result.stdout.bytes);
    let (stderr, stderr_base64) = text_or_base64(&result.stderr.bytes);
    Outcome {
        exit_code: result.exit.shell_code(),
        timed_out: result.exit == Exit::TimedOut,
        exit: result.exit,
        stdout,
        stdout_base64,
        stderr,
        stderr_base64,
        truncated: result.stdout.truncated || result.stderr.truncated,
        elapsed_ms: millis(result.elapsed),
        usage: Used::of(&result.usage),
        denials: &result.denials,
        network: result.network.as_ref(),
        report: Enforced {
            tier: &result.report.tier,
            egress: result.report.egress.as_ref(),
            gaps: result.report.gaps(),
        },
        review: None,
    }
}

/// Bytes as text, if they are, else as base64.
pub(super) fn text_or_base64(bytes: &[u8]) -> (Option<&str>, Option<Base64<'_>>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(text), None),
        Err(_) => (None, Some(Base64(bytes))),
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
