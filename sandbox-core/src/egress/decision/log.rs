//! The decisions of a session: the last ones, how many there were, and what was denied how often.
//!
//! All of it is bounded, as a payload can ask for as much as it likes: the last decisions are a
//! ring, and what was denied is counted for each host, up to a number of hosts. What is written to
//! the sink is not bounded here.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Decision, Denied, Summary, Verdict, now_ms};
use crate::policy::network::{HostName, Protocol};

/// Decisions and counts; see the module.
pub struct Log {
    inner: Mutex<Inner>,
}

struct Inner {
    /// Whose decisions they are.
    session: Option<Arc<str>>,
    recent: VecDeque<Decision>,
    total: u64,
    denied: BTreeMap<(String, u16, bool), Denied>,
    unnamed: u64,
    sink: Option<Box<dyn Write + Send>>,
    lost: u64,
}

impl Log {
    /// How many decisions are remembered.
    pub const RECENT: usize = 1024;
    /// How many hosts denials are counted for.
    pub const HOSTS: usize = 1024;

    /// An empty log that is only remembered.
    #[must_use]
    pub fn new() -> Self {
        Self::with(None)
    }

    /// An empty log that writes each decision as a line of JSON, too.
    ///
    /// The writer is called on the runtime's threads while the log is locked: a file, or a pipe that
    /// somebody empties. After an error it is not called again, and decisions count as lost.
    #[must_use]
    pub fn to(sink: impl Write + Send + 'static) -> Self {
        Self::with(Some(Box::new(sink)))
    }

    fn with(sink: Option<Box<dyn Write + Send>>) -> Self {
        let (recent, denied) = (VecDeque::new(), BTreeMap::new());
        let (session, total, unnamed, lost) = (None, 0, 0, 0);
        let inner = Inner { session, recent, total, denied, unnamed, sink, lost };
        Self { inner: Mutex::new(inner) }
    }

    /// Names the session whose decisions these are, from now on, where they name none.
    pub fn belongs_to(&self, session: &str) {
        self.lock().session = Some(session.into());
    }

    /// Writes each decision as a line of JSON, too, as [`to`](Self::to) does; those first that are
    /// remembered already. It takes the place of an earlier writer.
    pub fn write_to(&self, sink: impl Write + Send + 'static) {
        let mut inner = self.lock();
        inner.sink = Some(Box::new(sink));
        let known = std::mem::take(&mut inner.recent);
        inner.lost = inner.total - known.len() as u64;
        known.iter().for_each(|decision| inner.write(decision));
        inner.recent = known;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn record(&self, decision: &Decision, suggestion: Option<String>) {
        let mut inner = self.lock();
        let mut decision = decision.clone();
        if let (Some(session), true) = (&inner.session, decision.session.is_empty()) {
            decision.session = Arc::clone(session);
        }
        inner.total += 1;
        inner.write(&decision);
        if decision.verdict == Verdict::Deny {
            inner.count(&decision, suggestion);
        }
        if inner.recent.len() == Self::RECENT {
            inner.recent.pop_front();
        }
        inner.recent.push_back(decision);
    }

    /// Counts a name once more that has been refused before; whether that is so. Where there are too
    /// many hosts to count, it is.
    pub(in crate::egress) fn refused_again(&self, name: &HostName) -> bool {
        let mut inner = self.lock();
        let key = (name.to_string(), 0, false);
        if let Some(denied) = inner.denied.get_mut(&key) {
            denied.count += 1;
            denied.last_ms = now_ms();
            return true;
        }
        let full = inner.denied.len() >= Self::HOSTS;
        inner.unnamed += u64::from(full);
        full
    }

    /// The last decisions, oldest first.
    #[must_use]
    pub fn recent(&self) -> Vec<Decision> {
        self.lock().recent.iter().cloned().collect()
    }

    /// The decisions after the first `seen`, as far as they are remembered, oldest first.
    #[must_use]
    pub fn since(&self, seen: u64) -> Vec<Decision> {
        let inner = self.lock();
        let new = usize::try_from(inner.total.saturating_sub(seen)).unwrap_or(usize::MAX);
        let known = inner.recent.len().saturating_sub(new);
        inner.recent.iter().skip(known).cloned().collect()
    }

    /// How many there were, and what was denied.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let inner = self.lock();
        let denied = inner.denied.values().cloned().collect();
        Summary { total: inner.total, denied, uncounted: inner.unnamed }
    }

    /// How many decisions there were.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.lock().total
    }

    /// How many decisions the sink did not get because it failed.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lock().lost
    }

    /// What was denied, by host and port.
    #[must_use]
    pub fn denied(&self) -> Vec<Denied> {
        self.lock().denied.values().cloned().collect()
    }

    /// How many denials are not in [`denied`](Self::denied), because there were too many hosts.
    #[must_use]
    pub fn uncounted(&self) -> u64 {
        self.lock().unnamed
    }

    /// The rules that would have allowed what was denied, each once.
    #[must_use]
    pub fn suggestions(&self) -> Vec<String> {
        let inner = self.lock();
        let mut rules: Vec<_> = inner.denied.values().filter_map(|one| one.rule.clone()).collect();
        rules.sort();
        rules.dedup();
        rules
    }
}

impl Default for Log {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("total", &self.total()).finish_non_exhaustive()
    }
}

impl Inner {
    fn write(&mut self, decision: &Decision) {
        let line = decision.to_line();
        let written = self.sink.as_mut().map(|sink| {
            // In one call, so that lines of several writers to one file do not mix.
            sink.write_all(line.as_bytes()).and_then(|()| sink.flush())
        });
        match written {
            Some(Ok(())) => {}
            Some(Err(_)) => {
                self.sink = None;
                self.lost += 1;
            }
            None if self.lost > 0 => self.lost += 1,
            None => {}
        }
    }

    fn count(&mut self, decision: &Decision, rule: Option<String>) {
        let key = (decision.host.clone(), decision.port, decision.protocol == Protocol::Udp);
        if self.denied.len() >= Log::HOSTS && !self.denied.contains_key(&key) {
            self.unnamed += 1;
            return;
        }
        let count = self.denied.get(&key).map_or(0, |denied| denied.count) + 1;
        let reason = decision.reason.as_ref().map(|reason| reason.code().to_owned());
        let denied = Denied {
            host: decision.host.clone(),
            port: decision.port,
            protocol: decision.protocol,
            count,
            last_ms: now_ms(),
            reason: reason.unwrap_or_default(),
            rule,
        };
        self.denied.insert(key, denied);
    }
}

#[cfg(test)]
mod tests;
