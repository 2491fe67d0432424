//! The small language in which guards speak about arguments.
//!
//! A system call is judged by a list of [`Check`]s, in order; the first that fails names the
//! error, and a call that passes all is allowed. A check holds rules, a rule holds conditions
//! that must all be true of the arguments.
//!
//! *Width matters.* Registers are 64 bits wide, but the kernel narrows most arguments: an `int`
//! keeps 32 bits and forgets the rest. A guard that looked at all 64 would let
//! `1 << 32 | TIOCSTI` pass as something else. So [`word`] compares what the kernel keeps, and
//! [`whole`] is for pointers alone.

use super::errno::Errno;

/// How much of an argument the kernel looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    /// The low 32 bits.
    Word,
    /// All 64 bits.
    Whole,
}

/// A comparison of an argument, unsigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Test {
    /// Equal to the value.
    Is(u64),
    /// Different from the value.
    IsNot(u64),
    /// Not below the value.
    AtLeast(u64),
    /// Not above the value.
    AtMost(u64),
    /// The bits under `mask` are those of `value`.
    Bits {
        /// Which bits count.
        mask: u64,
        /// What they must be.
        value: u64,
    },
}

/// One comparison of one argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cond {
    /// Which argument, from 0.
    pub(super) arg: u8,
    /// How much of it.
    pub(super) width: Width,
    /// Compared how.
    pub(super) test: Test,
}

/// Conditions that must all hold; never empty.
pub(super) type Rule = Vec<Cond>;

/// What it means that one of a check's rules holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sense {
    /// The call fails.
    Refuse,
    /// The call passes, and fails if no rule holds.
    Require,
}

/// One question about the arguments, and the error for the wrong answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    /// What a match means.
    pub(super) sense: Sense,
    /// Alternatives; never empty.
    pub(super) rules: Vec<Rule>,
    /// The error of a call that fails this check.
    pub(super) errno: Errno,
}

impl Check {
    /// Calls that match one of `rules` fail.
    pub(super) fn refuse(errno: Errno, rules: impl IntoIterator<Item = Rule>) -> Self {
        Self { sense: Sense::Refuse, rules: rules.into_iter().collect(), errno }
    }

    /// Calls that match none of `rules` fail.
    pub(super) fn require(errno: Errno, rules: impl IntoIterator<Item = Rule>) -> Self {
        Self { sense: Sense::Require, rules: rules.into_iter().collect(), errno }
    }

    /// Every call fails.
    pub(super) fn never(errno: Errno) -> Self {
        Self::refuse(errno, [vec![word(0).at_least(0)]])
    }
}

/// An argument about to be compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arg {
    index: u8,
    width: Width,
}

/// The low 32 bits of argument `index`: what the kernel keeps of an `int`, and of a `umode_t`
/// under a mask.
pub(super) const fn word(index: u8) -> Arg {
    Arg { index, width: Width::Word }
}

/// All of argument `index`.
pub(super) const fn whole(index: u8) -> Arg {
    Arg { index, width: Width::Whole }
}

impl Arg {
    const fn cond(self, test: Test) -> Cond {
        Cond { arg: self.index, width: self.width, test }
    }

    pub(super) const fn is(self, value: u64) -> Cond {
        self.cond(Test::Is(value))
    }

    pub(super) const fn is_not(self, value: u64) -> Cond {
        self.cond(Test::IsNot(value))
    }

    pub(super) const fn at_least(self, value: u64) -> Cond {
        self.cond(Test::AtLeast(value))
    }

    pub(super) const fn at_most(self, value: u64) -> Cond {
        self.cond(Test::AtMost(value))
    }

    /// All bits of `mask` are clear.
    pub(super) const fn none_of(self, mask: u64) -> Cond {
        self.cond(Test::Bits { mask, value: 0 })
    }

    /// All bits of `mask` are set.
    pub(super) const fn all_of(self, mask: u64) -> Cond {
        self.cond(Test::Bits { mask, value: mask })
    }

    /// The bits under `mask` are those of `value`.
    pub(super) const fn bits(self, mask: u64, value: u64) -> Cond {
        self.cond(Test::Bits { mask, value })
    }

    /// One rule for each of `values`: the argument is one of them.
    pub(super) fn one_of(self, values: &[u64]) -> Vec<Rule> {
        values.iter().map(|&value| vec![self.is(value)]).collect()
    }
}
