use proptest::prelude::*;

use super::*;

fn direct() -> Requests {
    Requests::direct("example.org".parse().unwrap(), 80)
}

/// What passes of bytes that come in pieces of this size, and how it ends.
fn feed(requests: &mut Requests, bytes: &[u8], size: usize) -> (String, Result<Step, Fault>) {
    let mut out = Vec::new();
    let mut last = Ok(Step::Passed);
    for piece in bytes.chunks(size) {
        last = requests.push(piece, &mut out);
        if !matches!(last, Ok(Step::Passed)) {
            break;
        }
    }
    (String::from_utf8(out).unwrap(), last)
}

const GET: &str = "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: example.org\r\nContent-Length: 5\r\n\r\nGET /";
const CHUNKS: &str = "PUT / HTTP/1.1\r\nHost: example.org\r\nTransfer-Encoding: chunked\r\n\r\n\
    3\r\nabc\r\n0\r\n\r\n";
const EVIL: &str = "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n";

#[test]
fn every_request_is_judged() {
    let good = [GET, POST, GET, CHUNKS, GET].concat();
    let bad = [&good, EVIL].concat();
    for size in 1..=bad.len() {
        let (passed, end) = feed(&mut direct(), good.as_bytes(), size);
        assert_eq!(passed, good);
        assert!(end.is_ok());
        let (passed, end) = feed(&mut direct(), bad.as_bytes(), size);
        assert_eq!(passed, good, "nothing of the last request passes");
        assert!(matches!(end, Err(Fault::Host(host)) if host.to_string() == "evil.example"));
    }
}

#[test]
fn a_request_cannot_hide_in_another_ones_body() {
    let smuggled =
        format!("POST / HTTP/1.1\r\nHost: example.org\r\nContent-Length: 0\r\n\r\n\r\n{EVIL}");
    assert!(matches!(feed(&mut direct(), smuggled.as_bytes(), 9).1, Err(Fault::Host(_))));
    let both = format!(
        "POST / HTTP/1.1\r\nHost: example.org\r\nContent-Length: 50\r\n\
         Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{EVIL}"
    );
    let (passed, end) = feed(&mut direct(), both.as_bytes(), 9);
    assert_eq!((passed.as_str(), end.err()), ("", Some(Malformed::Framing.into())));
    let tunnel = "CONNECT example.org:80 HTTP/1.1\r\nHost: example.org\r\n\r\n";
    assert_eq!(feed(&mut direct(), tunnel.as_bytes(), 99).1.err(), Some(Fault::Tunnel));
    let second = [GET, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"].concat();
    assert_eq!(feed(&mut direct(), second.as_bytes(), 99).1.err(), Some(Malformed::Line.into()));
}

#[test]
fn what_is_held_is_bounded() {
    let endless = [b"GET / HTTP/1.1\r\nX: ".as_slice(), &vec![b'a'; MOST]].concat();
    assert_eq!(feed(&mut direct(), &endless, 100).1.err(), Some(Malformed::TooLong.into()));
}

/// Offers a change of protocol, sends on, and lets the server answer.
fn offer(protocol: &str, then: &str, answer: &str) -> (String, Result<(), Fault>) {
    let mut requests = direct();
    let request = format!(
        "GET / HTTP/1.1\r\nHost: example.org\r\nConnection: upgrade\r\nUpgrade: {protocol}\r\n\r\n"
    );
    assert_eq!(feed(&mut requests, request.as_bytes(), 9).0, request);
    assert!(requests.awaits_answer());
    assert_eq!(feed(&mut requests, then.as_bytes(), 9).0, "");
    let mut out = Vec::new();
    let mut end = Ok(());
    for piece in answer.as_bytes().chunks(5) {
        end = end.and_then(|()| requests.answered(piece, &mut out));
    }
    (String::from_utf8(out).unwrap(), end)
}

#[test]
fn another_protocol_needs_the_servers_consent() {
    let yes = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
    let no = "HTTP/1.1 200 OK\r\n\r\n";
    assert_eq!(offer("websocket", EVIL, yes), (EVIL.into(), Ok(())));
    assert_eq!(offer("websocket", GET, no), (GET.into(), Ok(())));
    assert!(matches!(offer("websocket", EVIL, no).1, Err(Fault::Host(_))));
    assert_eq!(offer("websocket, h2c", "", yes).1, Err(Fault::Protocol));
    assert_eq!(offer("TLS/1.3", "", yes).1, Err(Fault::Protocol));
    assert_eq!(offer("h2c", GET, no), (GET.into(), Ok(())));
}

#[test]
fn a_later_request_cannot_change_the_protocol() {
    let offer = "GET / HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\n\r\n";
    let mut requests = direct();
    let both = [GET, offer].concat();
    assert_eq!(feed(&mut requests, both.as_bytes(), 99).0, both);
    assert!(!requests.awaits_answer());
    assert!(feed(&mut requests, EVIL.as_bytes(), 99).1.is_err());
}

fn absolute(host: &str) -> String {
    format!("GET http://{host}/x HTTP/1.1\r\nHost: {host}\r\nProxy-Connection: close\r\n\r\n")
}

#[test]
fn a_proxied_connection_asks_whenever_the_host_changes() {
    let text = [absolute("a.example"), absolute("a.example"), absolute("b.example:81")].concat();
    for size in [1, 7, text.len()] {
        let mut requests = Requests::proxied();
        let mut hosts = Vec::new();
        let mut passed = String::new();
        let mut rest = text.clone().into_bytes();
        while !rest.is_empty() {
            let piece: Vec<u8> = rest.drain(..size.min(rest.len())).collect();
            let (out, step) = feed(&mut requests, &piece, size);
            passed.push_str(&out);
            if let Step::Other(authority, held) = step.unwrap() {
                hosts.push(authority.to_string());
                requests.aim(authority.target.clone(), authority.port.unwrap_or(80));
                rest.splice(..0, held);
            }
        }
        assert_eq!(hosts, ["a.example", "b.example:81"]);
        assert_eq!(passed.matches("GET /x HTTP/1.1\r\n").count(), 3);
        assert!(!passed.contains("Proxy-") && passed.contains("Host: b.example:81\r\n"));
    }
}

#[test]
fn a_proxied_request_names_its_host_in_both_places() {
    for (bad, fault) in [
        ("GET /x HTTP/1.1\r\nHost: a\r\n\r\n", Malformed::Target.into()),
        ("GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n", Malformed::Target.into()),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", Fault::Tunnel),
    ] {
        let (passed, end) = feed(&mut Requests::proxied(), bad.as_bytes(), 99);
        assert_eq!((passed.as_str(), end.err()), ("", Some(fault)));
    }
    let other = "GET http://a/ HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    let (_, end) = feed(&mut Requests::proxied(), other.as_bytes(), 99);
    assert!(matches!(end, Err(Fault::Host(host)) if host.to_string() == "evil.example"));
}

proptest! {
    /// However requests are cut, and whatever is broken in them, the end is the same. What passes
    /// differs only in how far a broken body got.
    #[test]
    fn cuts_change_nothing(size in 1..40_usize, at in 0..500_usize, byte in any::<u8>()) {
        let mut text = [GET, POST, CHUNKS, GET].concat().into_bytes();
        let at = at % text.len();
        text[at] = byte;
        let pass = |size| {
            let mut requests = direct();
            let mut out = Vec::new();
            let end = text.chunks(size).try_for_each(|piece| {
                requests.push(piece, &mut out).map(drop)
            });
            (out, end.is_ok())
        };
        let (pieces, good) = pass(size);
        let (whole, also) = pass(text.len());
        prop_assert_eq!(good, also);
        prop_assert!(pieces.starts_with(&whole) && (whole == pieces || !good));
    }
}
