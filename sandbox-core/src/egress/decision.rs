//! One record for each decision: what was asked for, what came of it, and what it cost.

mod file;
mod log;
mod reason;
mod summary;

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules::{Rules, Target};
use crate::policy::network::{HostRule, Protocol};

pub(crate) use file::check as check_file;
pub use file::open as open_file;
pub use log::Log;
pub use reason::Reason;
pub use summary::{Denied, Summary};

/// One decision about a connection, or about a flow of datagrams; complete once that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Decision {
    /// When it was asked, in milliseconds since 1970.
    pub time_ms: u64,
    /// Whose session asked.
    #[serde(serialize_with = "text", deserialize_with = "shared")]
    #[schemars(with = "String")]
    pub session: Arc<str>,
    /// The rule that allowed it, or that named the host and did not allow this.
    pub rule: Option<String>,
    /// The name or address that was asked for; empty if the client of a proxy named none.
    pub host: String,
    /// The port; 0 if it was the name that was refused.
    pub port: u16,
    /// The protocol.
    pub protocol: Protocol,
    /// What was decided.
    pub verdict: Verdict,
    /// Why it was denied.
    pub reason: Option<Reason>,
    /// How it ended, if it was allowed.
    pub end: Option<End>,
    /// The credentials that were put into its requests, by their names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<String>,
    /// Bytes that were passed on from the sandbox.
    pub bytes_up: u64,
    /// Bytes that were passed on to the sandbox.
    pub bytes_down: u64,
    /// How long it lasted, in milliseconds.
    pub duration_ms: u64,
}

impl Decision {
    /// The record as one line of JSON, with its line end.
    #[must_use]
    pub fn to_line(&self) -> String {
        // Strings and numbers: nothing that could fail to be written.
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }
}

fn text<S: serde::Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

fn shared<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
    String::deserialize(deserializer).map(Into::into)
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The connection was carried, as far as there was anybody to carry it to.
    Allow,
    /// Nothing was carried, or no more from the moment on when the client named another host.
    Deny,
}

/// How an allowed connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum End {
    /// Both sides were done.
    Closed,
    /// One side broke it off.
    Reset,
    /// Nothing came for so long that a flow of datagrams counts as ended.
    Idle,
    /// The name did not resolve, or nobody answered at its addresses.
    Unreachable,
    /// The rules changed, and none allows it any more.
    Revoked,
    /// It, or all together, carried as much as they may.
    Limit,
    /// The gateway stopped.
    Stopped,
}

/// A decision while what it is about goes on. Dropped, it is recorded, whatever ended it.
#[derive(Debug)]
pub(crate) struct Entry {
    log: Arc<Log>,
    started: Instant,
    decision: Decision,
    suggestion: Option<String>,
}

impl Entry {
    /// A client that did not get as far as naming a host.
    pub(crate) fn nameless(log: &Arc<Log>, session: &Arc<str>) -> Self {
        Self::of(log, session, (String::new(), 0, Protocol::Tcp), None)
    }

    pub(crate) fn new(log: &Arc<Log>, session: &Arc<str>, ask: &Ask) -> Self {
        let asked = (ask.target.to_string(), ask.port, ask.protocol);
        Self::of(log, session, asked, Some(ask.rule()))
    }

    fn of(
        log: &Arc<Log>,
        session: &Arc<str>,
        (host, port, protocol): (String, u16, Protocol),
        suggestion: Option<String>,
    ) -> Self {
        let decision = Decision {
            time_ms: now_ms(),
            session: Arc::clone(session),
            rule: None,
            host,
            port,
            protocol,
            verdict: Verdict::Allow,
            reason: None,
            end: Some(End::Stopped),
            credentials: Vec::new(),
            bytes_up: 0,
            bytes_down: 0,
            duration_ms: 0,
        };
        Self { log: Arc::clone(log), started: Instant::now(), decision, suggestion }
    }

    /// Names the rule that allowed it.
    pub(crate) fn allowed_by(&mut self, rule: &HostRule) {
        self.decision.rule = Some(rule.to_string());
    }

    /// Names the credentials that went with it.
    #[cfg(feature = "mitm")]
    pub(crate) fn used(&mut self, credentials: Vec<String>) {
        self.decision.credentials = credentials;
    }

    /// Counts what was passed on.
    pub(crate) fn count(&mut self, up: u64, down: u64) {
        self.decision.bytes_up += up;
        self.decision.bytes_down += down;
    }

    /// Records how it ended.
    pub(crate) fn end(mut self, end: End) {
        self.decision.end = Some(end);
    }

    /// Records that it was denied.
    pub(crate) fn deny(mut self, reason: Reason) {
        self.suggestion = reason.suggestion(self.suggestion.take());
        if let Reason::Refused(refusal) = &reason
            && let Some(rule) = refusal.rule()
        {
            self.decision.rule = Some(rule.to_owned());
        }
        self.decision.verdict = Verdict::Deny;
        self.decision.reason = Some(reason);
        self.decision.end = None;
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.decision.duration_ms =
            u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.log.record(&self.decision, self.suggestion.take());
    }
}

/// What is asked for: a host, a port and a protocol.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ask {
    /// The name or address.
    pub target: Target,
    /// The port.
    pub port: u16,
    /// The protocol.
    pub protocol: Protocol,
}

impl Ask {
    /// The text of the narrowest rule that names what is asked for; for a name alone the name.
    #[must_use]
    pub fn rule(&self) -> String {
        let (port, target) = (self.port, &self.target);
        let host = match target {
            Target::Address(address) if address.is_ipv6() => format!("[{address}]"),
            target => target.to_string(),
        };
        match (self.protocol, port) {
            (Protocol::Udp, _) => format!("{host}:{port}/udp"),
            (Protocol::Tcp, 0 | 80 | 443) => target.to_string(),
            (Protocol::Tcp, _) => format!("{host}:{port}"),
        }
    }

    /// The rule that allows this.
    pub(crate) fn allowing<'a>(
        &self,
        rules: &'a Rules,
    ) -> Result<&'a HostRule, super::rules::Refusal> {
        rules.decide(&self.target, self.port, self.protocol)
    }
}
/// Milliseconds since 1970.
fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
