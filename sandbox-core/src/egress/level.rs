//! How far a list of hosts is kept, and for which programs.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Result, SandboxError};
use crate::policy::network::NetworkPolicy;

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

/// Whether what a backend offers is as much as a policy demands.
///
/// # Errors
/// [`SandboxError::LevelNotReached`].
pub fn check_level(network: &NetworkPolicy, offered: Option<&Level>, backend: &str) -> Result<()> {
    let Some(minimum) = network.minimum_level() else { return Ok(()) };
    if offered.is_some_and(|level| minimum.is_reached_by(level)) {
        return Ok(());
    }
    let here = offered.map_or_else(|| "it names no level".into(), ToString::to_string);
    Err(SandboxError::LevelNotReached { backend: backend.into(), minimum, here })
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
    use super::{Level, check_level};
    use crate::policy::network::{MinimumLevel, NetworkPolicy};

    #[test]
    fn a_demanded_level_is_reached_or_refused() {
        let policy = NetworkPolicy::limited(vec!["example.org".parse().unwrap()]);
        let none = Level::Unsupported { why: "no means".into() };
        let is_enough = |policy: &NetworkPolicy, offered: Option<&Level>| {
            check_level(policy, offered, "it").map_err(|error| error.to_string())
        };
        for offered in [None, Some(&none), Some(&Level::ProxyAwareOnly)] {
            assert_eq!(is_enough(&policy, offered), Ok(()), "nothing is demanded");
        }
        let some = policy.clone().at_least(MinimumLevel::ProxyAwareOnly);
        assert!(is_enough(&some, Some(&Level::ProxyAwareOnly)).is_ok());
        assert!(is_enough(&some, Some(&Level::Transparent)).is_ok());
        assert!(is_enough(&some, None).is_err());
        let why = is_enough(&some, Some(&none)).unwrap_err();
        assert!(why.contains("proxy_aware_only") && why.contains("no means"), "{why}");
        let all = policy.at_least(MinimumLevel::Transparent);
        assert!(is_enough(&all, Some(&Level::Transparent)).is_ok());
        let why = is_enough(&all, Some(&Level::ProxyAwareOnly)).unwrap_err();
        assert!(why.contains("only programs that heed proxy variables"), "{why}");
        let nobody = NetworkPolicy::denied().at_least(MinimumLevel::Transparent);
        assert!(is_enough(&nobody, None).is_ok(), "no host is listed");
    }

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
