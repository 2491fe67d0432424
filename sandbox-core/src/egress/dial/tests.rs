use std::net::Ipv4Addr;

use tokio::net::TcpListener;

use super::*;
use crate::egress::resolve::StaticResolver;
use crate::egress::{Protocol, Refusal};

fn ask(target: &str, port: u16) -> Ask {
    Ask { target: target.parse().unwrap(), port, protocol: Protocol::Tcp }
}

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// What may be dialled of these answers.
async fn judged(answers: &[&str], own: &[&str], private: bool) -> Result<Vec<String>, DialError> {
    let rule = "example.org".parse::<HostRule>().unwrap().private(private);
    let rules = Rules::new(std::slice::from_ref(&rule));
    let resolver =
        StaticResolver::default().with("example.org".parse().unwrap(), addresses(answers));
    let dialler = Dialler::default().resolver(resolver).own(addresses(own));
    let found = dialler.addresses(&rules, &rule, &ask("example.org", 443)).await?;
    Ok(found.iter().map(ToString::to_string).collect())
}

fn is_special(result: &Result<Vec<String>, DialError>) -> bool {
    matches!(result, Err(DialError::Denied(Reason::Refused(Refusal::Special { .. }))))
}

#[tokio::test]
async fn only_public_addresses_are_dialled() {
    let mixed = ["10.0.0.1", "192.0.43.8", "127.0.0.1", "2606:4700::1", "fd00::1"];
    let good = judged(&mixed, &[], false).await.unwrap();
    assert_eq!(good, ["192.0.43.8:443", "[2606:4700::1]:443"]);
    for answer in
        ["127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "::1", "fe80::1", "fd00::1"]
    {
        assert!(is_special(&judged(&[answer], &[], false).await), "{answer}");
    }
    for answer in ["::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::"] {
        assert!(is_special(&judged(&[answer], &[], false).await), "{answer}");
    }
}

#[tokio::test]
async fn the_hosts_own_addresses_are_not_dialled() {
    assert!(is_special(&judged(&["192.0.43.8"], &["192.0.43.8"], false).await));
    assert!(is_special(&judged(&["::ffff:192.0.43.8"], &["192.0.43.8"], false).await));
    let good = judged(&["192.0.43.8", "192.0.43.9"], &["192.0.43.8"], false).await.unwrap();
    assert_eq!(good, ["192.0.43.9:443"]);
}

#[tokio::test]
async fn a_private_rule_opens_private_addresses_and_no_loopback() {
    assert_eq!(judged(&["10.0.0.1"], &[], true).await.unwrap(), ["10.0.0.1:443"]);
    assert!(is_special(&judged(&["127.0.0.1"], &[], true).await));
}

#[tokio::test]
async fn an_answer_without_addresses_is_no_denial() {
    assert!(matches!(judged(&[], &[], false).await, Err(DialError::Unresolved(_))));
}

#[tokio::test]
async fn the_first_address_that_answers_is_taken() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let good = listener.local_addr().unwrap();
    let gone = {
        let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        gone.local_addr().unwrap()
    };
    let stream = Dialler::default().tcp(&[gone, gone, good]).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), good);
    let none = Dialler::default().tcp(&[gone, gone]).await;
    assert!(matches!(none, Err(DialError::Unreachable(_))));
}
