use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

#[tokio::test]
async fn connections_that_no_rule_allows_any_more_are_reset() {
    let world = World::with(|setup| setup).await;
    let both = rules(&["example.org", "other.example"], world.port);
    world.gateway.set_rules(both);
    let mut kept = world.client("example.org").await;
    let mut kept_server = world.accepted().await;
    let mut cut = world.client("other.example").await;
    let mut cut_server = world.accepted().await;
    cut.write_all(b"*1\r\n").await.unwrap();
    exactly(&mut cut_server, b"*1\r\n").await;
    world.gateway.set_rules(rules(&["example.org"], world.port));
    assert_eq!(rest(&mut cut).await, (vec![], RESET));
    assert_eq!(rest(&mut cut_server).await, (vec![], RESET));
    kept.write_all(b"*1\r\n").await.unwrap();
    exactly(&mut kept_server, b"*1\r\n").await;
    let decision = world.gateway.log().recent().remove(0);
    assert_eq!((decision.end, decision.bytes_up), (Some(End::Revoked), 4));
    // A rule that is no longer private does not hold for where it led.
    let plain = format!("example.org:{}", world.port).parse().unwrap();
    world.gateway.set_rules(Rules::new(&[plain]));
    assert_eq!(rest(&mut kept).await, (vec![], RESET));
}

#[tokio::test]
async fn a_gateway_that_stops_resets_and_records() {
    for drop_it in [false, true] {
        let world = World::new().await;
        let mut client = world.client("example.org").await;
        let mut server = world.accepted().await;
        client.write_all(b"*1\r\n").await.unwrap();
        exactly(&mut server, b"*1\r\n").await;
        let log = Arc::clone(world.gateway.log());
        if drop_it {
            drop(world.gateway);
        } else {
            world.gateway.stop().await;
            assert_eq!(log.total(), 1, "recorded when stopping is done");
        }
        assert_eq!(rest(&mut client).await, (vec![], RESET));
        assert_eq!(rest(&mut server).await, (vec![], RESET));
        until(|| log.total() == 1).await;
        let decision = log.recent().remove(0);
        assert_eq!((decision.end, decision.bytes_up), (Some(End::Stopped), 4));
    }
}

#[tokio::test]
async fn a_side_that_breaks_off_breaks_off_the_other() {
    let world = World::new().await;
    let mut client = world.client("example.org").await;
    let mut server = world.accepted().await;
    server.write_all(b"x").await.unwrap();
    exactly(&mut client, b"x").await;
    server.set_zero_linger().unwrap();
    drop(server);
    assert_eq!(rest(&mut client).await, (vec![], RESET));
    assert_eq!(world.decisions(1).await[0].end, Some(End::Reset));
}

#[tokio::test]
async fn nobody_at_the_address_is_no_denial() {
    let mut world = World::new().await;
    world.server = listen().await;
    let mut client = world.client("example.org").await;
    assert_eq!(rest(&mut client).await, (vec![], RESET));
    let decision = world.decisions(1).await.remove(0);
    assert_eq!((decision.verdict, decision.end), (Verdict::Allow, Some(End::Unreachable)));
}

#[tokio::test]
async fn more_connections_than_there_may_be_are_denied() {
    let world =
        World::with(|setup| setup.limits(Limits { connections: 2, ..Limits::default() })).await;
    let (first, second) = (world.client("example.org").await, world.client("example.org").await);
    let servers = (world.accepted().await, world.accepted().await);
    let mut third = world.client("example.org").await;
    assert_eq!(rest(&mut third).await, (vec![], RESET));
    let denial = world.gateway.log().recent().remove(0);
    assert_eq!(denial.reason.unwrap().code(), "too_many_connections");
    drop((first, second, servers));
    let again = async {
        loop {
            let mut client = world.client("example.org").await;
            client.write_all(b"*1\r\n").await.unwrap();
            if let Ok(Ok((stream, _))) =
                timeout(Duration::from_millis(200), world.server.accept()).await
            {
                return stream;
            }
        }
    };
    timeout(LONG, again).await.unwrap();
}

#[tokio::test]
async fn bytes_are_bounded_for_one_and_for_all() {
    let world = World::with(|setup| {
        let limits = Limits { connection_bytes: Some(10), bytes: Some(15), ..Limits::default() };
        setup.limits(limits)
    })
    .await;
    for expected in [10, 5] {
        let mut client = world.client("example.org").await;
        let mut server = world.accepted().await;
        client.write_all(b"*23456789012").await.unwrap();
        client.write_all(b"*\r\n").await.unwrap();
        let (bytes, end) = rest(&mut server).await;
        assert!(bytes.len() <= expected && end == RESET, "{bytes:?}");
        assert_eq!(rest(&mut client).await.1, RESET);
    }
    let mut client = world.client("example.org").await;
    assert_eq!(rest(&mut client).await, (vec![], RESET));
    let decisions = world.decisions(3).await;
    assert_eq!(decisions[0].end, Some(End::Limit));
    assert_eq!(decisions[1].end, Some(End::Limit));
    assert_eq!(decisions[2].reason.as_ref().unwrap().code(), "bytes_spent");
}

#[tokio::test]
async fn a_connection_that_carries_nothing_ends() {
    let world = World::with(|setup| {
        setup.limits(Limits { idle: Duration::from_millis(50), ..Limits::default() })
    })
    .await;
    let mut client = world.client("example.org").await;
    let mut server = world.accepted().await;
    assert_eq!(rest(&mut client).await, (vec![], RESET));
    assert_eq!(rest(&mut server).await, (vec![], RESET));
    assert_eq!(world.decisions(1).await[0].end, Some(End::Idle));
}

#[tokio::test]
async fn names_that_dns_refused_are_recorded_once_and_counted() {
    let world = World::new().await;
    for _ in 0..3 {
        world.gateway.name_refused(&name("evil.example"));
    }
    world.denial("unlisted_name").await;
    let denied = world.gateway.log().denied();
    assert_eq!((&*denied[0].host, denied[0].port, denied[0].count), ("evil.example", 0, 3));
    assert_eq!(world.gateway.log().suggestions(), ["evil.example"]);
}

#[tokio::test]
async fn a_flight_that_does_not_end_is_given_up() {
    let world = World::with(|setup| {
        setup.limits(Limits { opening: Duration::from_millis(50), ..Limits::default() })
    })
    .await;
    let mut client = world.client("example.org").await;
    let mut server = world.accepted().await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: evil").await.unwrap();
    assert_eq!(rest(&mut client).await, (vec![], RESET));
    assert_eq!(rest(&mut server).await, (vec![], RESET));
    world.denial("unfinished").await;
}

/// A listener without descriptors, for so many tries.
struct Poor(TcpListener, SocketAddr, Arc<AtomicU32>, u32);

#[async_trait]
impl Listener for Poor {
    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        const EMFILE: i32 = 24;
        if self.2.fetch_add(1, Ordering::Relaxed) < self.3 {
            return Err(io::Error::from_raw_os_error(EMFILE));
        }
        Ok((TcpListener::accept(&self.0).await?.0, self.1))
    }
}

#[tokio::test]
async fn a_listener_that_fails_is_tried_again() {
    let world = World::new().await;
    let address = world.names.lock().unwrap().address_of(&name("example.org")).unwrap();
    let listener = listen().await;
    let at = listener.local_addr().unwrap();
    let tries = Arc::default();
    let poor = Poor(listener, (address.v4, world.port).into(), Arc::clone(&tries), 5);
    world.gateway.serve(poor, Mode::Transparent);
    let mut client = TcpStream::connect(at).await.unwrap();
    let mut server = world.accepted().await;
    client.write_all(b"*1\r\n").await.unwrap();
    exactly(&mut server, b"*1\r\n").await;
    assert!(tries.load(Ordering::Relaxed) >= 6);
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_always_fails_costs_little() {
    let gateway = Gateway::setup("s1", Rules::default()).start();
    let (listener, tries) = (listen().await, Arc::default());
    let at = listener.local_addr().unwrap();
    gateway.serve(Poor(listener, at, Arc::clone(&tries), u32::MAX), Mode::Transparent);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let tries = tries.load(Ordering::Relaxed);
    assert!((60..300).contains(&tries), "{tries}");
}
