//! What this machine would enforce for a command, before anything starts.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use sandbox_core::confine::{Explanation, Section};
use sandbox_core::egress::{Level, check_level};
use sandbox_core::path::quoted;
use sandbox_core::plan::{Content, Place, Plan};
use sandbox_core::policy::SyscallProfile;
use sandbox_core::{
    Enforcement, EnforcementLevel, Feature, Gap, NetworkPolicy, Report, ResourceLimits,
};
use serde::Serialize;

use super::doctor::enforced;
use super::policy::{limits, network};
use super::text::Text;

/// The answer of `sandbox policy explain`.
#[derive(Serialize)]
pub(crate) struct Explained<'a> {
    backend: &'a str,
    tier: &'a str,
    enforcement: EnforcementLevel,
    /// Why a run would be refused.
    refused: Option<String>,
    command: Vec<String>,
    arguments: Vec<String>,
    cwd: String,
    /// Names alone: values may be secrets.
    environment: Vec<String>,
    network: &'a NetworkPolicy,
    /// For which programs the list of hosts would hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    egress: Option<&'a Level>,
    syscalls: SyscallProfile,
    limits: &'a ResourceLimits,
    places: Vec<Shown>,
    links: BTreeMap<String, String>,
    uncreatable: Vec<String>,
    enforced: &'a BTreeMap<Feature, Enforcement>,
    gaps: Vec<Gap>,
    mechanisms: Vec<Section>,
}

#[derive(Serialize)]
struct Shown {
    path: String,
    rights: String,
}

impl<'a> Explained<'a> {
    /// An explanation of a plan by the backend that would launch it.
    pub(crate) fn new(
        backend: &'a str,
        plan: &'a Plan,
        report: &'a Report,
        explanation: Explanation,
    ) -> Self {
        let required = plan.enforcement == EnforcementLevel::Required;
        let absent = report.first_absent().filter(|_| required);
        let absent = absent.map(|gap| format!("{} cannot be enforced: {}", gap.feature, gap.what));
        let demanded = plan.enforcement != EnforcementLevel::Off;
        let level = demanded.then(|| check_level(&plan.network, report.egress.as_ref(), backend));
        let lower = level.and_then(|level| level.err()).map(|error| error.to_string());
        Self {
            backend,
            tier: &report.tier,
            enforcement: plan.enforcement,
            refused: absent.or(lower),
            command: plan.candidates.iter().map(plain).collect(),
            arguments: plan.arguments.iter().map(plain).collect(),
            cwd: plain(&plan.cwd),
            environment: plan.environment.iter().map(|(name, _)| plain(name)).collect(),
            network: &plan.network,
            egress: report.egress.as_ref(),
            syscalls: plan.syscalls,
            limits: &plan.limits,
            places: plan.places.iter().map(shown).collect(),
            links: plan.links.iter().map(|(link, target)| (plain(link), plain(target))).collect(),
            uncreatable: plan.absent.iter().map(plain).collect(),
            enforced: &report.enforced,
            gaps: report.gaps(),
            mechanisms: explanation.sections,
        }
    }

    /// The explanation for a person.
    pub(crate) fn text(&self) -> String {
        let mut text = Text::default();
        text.title("Command");
        text.pairs(self.facts());
        text.title("Files");
        text.pairs(self.files());
        text.title("Enforcement");
        for (feature, enforcement) in self.enforced {
            let (mark, said) = enforced(enforcement);
            text.line(2, &format!("{:<18}  {mark}  {said}", feature.to_string()));
        }
        for section in &self.mechanisms {
            text.title(&section.title);
            section.lines.iter().for_each(|line| text.line(2, line));
        }
        if let Some(why) = &self.refused {
            text.title("Refused");
            text.line(2, why);
        }
        text.finish()
    }

    fn files(&self) -> Vec<(String, String)> {
        let places = self.places.iter().map(|place| (quoted(&place.path), place.rights.clone()));
        let links = self.links.iter().map(|(at, to)| (quoted(at), format!("-> {}", quoted(to))));
        let uncreatable = self.uncreatable.iter();
        let uncreatable = uncreatable.map(|path| (quoted(path), "cannot be made".to_owned()));
        places.chain(links).chain(uncreatable).collect()
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let names = |names: &[String]| names.iter().map(quoted).collect::<Vec<_>>().join(" ");
        let mut facts = vec![
            ("backend", format!("{} ({})", self.backend, self.tier)),
            ("enforcement", self.enforcement.to_string()),
            ("program", names(&self.command)),
            ("arguments", names(&self.arguments)),
            ("directory", quoted(&self.cwd)),
            ("variables", names(&self.environment)),
            ("network", network(self.network)),
            ("system calls", format!("{:?}", self.syscalls).to_lowercase()),
            ("limits", limits(self.limits)),
        ];
        facts.extend(self.egress.map(|level| ("level", level.to_string())));
        facts
    }
}

fn shown(place: &Place) -> Shown {
    let rights = match place.content {
        Content::Host => place.rights.name(),
        Content::Private => "private".into(),
        Content::Hidden => "hidden".into(),
    };
    Shown { path: plain(&place.path), rights }
}

/// The name as JSON can hold it.
fn plain(name: impl AsRef<OsStr>) -> String {
    name.as_ref().to_string_lossy().into_owned()
}
