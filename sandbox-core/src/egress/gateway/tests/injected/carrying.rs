use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn the_right_host_gets_the_secret_in_each_request() {
    let scene = Scene::new().await;
    let (mut near, mut far) = scene.pair("example.org").await;
    assert_eq!(near.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let placeholder = scene.placeholder("A_TOKEN");
    assert!(placeholder.starts_with("ghp_") && placeholder.len() == SECRET.len());
    for form in ["Bearer", "bearer", "token"] {
        let field = format!("authorization: {form} {placeholder}\r\nAccept-Encoding: gzip\r\n");
        send(&mut near, get("/user?x=1", &field)).await;
        let got = until_text(&mut far, "\r\n\r\n").await;
        let head = "GET /user?x=1 HTTP/1.1\r\nHost: example.org\r\n";
        let tail = "Accept-Encoding: identity\r\n\r\n";
        assert_eq!(got, format!("{head}authorization: {form} {SECRET}\r\n{tail}"));
        send(&mut far, OK).await;
        assert_eq!(until_text(&mut near, "ok").await, OK);
    }
    // What has no placeholder is passed on as it is.
    let plain = get("/", "Accept-Encoding: gzip\r\nAuthorization: Bearer mine\r\n");
    send(&mut near, &plain).await;
    assert_eq!(until_text(&mut far, "\r\n\r\n").await, plain);
    send(&mut far, OK).await;
    until_text(&mut near, "ok").await;
    near.shutdown().await.unwrap();
    assert_eq!(everything(&mut far).await, b"");
    far.shutdown().await.unwrap();
    let decision = scene.world.decisions(1).await.remove(0);
    assert_eq!(decision.credentials, ["A_TOKEN"]);
    assert_eq!((decision.verdict, decision.end), (Verdict::Allow, Some(End::Closed)));
    let line = decision.to_line();
    assert!(!line.contains(SECRET) && !line.contains(placeholder), "{line}");
}

#[tokio::test]
async fn a_pair_of_user_and_password_holds_the_secret_as_either() {
    let scene = Scene::new().await;
    let (mut near, mut far) = scene.pair("example.org").await;
    let placeholder = scene.placeholder("A_TOKEN");
    for (user, password) in [("x-access-token", ""), ("", "x-oauth-basic"), ("", "")] {
        let pair = |it: &str| match (user, password) {
            ("", password) => format!("{it}:{password}"),
            (user, _) => format!("{user}:{it}"),
        };
        let sent = BASE64_STANDARD.encode(pair(placeholder));
        send(&mut near, get("/", &format!("Authorization: Basic {sent}\r\n"))).await;
        let got = until_text(&mut far, "\r\n\r\n").await;
        let filled = BASE64_STANDARD.encode(pair(SECRET));
        assert!(got.contains(&format!("Authorization: Basic {filled}\r\n")), "{got}");
        // Sent back as it is, it is known again.
        let echo = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{filled}", filled.len());
        send(&mut far, echo).await;
        let answer = until_text(&mut near, &sent).await;
        assert!(!answer.contains(&filled), "{answer}");
    }
}

/// Answers with the secret, and what comes of them.
fn answers(placeholder: &str) -> [(String, String); 4] {
    let (left, right) = SECRET.split_at(7);
    let length = SECRET.len();
    [
        (
            format!(
                "HTTP/1.1 200 OK\r\nX-Got: {SECRET}\r\nContent-Length: {length}\r\n\r\n{SECRET}"
            ),
            format!(
                "HTTP/1.1 200 OK\r\nX-Got: {placeholder}\r\nContent-Length: {length}\r\n\r\n\
                 {placeholder}"
            ),
        ),
        (
            format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n{left}\r\n{:x}\r\n{right}\
                 \r\n0\r\nX-Trailer: {SECRET}\r\n\r\n",
                right.len()
            ),
            format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{placeholder}\
                 \r\n0\r\n\r\n"
            ),
        ),
        (
            format!("HTTP/1.1 103 Early Hints\r\nX: {SECRET}\r\n\r\nHTTP/1.1 204 No\r\n\r\n"),
            format!("HTTP/1.1 103 Early Hints\r\nX: {placeholder}\r\n\r\nHTTP/1.1 204 No\r\n\r\n"),
        ),
        // Up to the end of the connection.
        (
            format!("HTTP/1.0 200 OK\r\n\r\n{SECRET}{left}"),
            format!("HTTP/1.0 200 OK\r\n\r\n{placeholder}{left}"),
        ),
    ]
}

#[tokio::test]
async fn a_secret_in_an_answer_becomes_the_placeholder() {
    let scene = Scene::new().await;
    let (mut near, mut far) = scene.pair("example.org").await;
    let placeholder = scene.placeholder("A_TOKEN");
    for (answer, clean) in answers(placeholder) {
        let field = format!("Authorization: Bearer {placeholder}\r\n");
        send(&mut near, get("/", &field)).await;
        until_text(&mut far, "\r\n\r\n").await;
        let (first, second) = answer.split_at(answer.len() - 15);
        send(&mut far, first).await;
        send(&mut far, second).await;
        if answer.starts_with("HTTP/1.0") {
            far.shutdown().await.unwrap();
            assert_eq!(everything(&mut near).await, clean.as_bytes());
        } else {
            assert_eq!(so_much(&mut near, clean.len()).await, clean);
        }
    }
}

#[tokio::test]
async fn long_bodies_pass_both_ways() {
    let scene = Scene::new().await;
    let (mut near, mut far) = scene.pair("example.org").await;
    let body: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    let length = body.len();
    let field = format!("Authorization: Bearer {}\r\n", scene.placeholder("A_TOKEN"));
    let expects = "Expect: 100-continue\r\n";
    let head = format!("POST /up HTTP/1.1\r\nHost: example.org\r\n{field}{expects}");
    send(&mut near, format!("{head}Content-Length: {length}\r\n\r\n")).await;
    let got = until_text(&mut far, "\r\n\r\n").await;
    assert!(got.contains(SECRET) && got.contains(expects), "{got}");
    send(&mut far, "HTTP/1.1 100 Continue\r\n\r\n").await;
    until_text(&mut near, "100 Continue\r\n\r\n").await;
    let mut come = vec![0; length];
    let (_, read) = tokio::join!(send(&mut near, &body), far.read_exact(&mut come));
    assert!(read.is_ok() && come == body);
    send(&mut far, OK).await;
    until_text(&mut near, "ok").await;
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    send(&mut near, chunked).await;
    let got = until_text(&mut far, "5\r\nhello\r\n0\r\n\r\n").await;
    assert!(got.contains(SECRET), "{got}");
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    let mut come = vec![0; head.len() + length];
    let sending = async {
        send(&mut far, &head).await;
        send(&mut far, &body).await;
    };
    let (_, read) = tokio::join!(sending, near.read_exact(&mut come));
    assert!(read.is_ok() && come[head.len()..] == body);
}

#[tokio::test]
async fn requests_that_come_at_once_are_all_edited_and_a_refusal_waits_its_turn() {
    let scene = Scene::new().await;
    let (mut near, mut far) = scene.pair("example.org").await;
    let placeholder = scene.placeholder("A_TOKEN");
    let field = format!("Authorization: Bearer {placeholder}\r\n");
    let bad = get(&format!("/{placeholder}"), "");
    send(&mut near, [get("/1", &field), get("/2", &field), bad].concat()).await;
    for path in ["/1", "/2"] {
        let got = until_text(&mut far, "\r\n\r\n").await;
        assert!(got.starts_with(&format!("GET {path} ")) && got.contains(SECRET), "{got}");
    }
    for _ in 0..2 {
        send(&mut far, &OK[..30]).await;
        send(&mut far, &OK[30..]).await;
    }
    let answers = String::from_utf8(everything(&mut near).await).unwrap();
    let refusal = answers.strip_prefix(&[OK, OK].concat()).unwrap_or_else(|| panic!("{answers}"));
    assert!(refusal.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{refusal}");
    drop(near);
    assert_eq!(everything(&mut far).await, b"");
    let decision = scene.world.denial("credential_place").await;
    assert_eq!(decision.credentials, ["A_TOKEN"]);
}

#[tokio::test]
async fn a_connection_may_change_to_another_protocol() {
    let scene = Scene::new().await;
    let (mut near, mut far) = scene.pair("example.org").await;
    let field = format!(
        "Authorization: Bearer {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
        scene.placeholder("A_TOKEN")
    );
    send(&mut near, get("/ws", &field) + "early").await;
    let got = until_text(&mut far, "\r\n\r\n").await;
    assert!(got.contains(SECRET) && got.contains("Upgrade: websocket"), "{got}");
    let agreed = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
    send(&mut far, format!("{agreed}hi {SECRET}.")).await;
    assert_eq!(until_text(&mut far, "early").await, "early");
    let clean = format!("{agreed}hi {}.", scene.placeholder("A_TOKEN"));
    assert_eq!(so_much(&mut near, clean.len()).await, clean);
    send(&mut near, "any thing").await;
    assert_eq!(until_text(&mut far, "thing").await, "any thing");
}

#[tokio::test]
async fn an_address_and_a_client_of_the_proxy_are_served_as_well() {
    let scene = Scene::new().await;
    let at = format!("127.0.0.1:{}", scene.world.port);
    let mut stream = scene.world.proxied().await;
    let trusted = CertificateDer::from_pem_slice(scene.injection.certificate().as_bytes()).unwrap();
    send(&mut stream, format!("CONNECT {at} HTTP/1.1\r\nHost: {at}\r\n\r\n")).await;
    until_text(&mut stream, "established\r\n\r\n").await;
    let (near, mut far) = tokio::join!(shake(stream, "127.0.0.1", trusted, &[]), scene.served());
    let field = format!("Authorization: Bearer {}\r\n", scene.placeholder("A_TOKEN"));
    let request = get("/", &field).replace("example.org", &at);
    send(&mut near.unwrap(), request).await;
    assert!(until_text(&mut far, "\r\n\r\n").await.contains(SECRET));
}

#[tokio::test]
async fn other_hosts_are_not_inspected() {
    let scene = Scene::new().await;
    let client = async {
        // The server's own certificate comes through.
        let stream = scene.world.client("third.example").await;
        shake(stream, "third.example", scene.root.clone(), &[]).await.unwrap()
    };
    let (mut near, mut far) = tokio::join!(client, scene.served());
    let field = format!("Authorization: Bearer {}\r\n", scene.placeholder("A_TOKEN"));
    let request = get("/", &field);
    send(&mut near, &request).await;
    assert_eq!(until_text(&mut far, "\r\n\r\n").await, request);
    drop((near, far));
    assert!(scene.world.decisions(1).await[0].credentials.is_empty());
}

#[tokio::test]
async fn nothing_shows_a_secret() {
    let scene = Scene::new().await;
    let shown = format!("{:?} {:?}", scene.injection, scene.world.gateway);
    let exchange = crate::egress::injection::edit::Exchange::new(&scene.injection);
    let shown = format!("{shown} {exchange:?}");
    for secret in [SECRET, KEY, "PRIVATE"] {
        assert!(!shown.contains(secret), "{shown}");
        assert!(!scene.injection.certificate().contains(secret));
    }
}
