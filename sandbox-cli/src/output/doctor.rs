//! What the mechanisms of this machine answered, and what follows from it.

use std::collections::BTreeMap;

use sandbox_core::doctor::{Check, Health};
use sandbox_core::egress::Level;
use sandbox_core::path::quoted;
use sandbox_core::{Enforcement, Feature, SandboxCapabilities};
use serde::Serialize;

use super::style::{BAD, FAIR, GOOD, paint};
use super::text::Text;

/// The answer of `sandbox doctor`.
#[derive(Serialize)]
pub(crate) struct Diagnosis {
    usable: bool,
    tier: String,
    /// For which programs a list of hosts holds.
    host_lists: Level,
    checks: Vec<Check>,
    features: BTreeMap<Feature, Enforcement>,
}

impl Diagnosis {
    /// A diagnosis from what was tried and what the backend makes of it.
    pub(crate) fn new(checks: Vec<Check>, capabilities: SandboxCapabilities) -> Self {
        let SandboxCapabilities { tier, features, egress, .. } = capabilities;
        // What confines neither reading nor writing is no sandbox, whatever else it does.
        let usable = [Feature::FilesystemRead, Feature::FilesystemWrite].iter().any(|feature| {
            matches!(
                features.get(feature),
                Some(Enforcement::Full { .. } | Enforcement::Partial { .. })
            )
        });
        let host_lists = level(&checks, egress);
        Self { usable, tier: tier.into_owned(), host_lists, checks, features }
    }

    /// Whether commands can be confined here.
    pub(crate) fn usable(&self) -> bool {
        self.usable
    }

    /// The diagnosis for a person.
    pub(crate) fn text(&self) -> String {
        let mut text = Text::default();
        text.title("Mechanisms");
        let width = self.checks.iter().map(|check| check.name.chars().count()).max();
        for check in &self.checks {
            let name = paint(anstyle::Style::new(), &check.name, width.unwrap_or_default());
            let (style, word) = health(check.health);
            text.line(2, &format!("{name}  {}  {}", paint(style, word, 7), check.detail));
            if let Some(remedy) = &check.remedy {
                text.line(width.unwrap_or_default() + 13, &format!("-> {remedy}"));
            }
        }
        text.title("Features");
        for (feature, enforcement) in &self.features {
            let (mark, said) = enforced(enforcement);
            text.line(2, &format!("{:<18}  {mark}  {said}", feature.to_string()));
        }
        text.title("Result");
        text.line(2, &self.verdict());
        text.line(2, &format!("where a policy lists hosts, {}", self.host_lists));
        text.finish()
    }

    fn verdict(&self) -> String {
        if self.usable {
            return format!("commands are confined by {}", quoted(&self.tier));
        }
        "commands cannot be confined on this machine: see the remedies above".into()
    }
}

/// For which programs a list of hosts holds, by what is claimed and what was tried.
fn level(checks: &[Check], claimed: Option<Level>) -> Level {
    let failed = checks.iter().find(|it| it.name == "host lists" && it.health == Health::Missing);
    match (failed, claimed) {
        (Some(check), _) => Level::Unsupported { why: check.detail.clone().into() },
        (None, Some(level)) => level,
        (None, None) => Level::Unsupported { why: "this backend has no means for it".into() },
    }
}

/// A state's mark and the words for it.
pub(super) fn enforced(enforcement: &Enforcement) -> (String, String) {
    match enforcement {
        Enforcement::Full { by } => (paint(GOOD, "full", 7), by.to_string()),
        Enforcement::Partial { by, gap } => {
            (paint(FAIR, "partial", 7), format!("{by}; but: {gap}"))
        }
        Enforcement::Absent { why } => (paint(BAD, "absent", 7), why.to_string()),
        _ => (paint(FAIR, "unknown", 7), String::new()),
    }
}

fn health(health: Health) -> (anstyle::Style, &'static str) {
    match health {
        Health::Works => (GOOD, "works"),
        Health::Partial => (FAIR, "partial"),
        _ => (BAD, "missing"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usable(features: impl IntoIterator<Item = (Feature, Enforcement)>) -> bool {
        Diagnosis::new(Vec::new(), SandboxCapabilities::new("tier", features)).usable()
    }

    #[test]
    fn a_machine_is_usable_if_files_are_confined() {
        let full = || Enforcement::full("it");
        assert!(usable([(Feature::FilesystemWrite, full())]));
        assert!(usable([(Feature::FilesystemRead, Enforcement::partial("it", "gap"))]));
    }

    #[test]
    fn a_machine_that_only_limits_is_not_usable() {
        let absent = Enforcement::absent("too old");
        assert!(!usable([]));
        assert!(!usable([
            (Feature::Memory, Enforcement::full("cgroup")),
            (Feature::FilesystemRead, absent.clone()),
            (Feature::FilesystemWrite, absent),
        ]));
    }
}
