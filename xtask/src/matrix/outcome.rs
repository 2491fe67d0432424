//! What came of a cell.

use std::fmt;
use std::ops::AddAssign;

/// Tests counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) skipped: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Passed,
    /// Something failed; the reason is for people.
    Failed(String),
    /// Built and linked for a target that this machine cannot run.
    #[expect(dead_code, reason = "for cells of other targets")]
    Linked,
    /// Type-checked for a target that this machine cannot link.
    #[expect(dead_code, reason = "for cells of other targets")]
    Checked,
    /// This machine cannot run it; the reason says why.
    NotRun(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) state: State,
    pub(super) tally: Tally,
}

impl Outcome {
    /// The one check that this cell is has passed.
    pub(super) fn check_passed() -> Self {
        Self::counted(Tally { passed: 1, ..Tally::default() }, None)
    }

    pub(super) fn failed(why: impl Into<String>) -> Self {
        Self { state: State::Failed(why.into()), tally: Tally { failed: 1, ..Tally::default() } }
    }

    pub(super) fn not_run(why: impl Into<String>) -> Self {
        Self { state: State::NotRun(why.into()), tally: Tally::default() }
    }

    /// Judges a run: `trouble` is whatever went wrong beside the tests that were counted.
    pub(super) fn counted(mut tally: Tally, trouble: Option<String>) -> Self {
        let why = match trouble {
            Some(why) => Some(why),
            None if tally.failed > 0 => Some("tests failed".into()),
            None if tally.passed == 0 => Some("no test ran".into()),
            None => None,
        };
        let state = why.map_or(State::Passed, State::Failed);
        if matches!(state, State::Failed(_)) {
            // The closing line sums these: a failed cell must show in it.
            tally.failed = tally.failed.max(1);
        }
        Self { state, tally }
    }

    /// A required cell that could not run has failed.
    pub(super) fn settle(self, required: bool) -> Self {
        match self.state {
            State::NotRun(why) if required => Self::failed(format!("required, but not run: {why}")),
            _ => self,
        }
    }

    pub(super) fn is_failure(&self) -> bool {
        matches!(self.state, State::Failed(_))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            State::Passed => write!(f, "passed({})", self.tally.passed)?,
            State::Failed(why) => write!(f, "failed({}): {why}", self.tally.failed)?,
            State::Linked => f.write_str("linked")?,
            State::Checked => f.write_str("checked")?,
            State::NotRun(why) => write!(f, "not run({why})")?,
        }
        match self.tally.skipped {
            0 => Ok(()),
            skipped => write!(f, ", {skipped} skipped"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ran_is_a_failure() {
        assert!(Outcome::counted(Tally::default(), None).is_failure());
        let skips = Tally { skipped: 3, ..Tally::default() };
        assert!(Outcome::counted(skips, None).is_failure());
    }

    #[test]
    fn a_failed_cell_shows_in_the_sum() {
        let all_good = Tally { passed: 9, ..Tally::default() };
        let outcome = Outcome::counted(all_good, Some("a mount was left behind".into()));
        assert_eq!(outcome.tally.failed, 1);
        assert_eq!(outcome.to_string(), "failed(1): a mount was left behind");
    }

    #[test]
    fn a_required_cell_must_run() {
        assert!(!Outcome::not_run("needs root").settle(false).is_failure());
        assert!(Outcome::not_run("needs root").settle(true).is_failure());
    }
}
