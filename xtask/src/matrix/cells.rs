//! The matrix itself. A new cell is a new entry here; quick ones stand first.

use super::battery::Battery;
use super::cargo::{CargoCheck, Deny, Unit};
use super::cell::{Cell, Runner};
use super::conformance::Conformance;
use super::identity::Identity;
use super::target::{Target, X86_64_LINUX};

pub(super) const ALL: &[Cell] = &[
    Cell {
        name: "tidy",
        target: Target::Host,
        about: "the invariants that ARCHITECTURE.md states",
        runner: Runner::Tidy,
    },
    Cell {
        name: "fmt",
        target: Target::Host,
        about: "formatting",
        runner: Runner::Cargo(CargoCheck { args: &["fmt", "--all", "--check"], env: &[] }),
    },
    Cell {
        name: "clippy",
        target: Target::Host,
        about: "lints, as errors",
        runner: Runner::Cargo(CargoCheck {
            args: &["clippy", "--workspace", "--all-targets", "--all-features", "--", "-Dwarnings"],
            env: &[],
        }),
    },
    Cell {
        name: "deny",
        target: Target::Host,
        about: "licences, duplicates and sources of the dependencies",
        runner: Runner::Deny(Deny),
    },
    Cell {
        name: "doc",
        target: Target::Host,
        about: "documentation builds without a warning",
        runner: Runner::Cargo(CargoCheck {
            args: &["doc", "--workspace", "--no-deps", "--all-features"],
            env: &[("RUSTDOCFLAGS", "-Dwarnings")],
        }),
    },
    Cell {
        name: "unit",
        target: Target::Host,
        about: "tests of libraries and binaries, and the examples in the documentation",
        runner: Runner::Unit(Unit),
    },
    Cell {
        name: "x86_64-linux/root",
        target: X86_64_LINUX,
        about: "behaviour, as root",
        runner: Runner::Conformance(Conformance { identity: Identity::Root }),
    },
    Cell {
        name: "x86_64-linux/user",
        target: X86_64_LINUX,
        about: "behaviour, as an ordinary user",
        runner: Runner::Conformance(Conformance { identity: Identity::User }),
    },
    Cell {
        name: "x86_64-linux/battery-root",
        target: X86_64_LINUX,
        about: "hostile programs against the command line, as root",
        runner: Runner::Battery(Battery { identity: Identity::Root, backend: None, gaps: GAPS }),
    },
    Cell {
        name: "x86_64-linux/battery-user",
        target: X86_64_LINUX,
        about: "hostile programs against the command line, as an ordinary user",
        runner: Runner::Battery(Battery { identity: Identity::User, backend: None, gaps: GAPS }),
    },
    Cell {
        name: "x86_64-linux/battery-landlock-root",
        target: X86_64_LINUX,
        about: "hostile programs against the Landlock tier, as root",
        runner: Runner::Battery(Battery {
            identity: Identity::Root,
            backend: Some("landlock"),
            gaps: LANDLOCK_GAPS,
        }),
    },
    Cell {
        name: "x86_64-linux/battery-landlock-user",
        target: X86_64_LINUX,
        about: "hostile programs against the Landlock tier, as an ordinary user",
        runner: Runner::Battery(Battery {
            identity: Identity::User,
            backend: Some("landlock"),
            gaps: LANDLOCK_GAPS,
        }),
    },
];

/// What no backend claims to hold: a limit per file does not bound the sum of many files.
const GAPS: &[&str] = &["q05.disk"];

/// What the Landlock tier, which has no namespaces, does not claim to hold.
const LANDLOCK_GAPS: &[&str] = &["q05.disk"];

#[cfg(test)]
mod tests {
    use super::ALL;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<_> = ALL.iter().map(|cell| cell.name).collect();
        assert_eq!(names.len(), ALL.len());
    }
}
