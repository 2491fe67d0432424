//! Exit codes, and the line that says which limit ended a command.
//!
//! The codes are those that `env`, `timeout` and the shells have taught everybody: 124 out of
//! time, 125 the launcher failed, 126 not executable, 127 not found, 128 + n signal n.

use sandbox_core::exec::KillReason;
use sandbox_core::{ExecResult, Exit, ResourceLimits};

/// The sandbox itself failed.
pub(crate) const SANDBOX_FAILED: i32 = 125;
/// The command exists and cannot be executed.
pub(crate) const NOT_EXECUTABLE: i32 = 126;
/// The command does not exist.
pub(crate) const NOT_FOUND: i32 = 127;

/// One line for each limit that a command met.
pub(crate) fn limits_met(result: &ExecResult, limits: &ResourceLimits) -> Vec<String> {
    let ended = ending(result.exit, limits);
    let truncated = result.stdout.truncated || result.stderr.truncated;
    let dropped = limits.output.filter(|_| truncated);
    let dropped = dropped.map(|limit| format!("output after the limit of {limit} was dropped"));
    ended.into_iter().chain(dropped).collect()
}

/// The limit that ended a command.
fn ending(exit: Exit, limits: &ResourceLimits) -> Option<String> {
    let (limit, amount) = match exit {
        Exit::TimedOut => ("wall-time limit", limits.wall_time.map(|limit| limit.to_string())),
        Exit::OutOfMemory => ("memory limit", limits.memory.map(|limit| limit.to_string())),
        Exit::Killed(KillReason::CpuTime) => {
            ("CPU-time limit", limits.cpu_time.map(|limit| limit.to_string()))
        }
        Exit::Killed(KillReason::Idle) => {
            ("limit on time without output", limits.idle.map(|limit| limit.to_string()))
        }
        Exit::Killed(KillReason::SandboxLost) => {
            return Some("the sandbox was ended from outside, and the command with it".into());
        }
        _ => return None,
    };
    let of = amount.map(|amount| format!(" of {amount}")).unwrap_or_default();
    Some(format!("the {limit}{of} ended the command"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn limits() -> ResourceLimits {
        let mut limits = ResourceLimits::default();
        limits.wall_time = Some(Duration::from_secs(4).into());
        limits
    }

    #[test]
    fn a_limit_is_named_with_its_amount() {
        let line = ending(Exit::TimedOut, &limits());
        assert_eq!(line.as_deref(), Some("the wall-time limit of 4s ended the command"));
    }

    #[test]
    fn a_limit_of_the_machine_is_named_without_an_amount() {
        let line = ending(Exit::OutOfMemory, &limits());
        assert_eq!(line.as_deref(), Some("the memory limit ended the command"));
    }

    #[test]
    fn a_command_that_ended_by_itself_met_no_limit() {
        for exit in [Exit::Code(0), Exit::Code(137), Exit::Signal(9)] {
            assert_eq!(ending(exit, &limits()), None);
        }
    }
}
