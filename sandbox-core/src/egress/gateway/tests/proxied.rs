use super::*;

fn absolute(host: &str) -> String {
    format!("GET http://{host}/x HTTP/1.1\r\nHost: {host}\r\nProxy-Connection: keep-alive\r\n\r\n")
}

/// A second server, known as `other.example`.
async fn with_other(world: &World) -> (TcpListener, u16) {
    let other = listen().await;
    let port = other.local_addr().unwrap().port();
    let rules = [rules(&["example.org"], world.port), rules(&["other.example"], port)];
    let all: Vec<_> = rules.iter().flat_map(|rules| rules.as_slice().to_vec()).collect();
    world.gateway.set_rules(Rules::new(&all));
    (other, port)
}

/// Reads a request's head.
async fn head(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(timeout(LONG, stream.read_u8()).await.unwrap().unwrap());
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_tunnel_is_confirmed_and_what_is_in_it_is_judged() {
    let world = World::new().await;
    let mut client = world.proxied().await;
    let ask = format!("CONNECT example.org:{} HTTP/1.1\r\nHost: example.org\r\n\r\n", world.port);
    client.write_all(ask.as_bytes()).await.unwrap();
    let mut server = world.accepted().await;
    assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));
    client.write_all(b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n").await.unwrap();
    assert_eq!(rest(&mut client).await, (vec![], RESET));
    assert_eq!(rest(&mut server).await, (vec![], RESET));
    world.denial("other_host").await;
}

#[tokio::test]
async fn socks_leads_to_a_name_and_its_early_bytes_arrive() {
    let world = World::new().await;
    let mut client = world.proxied().await;
    let ask = [&b"\x05\x01\x00\x05\x01\x00\x03\x0bexample.org"[..], &world.port.to_be_bytes()];
    client.write_all(&ask.concat()).await.unwrap();
    client.write_all(b"SSH-2.0-x\r\n").await.unwrap();
    let mut server = world.accepted().await;
    exactly(&mut client, b"\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00").await;
    exactly(&mut server, b"SSH-2.0-x\r\n").await;
    drop(client);
    assert_eq!(rest(&mut server).await, (vec![], Ok(())));
    drop(server);
    assert_eq!(world.decisions(1).await[0].bytes_up, 11);
}

#[tokio::test]
async fn who_forgets_the_key_is_asked_and_who_shows_another_is_recorded() {
    let key = Key::new([3; Key::SIZE]);
    let world = World::with(|setup| setup.key(key.clone())).await;
    let host = format!("example.org:{}", world.port);
    let mut client = world.proxied().await;
    client.write_all(absolute(&host).as_bytes()).await.unwrap();
    let (page, end) = rest(&mut client).await;
    assert!(page.starts_with(b"HTTP/1.1 407 ") && end.is_ok(), "{page:?}");
    drop(client);
    world.decisions(0).await;
    let mut client = world.proxied().await;
    client.write_all(b"\x05\x01\x00").await.unwrap();
    assert_eq!(rest(&mut client).await, (vec![5, 0xff], Ok(())));
    drop(client);
    world.denial("unauthenticated").await;
}

#[tokio::test]
async fn what_is_denied_is_said_in_the_clients_words() {
    let world = World::new().await;
    let connect = "CONNECT other.example:443 HTTP/1.1\r\nHost: other.example:443\r\n\r\n";
    for request in [connect.to_owned(), absolute("other.example")] {
        let before = world.gateway.log().recent().len();
        let mut client = world.proxied().await;
        client.write_all(request.as_bytes()).await.unwrap();
        let (page, end) = rest(&mut client).await;
        let page = String::from_utf8(page).unwrap();
        assert!(page.starts_with("HTTP/1.1 403 ") && page.contains("other.example"), "{page}");
        assert_eq!(end, Ok(()));
        drop(client);
        let decision = world.decisions(before + 1).await.pop().unwrap();
        assert_eq!(decision.reason.unwrap().code(), "unlisted_name");
    }
    let mut client = world.proxied().await;
    client.write_all(b"\x05\x01\x00\x05\x01\x00\x03\x0dother.example\x01\xbb").await.unwrap();
    assert_eq!(rest(&mut client).await.0[..4], [5, 0, 5, 2]);
}

#[tokio::test]
async fn a_proxy_answers_what_it_does_not_understand() {
    let world = World::new().await;
    let mut client = world.proxied().await;
    client.write_all(b"\x04\x01\x00\x50\xc0\x00\x02\x01\x00").await.unwrap();
    assert_eq!(rest(&mut client).await.0, [0, 91, 0, 0, 0, 0, 0, 0]);
    let mut client = world.proxied().await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n").await.unwrap();
    assert!(rest(&mut client).await.0.starts_with(b"HTTP/1.1 400 "));
    drop(client);
    let decisions = world.decisions(2).await;
    assert!(decisions.iter().all(|one| one.host.is_empty() && one.verdict == Verdict::Deny));
}

#[tokio::test]
async fn requests_of_one_connection_go_to_their_servers() {
    let world = World::new().await;
    let (other, port) = with_other(&world).await;
    let mut client = world.proxied().await;
    let (here, there) = (format!("example.org:{}", world.port), format!("other.example:{port}"));
    client.write_all(absolute(&here).as_bytes()).await.unwrap();
    let mut server = world.accepted().await;
    for _ in 0..2 {
        let request = head(&mut server).await;
        assert_eq!(request, format!("GET /x HTTP/1.1\r\nHost: {here}\r\n\r\n"));
        server.write_all(b"one").await.unwrap();
        exactly(&mut client, b"one").await;
        client.write_all(absolute(&here).as_bytes()).await.unwrap();
    }
    head(&mut server).await;
    client.write_all(absolute(&there).as_bytes()).await.unwrap();
    // The first server has all the time it needs for its last answer.
    assert_eq!(rest(&mut server).await, (vec![], Ok(())));
    server.write_all(b"last").await.unwrap();
    drop(server);
    exactly(&mut client, b"last").await;
    let mut server = timeout(LONG, other.accept()).await.unwrap().unwrap().0;
    assert!(head(&mut server).await.contains(&there));
    client.write_all(absolute("evil.example").as_bytes()).await.unwrap();
    drop(server);
    let (page, _) = rest(&mut client).await;
    assert!(page.starts_with(b"HTTP/1.1 403 "), "{page:?}");
    drop(client);
    let decisions = world.decisions(3).await;
    let hosts: Vec<_> = decisions.iter().map(|one| (&*one.host, one.verdict)).collect();
    let expected = [
        ("example.org", Verdict::Allow),
        ("other.example", Verdict::Allow),
        ("evil.example", Verdict::Deny),
    ];
    assert_eq!(hosts, expected);
}

#[tokio::test]
async fn a_client_that_still_sends_reads_why_it_is_refused() {
    let world = World::new().await;
    let mut client = world.proxied().await;
    let head = "POST http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\
        Content-Length: 200000\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    until(|| world.gateway.log().total() == 1).await;
    client.write_all(&vec![0; 200_000]).await.unwrap();
    let (page, end) = rest(&mut client).await;
    assert!(page.starts_with(b"HTTP/1.1 403 ") && end.is_ok(), "{page:?}");
}

#[tokio::test]
async fn a_slow_client_of_the_proxy_is_told_so() {
    let limits = Limits { greeting: Duration::from_millis(50), ..Limits::default() };
    let world = World::with(|setup| setup.limits(limits)).await;
    let mut client = world.proxied().await;
    client.write_all(b"CONNECT ").await.unwrap();
    assert!(rest(&mut client).await.0.starts_with(b"HTTP/1.1 408 "));
    drop(client);
    world.denial("unfinished").await;
}
