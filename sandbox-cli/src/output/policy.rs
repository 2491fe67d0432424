//! A policy, resolved, for people; programs get the policy itself as JSON.

use std::path::Path;

use sandbox_core::path::quoted;
use sandbox_core::policy::filesystem::{Grant, Private};
use sandbox_core::{NetworkPolicy, Policy, ResourceLimits, SandboxPath};

use super::text::Text;

/// What a policy file resolves to.
pub(crate) fn text(file: &Path, policy: &Policy) -> String {
    let mut text = Text::default();
    text.line(0, &format!("{} is valid", quoted(file)));
    text.title("Files");
    text.pairs(files(policy));
    let elsewhere = policy.filesystem().rules().filter(|rule| is_idle(*rule)).count();
    if elsewhere > 0 {
        text.line(2, &format!("and {elsewhere} rules for paths that this machine does not have"));
    }
    text.title("Rest");
    text.pairs(facts(policy));
    text.finish()
}

/// The rules that mean something here, and the private places that no rule replaces.
fn files(policy: &Policy) -> Vec<(String, String)> {
    let filesystem = policy.filesystem();
    let rules = filesystem.rules().filter(|rule| !is_idle(*rule)).map(|(path, grant)| {
        let there = path.as_path().exists() || grant.optional;
        let note = if there { "" } else { " (missing: commands will be refused)" };
        (path.to_string(), grant.rights.name() + note)
    });
    let own = filesystem.private_places().filter(|(path, when)| {
        let rule = filesystem.decide(path.as_path());
        !rule.is_some_and(|(rule, _)| *when == Private::UnlessCovered || rule == *path)
    });
    rules.chain(own.map(|(path, _)| (path.to_string(), "private, empty".to_owned()))).collect()
}

/// Whether a rule may be missing, and is.
fn is_idle((path, grant): (&SandboxPath, Grant)) -> bool {
    grant.optional && !path.as_path().exists()
}

/// Everything but the files, one fact a line.
pub(super) fn facts(policy: &Policy) -> Vec<(&'static str, String)> {
    let environment = policy.environment();
    let workspace = policy.workspace_path().map_or("none".into(), ToString::to_string);
    let passed: Vec<_> = environment.passed().map(quoted).collect();
    let set: Vec<_> = environment.variables().map(|(name, _)| quoted(name)).collect();
    vec![
        ("enforcement", policy.enforcement().to_string()),
        ("workspace", workspace),
        ("network", network(policy.network())),
        ("system calls", format!("{:?}", policy.syscalls()).to_lowercase()),
        ("variables passed", passed.join(" ")),
        ("variables set", set.join(" ")),
        ("limits", limits(policy.limits())),
    ]
}

pub(super) fn network(policy: &NetworkPolicy) -> String {
    match policy {
        NetworkPolicy::Unrestricted => "unrestricted".into(),
        NetworkPolicy::Limited { allowed_hosts, .. } if allowed_hosts.is_empty() => "none".into(),
        NetworkPolicy::Limited { allowed_hosts, minimum_level, credentials } => {
            let hosts = allowed_hosts.iter().map(ToString::to_string);
            let names = credentials.iter().map(|one| format!("(with {})", one.env()));
            let level = minimum_level.iter().map(|level| format!("(at least {level})"));
            hosts.chain(names).chain(level).collect::<Vec<_>>().join(" ")
        }
    }
}

/// The limits by the names that policy files give them.
pub(super) fn limits(limits: &ResourceLimits) -> String {
    let named = serde_json::to_value(limits).unwrap_or_default();
    let named = named.as_object().into_iter().flatten();
    let shown: Vec<_> = named
        .map(|(name, value)| match value.as_str() {
            Some(text) => format!("{name}={text}"),
            None => format!("{name}={value}"),
        })
        .collect();
    if shown.is_empty() { "none".into() } else { shown.join(" ") }
}
