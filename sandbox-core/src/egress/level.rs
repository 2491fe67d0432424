//! How far a list of hosts is kept, and for which programs.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a backend makes of a policy that lists hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "level", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Level {
    /// Every program reaches the listed hosts, and no other, without knowing of anything.
    Transparent,
    /// Programs that heed the proxy's variables reach the listed hosts; all others reach nothing.
    ProxyAwareOnly,
    /// No host is reached.
    Unsupported {
        /// The reason, and what would help.
        why: Cow<'static, str>,
    },
}

impl Level {
    fn rank(&self) -> u8 {
        match self {
            Self::Transparent => 2,
            Self::ProxyAwareOnly => 1,
            Self::Unsupported { .. } => 0,
        }
    }

    /// Whether this is as much as `least`, or more.
    #[must_use]
    pub fn reaches(&self, least: &Self) -> bool {
        self.rank() >= least.rank()
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transparent => f.write_str("every program reaches the listed hosts"),
            Self::ProxyAwareOnly => {
                f.write_str("only programs that heed proxy variables reach the listed hosts")
            }
            Self::Unsupported { why } => write!(f, "no host is reached: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Level;

    #[test]
    fn levels_are_ordered() {
        let none = Level::Unsupported { why: "".into() };
        let all = [none, Level::ProxyAwareOnly, Level::Transparent];
        for (rank, level) in all.iter().enumerate() {
            let reached: Vec<bool> = all.iter().map(|least| level.reaches(least)).collect();
            assert_eq!(reached, [true, rank >= 1, rank >= 2], "{level}");
        }
    }
}
