//! What ends or suspends a session by the clock. Monotonic time: a clock that is set does nothing.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::Register;
use super::live::Live;
use crate::session::spec::{OnIdle, SandboxState};

impl Register {
    /// Watches a session's time, if it has any; ends with the session.
    pub(super) fn keep_time(register: &Arc<Self>, live: &Arc<Live>) {
        if live.spec.ttl.is_none() && live.spec.idle.is_none() {
            return;
        }
        let (register, session) = (Arc::downgrade(register), Arc::downgrade(live));
        let started = Instant::now();
        tokio::spawn(async move {
            while let Some(next) = look(&register, &session, started).await {
                sleep_until(next).await;
            }
        });
    }
}

/// Does what is due, and tells when to look again; `None` when there is nothing left to watch.
async fn look(
    register: &Weak<Register>,
    session: &Weak<Live>,
    started: Instant,
) -> Option<Instant> {
    let live = session.upgrade()?;
    let end = live.spec.ttl.and_then(|ttl| started.checked_add(ttl.duration()));
    if end.is_some_and(|end| end <= Instant::now()) {
        return terminate(register, &live).await;
    }
    let quiet = live.spec.idle.map(|(span, then)| (idle_at(&live, span.duration()), then));
    match quiet {
        Some((Some(at), then)) if at <= Instant::now() => match then {
            OnIdle::Terminate => return terminate(register, &live).await,
            // What cannot be suspended now is looked at again.
            OnIdle::Suspend => drop(live.suspend().await),
        },
        _ => {}
    }
    let next = quiet.map(|(at, _)| at.filter(|at| *at > Instant::now()).unwrap_or_else(soon));
    end.into_iter().chain(next).min()
}

/// When a session will have been idle for too long; `None` while it is not.
fn idle_at(live: &Live, span: Duration) -> Option<Instant> {
    if live.inner().state == SandboxState::Suspended {
        return None;
    }
    live.activity().quiet_since()?.checked_add(span)
}

fn soon() -> Instant {
    Instant::now() + Duration::from_millis(100)
}

async fn terminate(register: &Weak<Register>, live: &Arc<Live>) -> Option<Instant> {
    // Who terminated it meanwhile has done our work.
    if let Some(Ok(live)) = register.upgrade().map(|register| register.take(live.id())) {
        let _ = live.terminate().await;
    }
    None
}
