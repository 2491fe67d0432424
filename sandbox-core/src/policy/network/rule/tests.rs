use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Result<String, String> {
    text.parse::<HostRule>().map(|rule| rule.to_string()).map_err(|error| error.to_string())
}

#[test]
fn rules_are_compared_without_case_and_trailing_dot() {
    for (text, rule) in [
        ("example.com", "example.com"),
        ("EXAMPLE.Com.", "example.com"),
        ("example.com:443", "example.com:443"),
        ("example.com:*", "example.com:*"),
        ("example.com.:8080", "example.com:8080"),
        ("ns.example.com:53/udp", "ns.example.com:53/udp"),
        ("NS.example.com:53/UDP", "ns.example.com:53/udp"),
        ("*.example.org", "*.example.org"),
        ("*.example.org:443", "*.example.org:443"),
        ("localhost", "localhost"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("_srv.example.com", "_srv.example.com"),
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:80", "192.0.2.1:80"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.0.0.0/8:443", "10.0.0.0/8:443"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:DB8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "[2001:db8::1]:443"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("[::1]:53/udp", "[::1]:53/udp"),
    ] {
        assert_eq!(read(text), Ok(rule.into()), "{text}");
    }
}

#[test]
fn what_is_no_host_is_refused() {
    for text in [
        "",
        ".",
        "..",
        "a..b",
        "-a.com",
        "a-.com",
        "a_b-.com",
        "exämple.com",
        "a b.com",
        " a.com",
        "a.com ",
        "a.com\n",
        "a\0.com",
        "a,b.com",
        "a.com/path",
        "a.com?x",
        "a.com#x",
        "a%2ecom",
        "http://a.com",
        "a.com://",
        "user@a.com",
        "user:pw@a.com",
        "file:///etc/passwd",
    ] {
        assert!(read(text).is_err(), "{text:?}");
    }
    assert!(read(&format!("{}.com", "a".repeat(64))).is_err());
    assert!(read(&vec!["a".repeat(60); 5].join(".")).is_err());
}

#[test]
fn wildcards_stand_first_and_cover_no_top_level() {
    for text in [
        "*", "*.", "*:443", "*.com", "*.de.", "a.*.com", "a.*", "*a.com", "*.*.com", "**.a.com",
        "*..com",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
}

/// What a C library's resolver takes for an address is not a name that a rule could mean.
#[test]
fn numbers_that_are_addresses_in_disguise_are_refused() {
    for text in [
        "2130706433",
        "0x7f000001",
        "0X7F.1",
        "127.1",
        "127.0.1",
        "0177.0.0.1",
        "1.2.3.4.5",
        "256.0.0.1",
        "1.2.3",
        "example.0x10",
        "0",
        "00.00.00.00",
        "*.1",
        "*.192.0.2.1",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
}

#[test]
fn ports_are_numbers_in_range() {
    for text in [
        "a.com:",
        "a.com:0",
        "a.com:65536",
        "a.com:70000",
        "a.com:-1",
        "a.com:+1",
        "a.com:08",
        "a.com:x",
        "a.com:80:90",
        "a.com:80-90",
        "a.com:**",
        "a.com:1 ",
        "[::1]:0",
        "[::1]443",
        "a.com:443/tcp",
        "a.com/udp",
        "a.com:53/udp/udp",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
    assert!(read("a.com:1").is_ok() && read("a.com:65535").is_ok());
}

#[test]
fn brackets_hold_addresses() {
    for text in [
        "[",
        "[]",
        "[::1",
        "[a.com]",
        "[1.2.3.4]",
        "[::1]]",
        "[[::1]]",
        "[fe80::1%eth0]",
        "fe80::1%eth0",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
}

#[test]
fn blocks_fit_their_address() {
    for text in [
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "10.0.0.0/8/8",
        "::/129",
        "a.com/8",
        "/8",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
    assert!(read("0.0.0.0/0").is_ok() && read("::/0").is_ok() && read("::/128").is_ok());
}

#[test]
fn errors_name_the_rule_and_the_remedy() {
    assert_eq!(
        read("https://a.com").unwrap_err(),
        "\"https://a.com\" is no host rule: write the host alone, without a scheme"
    );
}

proptest! {
    #[test]
    fn a_rule_reads_itself(text in "(\\*\\.)?[a-zA-Z0-9.:/\\[\\]*-]{1,20}(/udp)?") {
        if let Ok(rule) = text.parse::<HostRule>() {
            prop_assert_eq!(rule.as_str().parse::<HostRule>().unwrap(), rule);
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        let _ = text.parse::<HostRule>();
    }
}
