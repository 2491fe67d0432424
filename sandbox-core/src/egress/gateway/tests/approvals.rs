use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::egress::decision::Ask;

/// Answers for `other.example`, or never.
#[derive(Clone, Debug, Default)]
struct Asked {
    count: Arc<AtomicU32>,
    answer: Option<bool>,
}

#[async_trait]
impl Approver for Asked {
    async fn approve(&self, ask: &Ask) -> bool {
        assert_eq!(ask.target.to_string(), "other.example");
        self.count.fetch_add(1, Ordering::Relaxed);
        match self.answer {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }
}

/// A world in which `other.example` is approved of, or not; the rules open loopback.
async fn world(answer: Option<bool>) -> (World, Arc<AtomicU32>) {
    let asked = Asked { answer, ..Asked::default() };
    let count = Arc::clone(&asked.count);
    let limits = Limits { approval: Duration::from_millis(50), ..Limits::default() };
    (World::with(|setup| setup.approver(asked).limits(limits)).await, count)
}

#[tokio::test]
async fn what_is_approved_passes_and_is_asked_about_once() {
    let (world, count) = world(Some(true)).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(world.client("other.example").await);
    }
    for _ in 0..3 {
        clients.push(world.accepted().await);
    }
    assert_eq!(count.load(Ordering::Relaxed), 1);
    let mut last = clients.remove(2);
    drop(clients);
    // With other rules it is no longer approved.
    world.gateway.set_rules(rules(&[], world.port));
    assert_eq!(rest(&mut last).await, (vec![], RESET));
    let mut again = world.client("other.example").await;
    let _server = world.accepted().await;
    assert_eq!(count.load(Ordering::Relaxed), 2);
    again.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_no_and_silence_are_denials() {
    for answer in [Some(false), None] {
        let (world, count) = world(answer).await;
        for tries in 1..=2 {
            let mut client = world.client("other.example").await;
            assert_eq!(rest(&mut client).await, (vec![], RESET));
            let decision = world.decisions(tries).await.pop().unwrap();
            assert_eq!(decision.reason.unwrap().code(), "not_approved");
        }
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test]
async fn an_approval_opens_no_special_address() {
    let (world, count) = world(Some(true)).await;
    world.gateway.set_rules(Rules::default());
    let mut client = world.client("other.example").await;
    assert_eq!(rest(&mut client).await, (vec![], RESET));
    world.denial("special_address").await;
    assert_eq!(count.load(Ordering::Relaxed), 1);
}
