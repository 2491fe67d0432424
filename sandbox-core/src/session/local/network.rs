//! The network of a session that lives.

use std::fs::File;

use super::live::Live;
use crate::capability::Report;
use crate::confine::Enclosure;
use crate::egress::decision;
use crate::error::{Result, SandboxError};
use crate::ids::SessionId;
use crate::plan::Plan;
use crate::policy::network::NetworkPolicy;
use crate::session::network::SessionNetwork;
use crate::session::spec::SandboxSpec;

impl Live {
    /// Replaces the policy, or changes nothing. `judge` says what of a plan would be enforced.
    pub(super) async fn apply_network(
        &self,
        network: NetworkPolicy,
        backend: &str,
        judge: impl FnOnce(&Plan) -> Result<Report>,
    ) -> Result<()> {
        let _gate = self.gate.lock().await;
        self.check_alive("another network policy")?;
        let plan = self.inner().plan.clone();
        let network = keeping(network, &plan.network);
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

/// Where nothing is reached, no credential is used: those that are there stay for later.
fn keeping(network: NetworkPolicy, before: &NetworkPolicy) -> NetworkPolicy {
    if !network.is_denied() || !network.credentials().is_empty() {
        return network;
    }
    let (allowed_hosts, credentials) = (Vec::new(), before.credentials().to_vec());
    NetworkPolicy::Limited { allowed_hosts, credentials }
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
    let lists = !plan.network.is_denied() && plan.network != NetworkPolicy::Unrestricted;
    if !lists || spec.pool.is_some() {
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
