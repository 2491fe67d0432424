use super::*;
use crate::policy::network::Protocol;

fn ask(target: &str, port: u16) -> Ask {
    Ask { target: target.parse().unwrap(), port, protocol: Protocol::Tcp }
}

fn judged(target: &str, port: u16, bytes: &[u8]) -> Result<Vec<u8>, Reason> {
    let limits = Limits::default();
    let mut upward = Upward::opening(&ask(target, port), &limits, None);
    let mut out = Vec::new();
    upward.push(bytes, &mut out)?;
    Ok(out)
}

#[test]
fn http2_without_tls_is_refused_where_hosts_share_servers() {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    assert_eq!(judged("example.org", 80, preface), Err(Reason::HiddenHosts));
    assert_eq!(judged("example.org", 443, preface), Err(Reason::HiddenHosts));
    assert_eq!(judged("example.org", 50051, preface).as_deref(), Ok(&preface[..]));
    assert_eq!(judged("192.0.43.8", 80, preface).as_deref(), Ok(&preface[..]));
}

#[test]
fn a_hello_without_a_name_names_nobody() {
    use crate::egress::flight::tests::{hello, records};
    let none = records(&hello(&[]), 99);
    assert_eq!(judged("example.org", 443, &none), Ok(none.clone()));
    let other = records(&hello(&["any.example"]), 99);
    assert!(judged("example.org", 443, &other).is_err());
    assert_eq!(judged("192.0.43.8", 443, &other), Ok(other.clone()));
}

/// A hello, and then these bytes piece by piece; how many of them passed.
fn after_hello(bytes: &[u8], size: usize) -> Result<usize, Reason> {
    use crate::egress::flight::tests::{hello, records};
    let first = records(&hello(&["example.org"]), 30);
    let limits = Limits::default();
    let mut upward = Upward::opening(&ask("example.org", 443), &limits, None);
    let mut out = Vec::new();
    for piece in [&first[..], bytes].concat().chunks(size) {
        upward.push(piece, &mut out)?;
    }
    assert!(out.starts_with(&first));
    Ok(out.len() - first.len())
}

#[test]
fn a_second_hello_names_the_same_host() {
    use crate::egress::flight::tests::{hello, records};
    let ccs = [20, 3, 3, 0, 1, 1];
    for size in [1, 8, 100, 1000] {
        for cut in [1, 3, 20, 200] {
            for front in [&[][..], &ccs] {
                let same = [front, &records(&hello(&["example.org"]), cut)].concat();
                assert_eq!(after_hello(&same, size), Ok(same.len()));
                let other = [front, &records(&hello(&["evil.example"]), cut)].concat();
                let named = "evil.example".to_owned();
                assert_eq!(after_hello(&other, size), Err(Reason::OtherHost { named }));
            }
        }
    }
}

#[test]
fn what_comes_after_a_hello_else_passes() {
    let key_exchange = [22, 3, 3, 0, 5, 16, 0, 0, 1, 7];
    let early_data = [23, 3, 3, 0, 2, 7, 7];
    // Encrypted, and beginning like a hello.
    let finished = [20, 3, 3, 0, 1, 1, 22, 3, 3, 0, 8, 1, 0, 5, 5, 7, 7, 7, 7];
    for bytes in [&key_exchange[..], &early_data, &finished, b"not TLS"] {
        for size in [1, 5, 100] {
            assert_eq!(after_hello(bytes, size), Ok(bytes.len()), "{bytes:?}");
        }
    }
}
