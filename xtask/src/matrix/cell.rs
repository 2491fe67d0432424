//! A cell: what is run, with which rights, on which target.

use anyhow::Result;

use super::battery::Battery;
use super::cargo::{CargoCheck, Deny, Unit};
use super::conformance::Conformance;
use super::log::Log;
use super::outcome::Outcome;
use super::target::Target;
use super::{Context, cargo};

pub(super) struct Cell {
    pub(super) name: &'static str,
    pub(super) target: Target,
    pub(super) about: &'static str,
    pub(super) runner: Runner,
}

/// The kinds of runner there are, each with what it needs to know.
pub(super) enum Runner {
    /// The rules of `cargo xtask tidy`, in this process.
    Tidy,
    Cargo(CargoCheck),
    Deny(Deny),
    Unit(Unit),
    Conformance(Conformance),
    Battery(Battery),
}

impl Cell {
    /// Whether `name` is this cell or a group that it belongs to.
    pub(super) fn is_called(&self, name: &str) -> bool {
        let rest = self.name.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    pub(super) fn run(&self, context: &Context, log: &mut Log) -> Result<Outcome> {
        match &self.runner {
            Runner::Tidy => cargo::tidy(context, log),
            Runner::Cargo(check) => check.run(context, log),
            Runner::Deny(deny) => deny.run(context, log),
            Runner::Unit(unit) => unit.run(context, log),
            Runner::Conformance(conformance) => conformance.run(context, log),
            Runner::Battery(battery) => battery.run(context, log),
        }
    }
}
