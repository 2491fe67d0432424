//! How much a command may use.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::capability::Feature;
use crate::size::{ByteSize, Span};

/// The limits of one command with everything it starts. `None` means no limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ResourceLimits {
    /// Elapsed time; then the whole tree is ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wall_time: Option<Span>,
    /// CPU time of the whole tree; then it is ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_time: Option<Span>,
    /// How many CPUs the tree can use at once; fractions are allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_count: Option<f64>,
    /// Memory of the whole tree, private places included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<ByteSize>,
    /// Processes and threads together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<u32>,
    /// Open files in one process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_files: Option<u32>,
    /// Size of any one file that is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_size: Option<ByteSize>,
    /// Bytes in private places, and in the workspace where the system can bound it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<ByteSize>,
    /// Bytes of output, both streams together, that are kept or passed on; the rest is dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<ByteSize>,
    /// Elapsed time without output; then the whole tree is ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Span>,
}

/// A limit that cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the limit {limit} is {value}, {why}")]
pub struct LimitError {
    limit: Feature,
    value: String,
    why: &'static str,
}

impl ResourceLimits {
    /// The bytes of output that are kept when the policy names no output limit.
    pub const DEFAULT_OUTPUT: ByteSize = ByteSize::from_mib(64);

    /// The bytes of output that are kept in memory.
    #[must_use]
    pub fn captured_output(&self) -> u64 {
        self.output.unwrap_or(Self::DEFAULT_OUTPUT).bytes()
    }

    /// Refuses limits under which nothing could run.
    pub(crate) fn check(&self) -> Result<(), LimitError> {
        let none = "under which nothing can run: leave it out for no limit";
        let fail = |limit, value: String| Err(LimitError { limit, value, why: none });
        for (limit, span) in [
            (Feature::WallTime, self.wall_time),
            (Feature::CpuTime, self.cpu_time),
            (Feature::Idle, self.idle),
        ] {
            if span.is_some_and(|span| span.duration().is_zero()) {
                return fail(limit, "0s".into());
            }
        }
        let small = ByteSize::from_bytes(1 << 20);
        if let Some(memory) = self.memory.filter(|&memory| memory < small) {
            let why = "less than the 1M that any program needs";
            return Err(LimitError { limit: Feature::Memory, value: memory.to_string(), why });
        }
        match self {
            Self { processes: Some(0), .. } => fail(Feature::Processes, "0".into()),
            Self { open_files: Some(n @ 0..=3), .. } => fail(Feature::OpenFiles, n.to_string()),
            Self { cpu_count: Some(n), .. } if !n.is_finite() || *n < 0.01 => {
                fail(Feature::CpuCount, n.to_string())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
