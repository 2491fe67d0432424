use super::*;

fn parse(text: &str) -> Result<Head, Malformed> {
    Head::parse(text.as_bytes())
}

fn with(fields: &str) -> Result<Head, Malformed> {
    parse(&format!("GET / HTTP/1.1\r\n{fields}\r\n"))
}

fn target(name: &str) -> Target {
    Authority::parse(name).unwrap().target
}

#[test]
fn a_head_ends_at_its_empty_line() {
    let text = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nbody\n";
    for cut in 0..=text.len() {
        let expected = (cut >= 27).then_some(27);
        assert_eq!(end(&text[..cut], 0), Ok(expected), "{cut}");
    }
    for from in 0..27 {
        assert_eq!(end(text, from), Ok(Some(27)));
    }
    for bad in ["GET / HTTP/1.1\nHost: a\n\n", "a\rb", "a\0", "\n"] {
        assert_eq!(end(bad.as_bytes(), 0), Err(Malformed::Line), "{bad:?}");
    }
}

#[test]
fn what_decides_is_read() {
    let head =
        parse("PURGE /x HTTP/1.1\r\nhOsT:\tExample.org.:8080 \r\nContent-Length: 12\r\n\r\n");
    let head = head.unwrap();
    assert_eq!((head.method(), head.form()), ("PURGE", &Form::Origin));
    assert_eq!(head.host().unwrap().to_string(), "example.org:8080");
    assert_eq!(head.framing, Framing::Length(12));
    let chunked = with("Host: a\r\nTransfer-Encoding: Chunked\r\n").unwrap();
    assert_eq!(chunked.framing, Framing::Chunked);
    assert!(parse("GET / HTTP/1.0\r\n\r\n").unwrap().host().is_none());
    let absolute = parse("GET HTTP://[2001:db8::1]:81/x HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let Form::Absolute(authority) = absolute.form() else { panic!("{absolute:?}") };
    assert_eq!(authority.to_string(), "[2001:db8::1]:81");
}

#[test]
fn a_second_or_missing_or_broken_host_is_refused() {
    for fields in [
        "",
        "Host: a\r\nHost: a\r\n",
        "Host: a\r\nhost: b\r\n",
        "Host:\r\n",
        "Host: a b\r\n",
        "Host: a,b\r\n",
        "Host: user@a\r\n",
        "Host: [::1\r\n",
        "Host: a:0\r\n",
    ] {
        assert_eq!(with(fields).err(), Some(Malformed::Host), "{fields:?}");
    }
}

#[test]
fn lengths_that_servers_read_differently_are_refused() {
    for fields in [
        "Content-Length: 1\r\nContent-Length: 1\r\n",
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: +1\r\n",
        "Content-Length: 1, 1\r\n",
        "Content-Length: \r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
    ] {
        assert_eq!(
            with(&format!("Host: a\r\n{fields}")).err(),
            Some(Malformed::Framing),
            "{fields:?}"
        );
    }
    let old = parse("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(old.err(), Some(Malformed::Framing));
}

#[test]
fn lines_that_servers_read_differently_are_refused() {
    for fields in
        ["Host : a\r\n", "Host: a\r\n x: y\r\n", " Host: a\r\n", "Host: a\r\nx\r\n", ": a\r\n"]
    {
        assert_eq!(with(fields).err(), Some(Malformed::Field), "{fields:?}");
    }
    assert_eq!(with("Host: a\r\nx: \u{1b}\r\n").err(), Some(Malformed::Field));
    for line in [
        "GET  / HTTP/1.1",
        "GET /",
        "GET / HTTP/1.1 ",
        "GET / HTTP/2.0",
        "GET / http/1.1",
        "GET /\t HTTP/1.1",
        "GET /a b HTTP/1.1",
        "G(T / HTTP/1.1",
        " GET / HTTP/1.1",
    ] {
        let text = format!("{line}\r\nHost: a\r\n\r\n");
        assert_eq!(parse(&text).err(), Some(Malformed::Line), "{line:?}");
    }
    for url in ["https://a/", "//a", "a", "http:///x", "http://u@a/", "CONNECT"] {
        let form = if url == "//a" { continue } else { format!("GET {url} HTTP/1.1") };
        let text = format!("{form}\r\nHost: a\r\n\r\n");
        assert_eq!(parse(&text).err(), Some(Malformed::Target), "{url:?}");
    }
}

#[test]
fn a_request_names_one_host_in_all_places() {
    let example = target("example.org");
    let stranger = |text: &str| {
        let head = parse(text).unwrap();
        head.stranger(&example, 80).map(ToString::to_string)
    };
    assert_eq!(stranger("GET / HTTP/1.1\r\nHost: EXAMPLE.org.\r\n\r\n"), None);
    assert_eq!(
        stranger("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
        Some("evil.example".into())
    );
    assert_eq!(
        stranger("GET http://evil.example/ HTTP/1.1\r\nHost: example.org\r\n\r\n"),
        Some("evil.example".into())
    );
    assert_eq!(
        stranger("GET http://example.org/ HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
        Some("evil.example".into())
    );
    assert_eq!(
        stranger("CONNECT evil.example:80 HTTP/1.1\r\nHost: example.org\r\n\r\n"),
        Some("evil.example:80".into())
    );
    assert_eq!(
        stranger("GET / HTTP/1.1\r\nHost: example.org:81\r\n\r\n"),
        Some("example.org:81".into())
    );
}

#[test]
fn an_address_carries_any_name_but_not_two() {
    let address = target("192.0.2.1");
    let stranger = |text: &str| parse(text).unwrap().stranger(&address, 80).is_some();
    assert!(!stranger("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"));
    assert!(!stranger("GET http://example.org/ HTTP/1.1\r\nHost: example.org\r\n\r\n"));
    assert!(stranger("GET http://example.org/ HTTP/1.1\r\nHost: evil.example\r\n\r\n"));
}
