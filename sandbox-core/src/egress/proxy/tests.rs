use tokio::io::duplex;

use super::*;

const SOON: Duration = Duration::from_secs(5);

/// Greets with these bytes, in pieces of this size; what the proxy made of it and said.
async fn greeted(bytes: &[u8], size: usize) -> (Result<Greeting, Ungreeted>, Vec<u8>) {
    keyed(bytes, size, None).await
}

/// The same, where a key may have to be shown.
async fn keyed(
    bytes: &[u8],
    size: usize,
    key: Option<&Key>,
) -> (Result<Greeting, Ungreeted>, Vec<u8>) {
    let (mut client, mut server) = duplex(64);
    let bytes = bytes.to_vec();
    let talking = tokio::spawn(async move {
        for piece in bytes.chunks(size) {
            if client.write_all(piece).await.is_err() {
                break;
            }
        }
        let mut said = Vec::new();
        let _ = client.shutdown().await;
        let _ = client.read_to_end(&mut said).await;
        said
    });
    let outcome = greet(&mut server, SOON, key).await;
    drop(server);
    (outcome, talking.await.unwrap())
}

fn tunnel(outcome: Result<Greeting, Ungreeted>) -> (String, u16, Vec<u8>, Voice) {
    match outcome {
        Ok(Greeting::Tunnel { target, port, early, voice }) => {
            (target.to_string(), port, early, voice)
        }
        other => panic!("{other:?}"),
    }
}

fn refused(outcome: Result<Greeting, Ungreeted>) -> (Voice, Reason) {
    match outcome {
        Err(Ungreeted::Refused(voice, reason)) => (voice, reason),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn connect_is_read_in_any_pieces() {
    let text = b"\r\nCONNECT Example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n";
    for size in [1, 7, text.len()] {
        let (outcome, said) = greeted(text, size).await;
        let expected = ("example.org".to_owned(), 443, vec![], Voice::Http);
        assert_eq!((tunnel(outcome), said), (expected, vec![]));
    }
    let early = [&text[..], b"\x16\x03\x01"].concat();
    assert_eq!(tunnel(greeted(&early, 999).await.0).2, b"\x16\x03\x01");
}

#[tokio::test]
async fn socks_is_read_in_any_pieces() {
    let text = b"\x05\x02\x01\x00\x05\x01\x00\x03\x0bexample.org\x01\xbb";
    for size in [1, 5, text.len()] {
        let (outcome, said) = greeted(text, size).await;
        assert_eq!(tunnel(outcome), ("example.org".into(), 443, vec![], Voice::Socks));
        assert_eq!(said, [5, 0]);
    }
    let early = [&text[..], b"SSH"].concat();
    assert_eq!(tunnel(greeted(&early, 999).await.0).2, b"SSH");
}

#[tokio::test]
async fn absolute_requests_are_passed_on_whole() {
    let text = b"GET http://example.org/ HTTP/1.1\r\nHost: example.org\r\n\r\nmore";
    let (outcome, _) = greeted(text, 9).await;
    let Ok(Greeting::Requests(bytes)) = outcome else { panic!("{outcome:?}") };
    assert!(text.starts_with(&bytes) && bytes.len() >= text.len() - "more".len());
}

#[tokio::test]
async fn what_is_not_offered_is_refused_in_its_own_words() {
    let reasons = [
        (&b"\x04\x01\x00\x50\xc0\x00\x02\x01\x00"[..], Voice::OldSocks, Reason::Unsupported),
        (
            b"\x05\x01\x00\x05\x03\x00\x01\xc0\x00\x02\x01\x00\x50",
            Voice::Socks,
            Reason::Unsupported,
        ),
        (
            b"\x05\x01\x00\x05\x02\x00\x01\xc0\x00\x02\x01\x00\x50",
            Voice::Socks,
            Reason::Unsupported,
        ),
        (b"\x05\x01\x02", Voice::Answered, Reason::Unsupported),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", Voice::Http, Reason::Unsupported),
        (b"GET / HTTP/1.1\nHost: a\n\n", Voice::Http, Malformed::Line.into()),
        (b"CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", Voice::Http, Malformed::Target.into()),
        (
            b"CONNECT a:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n",
            Voice::Http,
            Reason::OtherHost { named: "evil.example:443".into() },
        ),
        (
            b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nContent-Length: 5\r\n\r\nhello",
            Voice::Http,
            Malformed::Framing.into(),
        ),
    ];
    for (bytes, voice, reason) in reasons {
        assert_eq!(refused(greeted(bytes, 999).await.0), (voice, reason), "{bytes:?}");
    }
    let (outcome, said) = greeted(b"\x05\x01\x02", 1).await;
    assert!(outcome.is_err() && said == [5, 0xff]);
}

/// The field that shows what stands in front of the host of a proxy's URL.
fn field(userinfo: &str) -> String {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(userinfo);
    format!("Proxy-Authorization: Basic {encoded}\r\n")
}

#[tokio::test]
async fn whoever_shows_the_key_is_served() {
    let key = Key::new([9; Key::SIZE]);
    let shown = field(key.userinfo());
    let head = format!("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n{shown}\r\n");
    let (outcome, said) = keyed(head.as_bytes(), 9, Some(&key)).await;
    assert_eq!((tunnel(outcome).0, said), ("a.example".to_owned(), vec![]));
    let (name, password) = key.userinfo().split_once(':').unwrap();
    let counted = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let socks = [
        &b"\x05\x02\x00\x02\x01"[..],
        &counted(name),
        &counted(password),
        b"\x05\x01\x00\x03\x09a.example\x01\xbb",
    ];
    for size in [1, 999] {
        let (outcome, said) = keyed(&socks.concat(), size, Some(&key)).await;
        assert_eq!((tunnel(outcome).0, said), ("a.example".to_owned(), vec![5, 2, 1, 0]));
    }
}

#[tokio::test]
async fn a_stranger_is_refused_or_asked_for_the_key() {
    let key = Key::new([9; Key::SIZE]);
    let other = field(Key::new([8; Key::SIZE]).userinfo());
    for line in
        ["CONNECT a.example:443 HTTP/1.1", "GET http://a.example/ HTTP/1.1", "GET / HTTP/1.1"]
    {
        let head = format!("{line}\r\nHost: a.example\r\n");
        let (outcome, _) = keyed(format!("{head}\r\n").as_bytes(), 999, Some(&key)).await;
        assert!(matches!(outcome, Err(Ungreeted::Challenged)), "{outcome:?}");
        let (outcome, _) = keyed(format!("{head}{other}\r\n").as_bytes(), 999, Some(&key)).await;
        assert_eq!(refused(outcome), (Voice::Http, Reason::Unauthenticated));
        let twice = format!("{head}{other}{}\r\n", field(key.userinfo()));
        let (outcome, _) = keyed(twice.as_bytes(), 999, Some(&key)).await;
        assert_eq!(refused(outcome), (Voice::Http, Malformed::Field.into()));
    }
    let open = b"\x05\x01\x00\x05\x01\x00\x03\x09a.example\x01\xbb";
    let wrong = b"\x05\x01\x02\x01\x01a\x01b\x05\x01\x00\x03\x09a.example\x01\xbb";
    for (bytes, answer) in [(&open[..], &[5, 0xff][..]), (wrong, &[5, 2, 1, 1])] {
        let (outcome, said) = keyed(bytes, 999, Some(&key)).await;
        assert_eq!(refused(outcome), (Voice::Answered, Reason::Unauthenticated));
        assert_eq!(said, answer);
    }
}

#[tokio::test]
async fn a_greeting_is_bounded() {
    let long = [b"GET http://a/ HTTP/1.1\r\nX: ".as_slice(), &vec![b'a'; MOST]].concat();
    assert_eq!(refused(greeted(&long, 4096).await.0), (Voice::Http, Malformed::TooLong.into()));
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_is_given_up() {
    for (bytes, voice) in [(&b"GET http"[..], Voice::Http), (b"\x05\x01", Voice::Socks)] {
        let (mut client, mut server) = duplex(64);
        client.write_all(bytes).await.unwrap();
        let outcome = greet(&mut server, SOON, None).await;
        assert_eq!(refused(outcome), (voice, Reason::Unfinished));
    }
    let (_client, mut server) = duplex(64);
    assert!(matches!(greet(&mut server, SOON, None).await, Err(Ungreeted::Gone)));
}

#[tokio::test]
async fn refusals_are_words_of_the_protocol() {
    let said = async |voice: Voice, trouble: Trouble<'_>| {
        let (mut client, mut server) = duplex(4096);
        voice.refuse(&mut server, trouble).await;
        drop(server);
        let mut said = Vec::new();
        client.read_to_end(&mut said).await.unwrap();
        said
    };
    let page = said(Voice::Http, Trouble::Denied(&Reason::NotApproved)).await;
    let page = String::from_utf8(page).unwrap();
    assert!(page.starts_with("HTTP/1.1 403 Forbidden\r\n") && page.contains("not approved"));
    let (head, body) = page.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("Content-Length: {}", body.len())));
    let page = said(Voice::Http, Trouble::Keyless).await;
    let page = String::from_utf8(page).unwrap();
    assert!(page.starts_with("HTTP/1.1 407 ") && page.contains("\r\nProxy-Authenticate: Basic "));
    assert_eq!(said(Voice::Socks, Trouble::Denied(&Reason::NotApproved)).await[..2], [5, 2]);
    assert_eq!(said(Voice::Socks, Trouble::Unreachable).await[..2], [5, 5]);
    assert_eq!(said(Voice::OldSocks, Trouble::Unresolved).await[..2], [0, 91]);
    assert!(said(Voice::Silent, Trouble::Unresolved).await.is_empty());
}
