//! Targets: which machine a cell is about. The one place here that knows several exist.

use std::env::consts::{ARCH, OS};
use std::fmt;
use std::str::FromStr;

use anyhow::{Result, anyhow};

/// An architecture and an operating system, in the names of `std::env::consts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// Whatever machine this is: for checks of the sources.
    Host,
    Machine {
        arch: &'static str,
        os: &'static str,
    },
}

pub(super) const X86_64_LINUX: Target = Target::Machine { arch: "x86_64", os: "linux" };

const ALL: &[Target] = &[Target::Host, X86_64_LINUX];

impl Target {
    /// Why this machine cannot run tests of the target.
    pub(super) fn elsewhere(self) -> Option<String> {
        match self {
            Self::Machine { arch, os } if (arch, os) != (ARCH, OS) => {
                Some(format!("needs {self}, this is {ARCH}-{OS}"))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("host"),
            Self::Machine { arch, os } => write!(f, "{arch}-{os}"),
        }
    }
}

impl FromStr for Target {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        let known = || ALL.iter().map(Self::to_string).collect::<Vec<_>>().join(", ");
        let found = ALL.iter().find(|target| target.to_string() == name);
        found.copied().ok_or_else(|| anyhow!("no target {name}; there are: {}", known()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_machine_is_named() {
        let far = Target::Machine { arch: "m68k", os: "multics" };
        assert!(far.elsewhere().unwrap().starts_with("needs m68k-multics"));
        assert_eq!(Target::Host.elsewhere(), None);
        assert_eq!(Target::Machine { arch: ARCH, os: OS }.elsewhere(), None);
    }

    #[test]
    fn names_go_both_ways() {
        for target in ALL {
            assert_eq!(target.to_string().parse::<Target>().unwrap(), *target);
        }
        assert!("vax-vms".parse::<Target>().is_err());
    }
}
