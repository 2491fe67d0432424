use super::*;
use crate::policy::network::Protocol;

fn ask(target: &str, port: u16) -> Ask {
    Ask { target: target.parse().unwrap(), port, protocol: Protocol::Tcp }
}

fn judged(target: &str, port: u16, bytes: &[u8]) -> Result<Vec<u8>, Reason> {
    let second = Duration::from_secs(1);
    let mut upward = Upward::opening(&ask(target, port), second, second);
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
