//! What must hold for every first flight and every greeting of a proxy. Run by the fuzzer over
//! whatever it finds, and by this crate's tests over mutated examples.

use std::time::Duration;

use sandbox_core::egress::flight::{First, Flight};
use sandbox_core::egress::http::{Authority, Head, Requests, Step};
use sandbox_core::egress::proxy::{Greeting, Key, greet, socks};

/// Nothing panics, pieces and the whole are judged alike, and no server that reads generously finds
/// another host than the one that was judged.
pub(crate) fn check(data: &[u8]) {
    first_flight(data);
    requests(data);
    greeting(data);
    let _ = socks::methods(data, socks::PASSWORD);
    let _ = socks::password(data);
    if let Ok(Some((length, _))) = socks::request(data) {
        assert_eq!(socks::request(&data[..length - 1]), Ok(None));
    }
}

fn first_flight(data: &[u8]) {
    let mut flight = Flight::default();
    let mut verdict = None;
    for length in 0..=data.len() {
        match flight.judge(&data[..length]) {
            Ok(None) => {}
            Ok(Some(first)) => {
                verdict = Some((first, length));
                break;
            }
            Err(_) => return,
        }
    }
    let Some((first, length)) = verdict else {
        let _ = Flight::default().ended(data);
        return;
    };
    let whole = Flight::default().judge(&data[..length]).ok().flatten();
    assert_eq!(format!("{whole:?}"), format!("{:?}", Some(&first)));
    match first {
        First::Http(head) => generous(&data[..length], &head),
        First::Opaque => {
            let line = first_line(data);
            let word = line.trim_ascii_start().split(u8::is_ascii_whitespace).next();
            let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"*+-.".contains(byte);
            let method = word.is_some_and(|word| !word.is_empty() && word.iter().all(token));
            assert!(!method || !line.windows(5).any(|part| part == b"HTTP/"), "{data:?}");
        }
        _ => {}
    }
}

fn first_line(data: &[u8]) -> &[u8] {
    let start = data.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or(data.len());
    data[start..].split(|&byte| byte == b'\n').next().unwrap_or_default()
}

/// Reads a head as the most generous server would: any line end, any blank, any case.
fn generous(bytes: &[u8], head: &Head) {
    let text = String::from_utf8_lossy(bytes);
    let mut hosts = 0;
    for line in text.split(['\n', '\r']).skip(1) {
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.trim().eq_ignore_ascii_case("host") {
            hosts += 1;
            let read = Authority::parse(value.trim()).expect("a host that passes is one");
            assert_eq!(Some(&read), head.host());
        }
    }
    assert!(hosts <= 1, "{text:?}");
}

fn requests(data: &[u8]) {
    let pass = |size: usize| {
        let mut requests = Requests::direct("example.org".parse().expect("a name"), 80);
        let mut out = Vec::new();
        let end = data.chunks(size).try_for_each(|piece| {
            let step = requests.push(piece, &mut out)?;
            assert!(matches!(step, Step::Passed), "a direct connection has one host");
            Ok::<(), sandbox_core::egress::http::Fault>(())
        });
        (out, end.is_ok())
    };
    let (pieces, whole) = (pass(1), pass(data.len().max(1)));
    assert_eq!(pieces.1, whole.1);
    assert!(pieces.0.starts_with(&whole.0) && (pieces == whole || !whole.1));
}

fn greeting(data: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime");
    let greet = |key: Option<&Key>| {
        let mut stream = tokio::io::join(data, tokio::io::sink());
        runtime.block_on(greet(&mut stream, Duration::from_secs(60), key))
    };
    // Nobody guesses it.
    let keyed = greet(Some(&Key::new([0xa5; Key::SIZE])));
    assert!(keyed.is_err(), "{keyed:?}");
    let greeted = greet(None);
    if let Ok(Greeting::Tunnel { early, port, .. }) = greeted {
        assert!(data.windows(early.len().max(1)).any(|part| early.is_empty() || part == early));
        assert_ne!(port, 0);
    }
}
