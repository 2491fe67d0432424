//! The network of a session that lives.

use std::fs::File;

use super::live::Live;
use crate::capability::Report;
use crate::confine::Enclosure;
use crate::egress::decision;
use crate::error::{Result, SandboxError};
use crate::ids::SessionId;
use crate::plan::Plan;
use crate::policy::network::{HostRule, NetworkPolicy};
use crate::session::network::SessionNetwork;
use crate::session::spec::SandboxSpec;

impl Live {
    /// Replaces the policy by what `change` makes of it, or changes nothing. `judge` says what of a
    /// plan would be enforced.
    pub(super) async fn change_network(
        &self,
        change: impl FnOnce(&NetworkPolicy) -> Result<NetworkPolicy>,
        backend: &str,
        judge: impl FnOnce(&Plan) -> Result<Report>,
    ) -> Result<()> {
        let _gate = self.gate.lock().await;
        self.check_alive("another network policy")?;
        let plan = self.inner().plan.clone();
        let network = keeping(change(&plan.network)?, &plan.network);
        if plan.network == network {
            return Ok(());
        }
        if network != NetworkPolicy::Unrestricted
            && network.credentials() != plan.network.credentials()
        {
            let operation = "other credentials in a session that lives: make a new session".into();
            return Err(SandboxError::Unsupported { backend: backend.into(), operation });
        }
        // Judged as at the beginning: what could not be enforced then cannot be now.
        let plan = Plan { network, ..plan };
        let report = judge(&plan)?;
        match (&plan.network, self.enclosure().egress()) {
            (NetworkPolicy::Limited { allowed_hosts, .. }, Some(egress)) => {
                egress.set_rules(allowed_hosts)?;
            }
            (wanted, egress) => {
                let operation = no_way(wanted, egress.is_some()).into();
                return Err(SandboxError::Unsupported { backend: backend.into(), operation });
            }
        }
        let mut inner = self.inner();
        inner.plan = plan;
        inner.report = report;
        Ok(())
    }

    /// What it reaches, with the decisions after the first `seen`.
    pub(super) fn network(&self, seen: u64) -> SessionNetwork {
        let egress = self.enclosure().egress();
        let policy = self.inner().plan.network.clone();
        let level = egress.as_ref().map(|egress| egress.level());
        let log = egress.map(|egress| egress.log());
        let decisions = log.as_ref().map(|log| log.since(seen)).unwrap_or_default();
        let summary = log.map(|log| log.summary()).unwrap_or_default();
        SessionNetwork { policy, level, summary, decisions }
    }
}

/// A policy with rules more and rules less.
pub(super) fn changed(
    policy: &NetworkPolicy,
    allow: &[HostRule],
    deny: &[HostRule],
) -> Result<NetworkPolicy> {
    let NetworkPolicy::Limited { allowed_hosts, minimum_level, credentials } = policy else {
        let why = "the session has the whole network, and no rules to change: make a new session \
                   that lists hosts";
        return Err(SandboxError::InvalidRequest(why.into()));
    };
    let mut rules = allowed_hosts.clone();
    for rule in deny {
        // Private or not: whoever takes a host away means both.
        let before = rules.len();
        rules.retain(|known| known.as_str() != rule.as_str());
        if rules.len() == before {
            let rule = rule.as_str();
            let known: Vec<_> = rules.iter().map(ToString::to_string).collect();
            let known = if known.is_empty() { "none".into() } else { known.join(" ") };
            let why = format!("{rule}: the session has no such rule; its rules are: {known}");
            return Err(SandboxError::InvalidRequest(why));
        }
    }
    for rule in allow {
        if !rules.contains(rule) {
            rules.push(rule.clone());
        }
    }
    let (minimum_level, credentials) = (*minimum_level, credentials.clone());
    Ok(NetworkPolicy::Limited { allowed_hosts: rules, minimum_level, credentials })
}

/// Where nothing is reached, no credential is used: those that are there stay for later.
fn keeping(network: NetworkPolicy, before: &NetworkPolicy) -> NetworkPolicy {
    if !network.is_denied() || !network.credentials().is_empty() {
        return network;
    }
    let credentials = before.credentials().to_vec();
    NetworkPolicy::Limited { allowed_hosts: Vec::new(), minimum_level: None, credentials }
}

/// Why one policy cannot follow another.
fn no_way(wanted: &NetworkPolicy, has_rules: bool) -> &'static str {
    match wanted {
        NetworkPolicy::Unrestricted => {
            "the host's network in a session that was made without it: make a new session"
        }
        NetworkPolicy::Limited { allowed_hosts, .. } if !allowed_hosts.is_empty() => {
            "host rules in a session that was made without any, or with a pool: make a new session \
             with at least one"
        }
        NetworkPolicy::Limited { .. } if has_rules => "this network policy",
        NetworkPolicy::Limited { .. } => {
            "taking the network away from a session that was made with the host's: make a new \
             session"
        }
    }
}

/// Opens the file that a session's decisions are written to, before anything is there to decide.
pub(super) fn open_log(spec: &SandboxSpec, plan: &Plan) -> Result<Option<File>> {
    let Some(path) = &spec.net_log else { return Ok(None) };
    if !plan.network.lists_hosts() || spec.pool.is_some() {
        let why = "a log of decisions is kept of a session that lists hosts and has no pool: add a \
                   host, or leave one of the two out";
        return Err(SandboxError::InvalidRequest(why.into()));
    }
    decision::open_file(path, plan).map(Some)
}

/// Has the decisions of a way out bear the session's name, and written to its log.
pub(super) fn record(enclosure: &dyn Enclosure, session: &SessionId, log: Option<File>) {
    let Some(egress) = enclosure.egress() else { return };
    egress.log().belongs_to(session.as_str());
    if let Some(file) = log {
        egress.log().write_to(file);
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    fn rule(text: &str) -> HostRule {
        text.parse().unwrap()
    }

    #[test]
    fn rules_are_taken_away_and_added_once() {
        let (one, two) = (rule("one.example"), rule("two.example"));
        let listing = NetworkPolicy::limited;
        let policy = listing(vec![one.clone().private(true), one.clone()]);
        let twice = [two.clone(), two.clone()];
        let made = changed(&policy, &twice, from_ref(&one)).unwrap();
        assert_eq!(made, listing(vec![two.clone()]));
        // Who replaces a rule by its like takes it away first.
        let replaced = changed(&made, &[two.clone().private(true)], from_ref(&two)).unwrap();
        assert_eq!(replaced, listing(vec![two.private(true)]));
        let missing = changed(&made, &[], from_ref(&one)).unwrap_err().to_string();
        assert!(missing.ends_with("its rules are: two.example"), "{missing}");
        let whole = changed(&NetworkPolicy::Unrestricted, &[one], &[]);
        assert!(matches!(whole, Err(SandboxError::InvalidRequest(_))), "{whole:?}");
    }
}
