use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::*;

/// Sends a request, which must be refused with this status and for this reason; nothing of it may
/// come to the server.
async fn refused(host: &str, request: impl Fn(&Scene) -> String, status: u16, code: &str) {
    let scene = Scene::new().await;
    let (mut near, mut far) = scene.pair(host).await;
    let request = request(&scene);
    send(&mut near, &request).await;
    let answer = String::from_utf8(everything(&mut near).await).unwrap();
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {answer:?}");
    drop(near);
    assert_eq!(everything(&mut far).await, b"", "{request:?}");
    let decision = scene.world.decisions(1).await.remove(0);
    assert_eq!(decision.verdict, Verdict::Deny, "{request:?}");
    assert_eq!(decision.reason.as_ref().unwrap().code(), code, "{request:?}");
    assert!(decision.credentials.is_empty(), "{request:?}");
    let shown = [decision.to_line(), answer].concat();
    for secret in [SECRET, KEY, scene.placeholder("A_TOKEN"), scene.placeholder("B_KEY")] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[tokio::test]
async fn a_placeholder_elsewhere_is_refused() {
    let bearer = |text: &str| format!("Authorization: Bearer {text}\r\n");
    type Case<'a> = (&'a str, &'a dyn Fn(&str) -> String);
    let cases: [Case<'_>; 9] = [
        ("credential_place", &|it| get(&format!("/?token={it}"), "")),
        ("credential_place", &|it| get("/", &format!("X-Token: {it}\r\n"))),
        ("credential_place", &|it| get("/", &(bearer(it) + &bearer("mine")))),
        ("credential_place", &|it| get("/", &(bearer(it) + &bearer(it)))),
        ("credential_place", &|it| get("/", &format!("{it}: x\r\n"))),
        ("credential_format", &|it| get("/", &format!("Authorization: Digest {it}\r\n"))),
        ("credential_format", &|it| get("/", &format!("Authorization: Bearer x{it}\r\n"))),
        ("credential_format", &|it| {
            let pair = BASE64_STANDARD.encode(format!("user:x{it}"));
            get("/", &format!("Authorization: Basic {pair}\r\n"))
        }),
        ("credential_method", &|it| get("/", &bearer(it)).replacen("GET", "TRACE", 1)),
    ];
    for (code, request) in cases {
        refused("example.org", |scene| request(scene.placeholder("A_TOKEN")), 403, code).await;
    }
}

#[tokio::test]
async fn another_host_method_or_path_is_refused() {
    let other = |method: &str, path: &str, field: &str| {
        format!("{method} {path} HTTP/1.1\r\nHost: other.example\r\n{field}\r\n")
    };
    for (code, method, path, more) in [
        ("credential_method", "POST", "/v1/a", ""),
        ("credential_method", "get", "/v1/a", ""),
        ("credential_method", "GET", "/v1/a", "X-HTTP-Method-Override: DELETE\r\n"),
        ("credential_method", "TRACE", "/v1/a", ""),
        ("credential_path", "GET", "/v2/a", ""),
        ("credential_path", "GET", "/me/keys", ""),
        ("credential_path", "GET", "/v1/../v2", ""),
        ("credential_path", "GET", "/v1/%2e%2e/v2", ""),
        ("credential_path", "GET", "/v1//x", ""),
        ("credential_path", "OPTIONS", "*", ""),
    ] {
        let code = if method == "OPTIONS" { "credential_method" } else { code };
        let request = |scene: &Scene| {
            let field = format!("X-API-KEY: {}\r\n{more}", scene.placeholder("B_KEY"));
            other(method, path, &field)
        };
        refused("other.example", request, 403, code).await;
    }
    let strange = |scene: &Scene| {
        let field = format!("X-Api-Key: {}\r\n", scene.placeholder("A_TOKEN"));
        other("GET", "/v1/a", &field)
    };
    refused("other.example", strange, 403, "credential_host").await;
    let pair = |scene: &Scene| {
        let pair = BASE64_STANDARD.encode(format!("u:{}", scene.placeholder("A_TOKEN")));
        other("GET", "/v1/a", &format!("Proxy-Authorization: Basic {pair}\r\n"))
    };
    refused("other.example", pair, 403, "credential_host").await;
}

#[tokio::test]
async fn a_listed_method_and_path_pass() {
    let scene = Scene::new().await;
    let (mut near, mut far) = scene.pair("other.example").await;
    for path in ["/v1/a?b=/../", "/me"] {
        let field = format!("X-API-Key: {}\r\n", scene.placeholder("B_KEY"));
        send(&mut near, get(path, &field).replace("example.org", "other.example")).await;
        let got = until_text(&mut far, "\r\n\r\n").await;
        assert!(got.contains(&format!("X-API-Key: {KEY}\r\n")), "{got}");
        send(&mut far, "HTTP/1.1 204 No Content\r\n\r\n").await;
        until_text(&mut near, "\r\n\r\n").await;
    }
}

#[tokio::test]
async fn what_has_two_readings_is_refused() {
    for (code, status, request) in [
        ("malformed", 400, "GET / HTTP/1.1\r\nHost: example.org\r\nHost: example.org\r\nAUTH\r\n"),
        ("other_host", 403, "GET / HTTP/1.1\r\nHost: other.example\r\nAUTH\r\n"),
        (
            "malformed",
            400,
            "POST / HTTP/1.1\r\nHost: example.org\r\nContent-Length: 4\r\n\
             Transfer-Encoding: chunked\r\nAUTH\r\n0\r\n\r\n",
        ),
        ("malformed", 400, "GET / HTTP/1.1\r\nHost: example.org\r\nX: y\r\n z\r\nAUTH\r\n"),
        ("malformed", 400, "GET https://other.example/ HTTP/1.1\r\nHost: example.org\r\nAUTH\r\n"),
        ("malformed", 400, "GET https://example.org/ HTTP/1.1\r\nHost: example.org\r\nAUTH\r\n"),
        ("malformed", 400, "GET http://example.org/ HTTP/1.1\r\nHost: example.org\r\nAUTH\r\n"),
        ("other_host", 403, "GET http://other.example/ HTTP/1.1\r\nHost: example.org\r\nAUTH\r\n"),
        ("tunnel", 403, "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\nAUTH\r\n"),
        ("malformed", 400, "GET / HTTP/1.1\nHost: example.org\r\nAUTH\r\n"),
        ("malformed", 400, "GET / HTTP/1.0\r\nAUTH\r\n"),
        ("malformed", 400, "GET / HTTP/1.1\r\nHost: example.org\r\nX : y\r\nAUTH\r\n"),
    ] {
        let with = |scene: &Scene| {
            let field = format!("Authorization: Bearer {}\r\n\r\n", scene.placeholder("A_TOKEN"));
            request.replace("AUTH\r\n", &field)
        };
        refused("example.org", with, status, code).await;
    }
}

#[tokio::test]
async fn a_placeholder_without_tls_is_refused() {
    let scene = Scene::new().await;
    let mut near = scene.world.client("third.example").await;
    let mut far = scene.world.accepted().await;
    let field = format!("Authorization: Bearer {}\r\n", scene.placeholder("A_TOKEN"));
    let request = get("/", &field).replace("example.org", "third.example");
    send(&mut near, request).await;
    assert_eq!(rest(&mut near).await, (Vec::new(), RESET));
    assert_eq!(rest(&mut far).await, (Vec::new(), RESET));
    scene.world.denial("credential_plain").await;
    // Nor where TLS is awaited.
    let mut near = scene.world.client("example.org").await;
    send(&mut near, get("/", &field)).await;
    assert!(!rest(&mut near).await.0.starts_with(b"HTTP"));
    let decision = scene.world.decisions(2).await.remove(1);
    assert_eq!(decision.reason.unwrap().code(), "client_tls");
}

#[tokio::test]
async fn a_proxied_request_without_tls_is_refused() {
    let scene = Scene::new().await;
    let mut near = scene.world.proxied().await;
    let at = format!("third.example:{}", scene.world.port);
    let pair = BASE64_STANDARD.encode(format!("u:{}", scene.placeholder("A_TOKEN")));
    let field = format!("Authorization: Basic {pair}\r\n\r\n");
    send(&mut near, format!("GET http://{at}/ HTTP/1.1\r\nHost: {at}\r\n{field}")).await;
    let mut far = scene.world.accepted().await;
    assert_eq!(rest(&mut far).await.0, b"");
    assert_eq!(rest(&mut near).await.0, b"");
    scene.world.denial("credential_plain").await;
}

#[tokio::test]
async fn a_server_that_is_not_the_host_gets_nothing() {
    let (strange, _) = outside();
    let scene = Scene::with(|setup| setup.roots(vec![strange.to_vec()])).await;
    let server = async {
        let stream = scene.world.accepted().await;
        let shaken = timeout(LONG, scene.acceptor.accept(stream)).await.unwrap();
        assert!(shaken.is_err());
    };
    let client = async {
        let mut near = scene.client("example.org").await;
        let field = format!("Authorization: Bearer {}\r\n", scene.placeholder("A_TOKEN"));
        send(&mut near, get("/", &field)).await;
        String::from_utf8(everything(&mut near).await).unwrap()
    };
    let (answer, ()) = tokio::join!(client, server);
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("certificate"), "{answer}");
    scene.world.denial("server_tls").await;
}

#[tokio::test]
async fn a_client_has_to_mean_the_host_and_speak_http_1() {
    let scene = Scene::new().await;
    let trusted = CertificateDer::from_pem_slice(scene.injection.certificate().as_bytes()).unwrap();
    let stream = scene.world.client("example.org").await;
    assert!(shake(stream, "other.example", trusted, &[]).await.is_err());
    scene.world.denial("other_host").await;
    assert!(scene.connect("example.org", &["h2"]).await.is_err());
    let decision = scene.world.decisions(2).await.remove(1);
    assert_eq!(decision.reason.unwrap().code(), "client_tls");
}

#[tokio::test]
async fn an_inspected_connection_ends_with_its_rule() {
    let scene = Scene::new().await;
    let (mut near, mut far) = scene.pair("example.org").await;
    send(&mut near, get("/", "")).await;
    until_text(&mut far, "\r\n\r\n").await;
    scene.world.gateway.set_rules(Rules::default());
    assert_eq!(everything(&mut near).await, b"");
    assert_eq!(scene.world.decisions(1).await[0].end, Some(End::Revoked));
}
