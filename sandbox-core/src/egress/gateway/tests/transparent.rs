use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::egress::flight::tests::{hello, records};

#[tokio::test]
async fn bytes_pass_both_ways_and_are_counted_once() {
    let world = World::new().await;
    let mut client = world.client("example.org").await;
    let mut server = world.accepted().await;
    client.write_all(b"*1\r\n").await.unwrap();
    exactly(&mut server, b"*1\r\n").await;
    let big = vec![7; 3 << 20];
    let (sent, got) = tokio::join!(
        async {
            server.write_all(&big).await.unwrap();
            server.shutdown().await.unwrap();
        },
        rest(&mut client)
    );
    assert_eq!((sent, got), ((), (big, Ok(()))));
    // The server is done, the client is not.
    client.write_all(b"late").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut server).await, (b"late".to_vec(), Ok(())));
    let decision = world.decisions(1).await.remove(0);
    assert_eq!((decision.verdict, decision.end), (Verdict::Allow, Some(End::Closed)));
    assert_eq!((decision.bytes_up, decision.bytes_down), (8, 3 << 20));
    assert_eq!((&*decision.host, decision.port), ("example.org", world.port));
    assert!(decision.rule.unwrap().contains("example.org"));
}

/// Sends bytes in pieces and says how many the system has taken.
async fn trickle(stream: &TcpStream, bytes: &[u8], taken: &AtomicUsize) {
    while taken.load(Ordering::Relaxed) < bytes.len() {
        stream.writable().await.unwrap();
        if let Ok(count) = stream.try_write(&bytes[taken.load(Ordering::Relaxed)..]) {
            taken.fetch_add(count, Ordering::Relaxed);
        }
    }
}

/// Carries bytes that nobody reads until no more can be sent.
async fn stall(from: &mut TcpStream, to: &mut TcpStream, bytes: &[u8]) {
    let taken = AtomicUsize::new(0);
    let slow = async {
        let mut before = usize::MAX;
        while before != taken.load(Ordering::Relaxed) {
            before = taken.load(Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(before < bytes.len(), "more is buffered than was sent");
        let mut got = vec![0; bytes.len()];
        timeout(LONG, to.read_exact(&mut got)).await.unwrap().unwrap();
        assert!(got == bytes);
    };
    tokio::join!(trickle(from, bytes, &taken), slow);
}

#[tokio::test]
async fn what_a_slow_reader_does_not_take_waits() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 << 10).unwrap();
    socket.bind((LOOPBACK, 0).into()).unwrap();
    let world = World::over(socket.listen(8).unwrap(), |setup| setup);
    let mut client = world.client("example.org").await;
    let mut server = world.accepted().await;
    const SIZE: u32 = 24 << 20;
    let bytes: Vec<u8> = (0..SIZE).map(|number| (number / 251) as u8 | 0x80).collect();
    stall(&mut client, &mut server, &bytes).await;
    stall(&mut server, &mut client, &bytes).await;
    drop((client, server));
    let decision = world.decisions(1).await.remove(0);
    assert_eq!((decision.bytes_up, decision.bytes_down), (SIZE.into(), SIZE.into()));
}

#[tokio::test]
async fn a_change_of_protocol_is_carried_once_the_server_agrees() {
    let world = World::new().await;
    let mut client = world.client("example.org").await;
    let mut server = world.accepted().await;
    let request = b"GET / HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\n\r\n";
    client.write_all(request).await.unwrap();
    client.write_all(b"frame").await.unwrap();
    exactly(&mut server, request).await;
    let answer = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";
    server.write_all(answer).await.unwrap();
    exactly(&mut client, answer).await;
    exactly(&mut server, b"frame").await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: any.example\r\n\r\n").await.unwrap();
    exactly(&mut server, b"GET / HTTP/1.1\r\nHost: any.example\r\n\r\n").await;
}

#[tokio::test]
async fn a_server_may_speak_first() {
    let world = World::new().await;
    let mut client = world.client("example.org").await;
    let mut server = world.accepted().await;
    server.write_all(b"SSH-2.0-server\r\n").await.unwrap();
    exactly(&mut client, b"SSH-2.0-server\r\n").await;
    client.write_all(b"SSH-2.0-client\r\n").await.unwrap();
    exactly(&mut server, b"SSH-2.0-client\r\n").await;
}

#[tokio::test]
async fn a_word_without_a_line_end_is_passed_on() {
    let world = World::new().await;
    let mut client = world.client("example.org").await;
    let mut server = world.accepted().await;
    for word in [&b"ping"[..], b"pong"] {
        client.write_all(word).await.unwrap();
        exactly(&mut server, word).await;
    }
    // What became of the word after all is still judged.
    client.write_all(b" / HTTP/1.1\r\nHost: evil.example\r\n\r\n").await.unwrap();
    assert_eq!(rest(&mut client).await.1, RESET);
    assert_eq!(rest(&mut server).await, (vec![], RESET));
    let denial = world.denial("other_host").await;
    assert_eq!(denial.bytes_up, 8);
}

#[tokio::test]
async fn a_word_that_becomes_a_good_request_arrives_whole() {
    let world = World::new().await;
    let mut client = world.client("example.org").await;
    let mut server = world.accepted().await;
    client.write_all(b"BREW").await.unwrap();
    exactly(&mut server, b"BREW").await;
    let more = b" / HTTP/1.1\r\nHost: example.org\r\n\r\n";
    client.write_all(more).await.unwrap();
    exactly(&mut server, more).await;
}

#[tokio::test]
async fn a_hello_passes_that_comes_byte_by_byte() {
    let world = World::new().await;
    let mut client = world.client("example.org").await;
    client.set_nodelay(true).unwrap();
    let mut server = world.accepted().await;
    let bytes = records(&hello(&["Example.org"]), 9);
    for byte in &bytes {
        client.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    exactly(&mut server, &bytes).await;
    server.write_all(b"hello").await.unwrap();
    exactly(&mut client, b"hello").await;
}

#[tokio::test]
async fn another_name_in_the_hello_is_reset_before_it_is_passed_on() {
    let world = World::new().await;
    let mut client = world.client("example.org").await;
    let mut server = world.accepted().await;
    client.write_all(&records(&hello(&["evil.example"]), 50)).await.unwrap();
    assert_eq!(rest(&mut client).await, (vec![], RESET));
    assert_eq!(rest(&mut server).await, (vec![], RESET));
    let denial = world.denial("other_host").await;
    assert_eq!(denial.bytes_up, 0);
    assert!(denial.reason.unwrap().to_string().contains("evil.example"));
    assert_eq!(world.gateway.log().suggestions(), ["evil.example"]);
}

#[tokio::test]
async fn a_second_request_for_another_host_is_not_passed_on() {
    let world = World::new().await;
    let mut client = world.client("example.org").await;
    let mut server = world.accepted().await;
    let good = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n";
    let evil = b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    client.write_all(good).await.unwrap();
    exactly(&mut server, good).await;
    server.write_all(b"answer").await.unwrap();
    exactly(&mut client, b"answer").await;
    client.write_all(evil).await.unwrap();
    assert_eq!(rest(&mut client).await, (vec![], RESET));
    assert_eq!(rest(&mut server).await, (vec![], RESET));
    let denial = world.denial("other_host").await;
    assert_eq!((denial.bytes_up, denial.bytes_down), (good.len() as u64, 6));
}

#[tokio::test]
async fn what_has_two_readings_is_reset() {
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: example.org\r\nHost: evil.example\r\n\r\n"[..],
        b"GET http://evil.example/ HTTP/1.1\r\nHost: example.org\r\n\r\n",
        b"GET / HTTP/1.1\nHost: example.org\n\n",
        b"CONNECT evil.example:443 HTTP/1.1\r\nHost: example.org\r\n\r\n",
        b"\r\nGET / HTTP/1.1\r\nHost: example.org:1\r\n\r\n",
    ] {
        let world = World::new().await;
        let mut client = world.client("example.org").await;
        let mut server = world.accepted().await;
        client.write_all(bytes).await.unwrap();
        assert_eq!(rest(&mut client).await.1, RESET, "{bytes:?}");
        assert_eq!(rest(&mut server).await, (vec![], RESET));
        assert_eq!(world.decisions(1).await[0].verdict, Verdict::Deny);
    }
}

#[tokio::test]
async fn what_no_rule_names_is_reset() {
    let world = World::new().await;
    let synthetic = world.names.lock().unwrap().address_of(&name("example.org")).unwrap().v4;
    let unknown: IpAddr = "198.18.3.4".parse().unwrap();
    let unlisted = world.names.lock().unwrap().address_of(&name("other.example")).unwrap().v4;
    for (meant, code) in [
        (SocketAddr::new(unknown, world.port), "unknown_address"),
        (SocketAddr::new("192.0.43.8".parse().unwrap(), 443), "unlisted_address"),
        (SocketAddr::from((synthetic, 1)), "wrong_port"),
        (SocketAddr::from((unlisted, world.port)), "unlisted_name"),
    ] {
        let before = world.gateway.log().recent().len();
        let mut client = world.client_of(meant).await;
        assert_eq!(rest(&mut client).await, (vec![], RESET), "{code}");
        let decision = world.decisions(before + 1).await.pop().unwrap();
        assert_eq!(decision.reason.unwrap().code(), code);
    }
}

#[tokio::test]
async fn a_name_that_leads_to_the_host_itself_is_reset() {
    let world = World::new().await;
    let plain = format!("example.org:{}", world.port).parse().unwrap();
    world.gateway.set_rules(Rules::new(&[plain]));
    let mut client = world.client("example.org").await;
    assert_eq!(rest(&mut client).await, (vec![], RESET));
    world.denial("special_address").await;
}

#[tokio::test]
async fn an_address_that_a_rule_lists_is_dialled() {
    let world = World::new().await;
    let mut client = world.client_of(SocketAddr::new(LOOPBACK, world.port)).await;
    let mut server = world.accepted().await;
    let request = b"GET / HTTP/1.1\r\nHost: any.example\r\n\r\n";
    client.write_all(request).await.unwrap();
    exactly(&mut server, request).await;
}
