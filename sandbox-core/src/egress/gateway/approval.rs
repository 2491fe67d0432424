//! Asking somebody where no rule allows a connection.
//!
//! Each host, port and protocol is asked about once, however many connections wait for the answer,
//! and the answer is remembered. Silence is a no.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::egress::decision::Ask;

/// How many questions are asked and remembered: a payload must not be able to ask for ever.
const QUESTIONS: usize = 256;

/// Who can allow what no rule allows.
#[async_trait]
pub trait Approver: fmt::Debug + Send + Sync {
    /// Whether this may be connected to, now and until the rules are replaced.
    ///
    /// # Security
    /// Hosts are written by the payload, in letters that are safe to show. An approval opens no
    /// special address: that takes a rule.
    async fn approve(&self, ask: &Ask) -> bool;
}

/// The answers, as they come.
#[derive(Debug)]
pub(super) struct Approvals {
    pub(super) approver: Option<Arc<dyn Approver>>,
    deadline: Duration,
    answers: Mutex<HashMap<Ask, watch::Receiver<Option<bool>>>>,
}

impl Approvals {
    pub(super) fn new(approver: Option<Arc<dyn Approver>>, deadline: Duration) -> Self {
        Self { approver, deadline, answers: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Ask, watch::Receiver<Option<bool>>>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer; `None` if there is nobody to ask.
    pub(super) async fn ask(&self, ask: &Ask) -> Option<bool> {
        let approver = self.approver.as_ref()?;
        let mut answer = {
            let mut answers = self.lock();
            let room = answers.len() < QUESTIONS;
            match answers.get(ask) {
                Some(answer) => answer.clone(),
                None if !room => return Some(false),
                None => {
                    let answer = question(Arc::clone(approver), ask.clone(), self.deadline);
                    answers.insert(ask.clone(), answer.clone());
                    answer
                }
            }
        };
        // Who was asked may have panicked: no answer is a no.
        let answer = answer.wait_for(Option::is_some).await;
        Some(answer.is_ok_and(|answer| *answer == Some(true)))
    }

    /// Whether this has been approved.
    pub(super) fn has(&self, ask: &Ask) -> bool {
        self.lock().get(ask).is_some_and(|answer| *answer.borrow() == Some(true))
    }

    pub(super) fn forget(&self) {
        self.lock().clear();
    }
}

/// Asks apart from the connection that wanted to know, which may go away.
fn question(
    approver: Arc<dyn Approver>,
    ask: Ask,
    deadline: Duration,
) -> watch::Receiver<Option<bool>> {
    let (sender, receiver) = watch::channel(None);
    tokio::spawn(async move {
        let answer = timeout(deadline, approver.approve(&ask)).await;
        sender.send_replace(Some(answer.unwrap_or(false)));
    });
    receiver
}
