//! Who may connect where, now.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::approval::{Approvals, Approver};
use super::limits::Limits;
use crate::egress::decision::{Ask, Entry, Reason};
use crate::egress::dial::{DialError, Dialler};
use crate::egress::names::Names;
use crate::egress::rules::{Refusal, Rules, Target};
use crate::policy::network::HostRule;

/// The rules in force, and everything else that decides.
#[derive(Debug)]
pub(super) struct Access {
    rules: watch::Sender<Arc<Rules>>,
    names: Arc<Mutex<Names>>,
    pub(super) dialler: Dialler,
    approvals: Approvals,
}

/// The rules as one connection has seen them.
pub(super) type Seen = watch::Receiver<Arc<Rules>>;

impl Access {
    pub(super) fn new(
        rules: Rules,
        names: Arc<Mutex<Names>>,
        dialler: Dialler,
        approver: Option<Arc<dyn Approver>>,
        limits: &Limits,
    ) -> Self {
        let approvals = Approvals::new(approver, limits.approval);
        Self { rules: watch::Sender::new(Arc::new(rules)), names, dialler, approvals }
    }

    pub(super) fn set_rules(&self, rules: Rules) {
        self.approvals.forget();
        self.rules.send_replace(Arc::new(rules));
    }

    pub(super) fn asks(&self) -> bool {
        self.approvals.approver.is_some()
    }

    pub(super) fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.borrow())
    }

    /// The rules from here on; what changes later is noticed by [`revoked`](Self::revoked).
    pub(super) fn seen(&self) -> Seen {
        self.rules.subscribe()
    }

    /// What an address stands for.
    pub(super) fn identify(&self, target: Target) -> Result<Target, Reason> {
        let Target::Address(address) = target else { return Ok(target) };
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        match names.name_of(address) {
            Some(name) => Ok(Target::Name(name.clone())),
            None if names.range().contains(address) => Err(Reason::UnknownAddress),
            None => Ok(Target::Address(address.to_canonical())),
        }
    }

    /// The addresses that may be dialled, all things considered.
    pub(super) async fn addresses(
        &self,
        seen: &Seen,
        ask: &Ask,
        entry: &mut Entry,
    ) -> Result<Vec<SocketAddr>, DialError> {
        let rules = Arc::clone(&seen.borrow());
        let rule = match ask.allowing(&rules) {
            Ok(rule) => rule.clone(),
            Err(refusal) => self.approved(ask, refusal).await.map_err(DialError::Denied)?,
        };
        entry.allowed_by(&rule);
        self.dialler.addresses(&rules, &rule, ask).await
    }

    /// Asks whether to allow what was refused; the rule that would have.
    async fn approved(&self, ask: &Ask, refusal: Refusal) -> Result<HostRule, Reason> {
        if matches!(refusal, Refusal::Special { .. }) {
            return Err(refusal.into());
        }
        match self.approvals.ask(ask).await {
            None => Err(refusal.into()),
            Some(false) => Err(Reason::NotApproved),
            Some(true) => {
                // A special address that no rule lists is found here.
                let rule: HostRule = ask.rule().parse().map_err(|_| Reason::NotApproved)?;
                ask.allowing(&Rules::new(std::slice::from_ref(&rule)))?;
                Ok(rule)
            }
        }
    }

    /// Returns once the rules do not allow this connection any more.
    pub(super) async fn revoked(&self, seen: &mut Seen, ask: &Ask, address: IpAddr) {
        while seen.changed().await.is_ok() {
            let rules = Arc::clone(&seen.borrow_and_update());
            let allowed = match ask.allowing(&rules) {
                Ok(rule) => self.dialler.admits(&rules, rule, ask, address).await.is_ok(),
                Err(_) => self.approvals.has(ask),
            };
            if !allowed {
                return;
            }
        }
        // The rules last as long as this value does.
        std::future::pending::<()>().await;
    }
}
