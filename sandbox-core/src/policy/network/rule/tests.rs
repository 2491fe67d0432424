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
        ("[2001:db8::/32]:443", "[2001:db8::/32]:443"),
        ("[2001:DB8::/32]", "2001:db8::/32"),
        ("[2001:db8:0:0::/32]:*", "[2001:db8::/32]:*"),
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
        "exämple .com",
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

/// The conversion comes first: what it makes is checked like what was typed.
#[test]
fn international_names_are_converted() {
    for (text, rule) in [
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.Example.:443", "xn--bcher-kva.example:443"),
        ("*.bu\u{308}cher.example", "*.xn--bcher-kva.example"),
        ("xn--BCHER-kva.example", "xn--bcher-kva.example"),
        ("faß.de", "xn--fa-hia.de"),
        ("ｅｘａｍｐｌｅ。com", "example.com"),
        ("例え.テスト:53/udp", "xn--r8jz45g.xn--zckzah:53/udp"),
        ("r3---sn-x.example", "r3---sn-x.example"),
    ] {
        assert_eq!(read(text), Ok(rule.into()), "{text}");
    }
    for text in [
        "１２７.0.0.1",
        "0ｘ7f.1",
        "＊.example.org",
        "a．.example",
        "ａ／b.example",
        "user＠a.example",
        "a：80.example",
        "xn--a.example",
        "xn--.example",
        "xn--bcher-kva\u{e4}.example",
        "a\u{200d}b.example",
        "\u{ad}",
        "*.\u{ad}.org",
        "*.ｏｒｇ",
        "\u{202e}gro.example",
    ] {
        assert!(read(text).is_err(), "{text:?} is {:?}", read(text));
    }
}

#[test]
fn a_rule_has_parts() {
    let rule = |text: &str| text.parse::<HostRule>().unwrap();
    let name = |text: &str| text.parse().unwrap();
    assert_eq!(*rule("a.example").host(), Host::Name(name("a.example")));
    assert_eq!(*rule("*.a.example").host(), Host::Below(name("a.example")));
    assert_eq!(*rule("[::1]:5").host(), Host::Address("::1".parse().unwrap()));
    assert_eq!(*rule("10.0.0.0/8").host(), Host::Block("10.0.0.0/8".parse().unwrap()));
    assert_eq!(rule("a.example").ports(), Ports::Web);
    assert_eq!(rule("a.example:*").ports(), Ports::Any);
    assert_eq!(rule("a.example:5").ports(), Ports::One(5));
    assert_eq!(rule("a.example:5").protocol(), Protocol::Tcp);
    assert_eq!(rule("a.example:5/udp").protocol(), Protocol::Udp);
    assert!(!rule("a.example").is_private() && rule("a.example").private(true).is_private());
}

#[test]
fn ports_match_as_they_are_written() {
    let web: Vec<_> = (0..=u16::MAX).filter(|port| Ports::Web.contains(*port)).collect();
    assert_eq!(web, [80, 443]);
    let one: Vec<_> = (0..=u16::MAX).filter(|port| Ports::One(22).contains(*port)).collect();
    assert_eq!(one, [22]);
    assert!(!Ports::Any.contains(0) && Ports::Any.contains(1) && Ports::Any.contains(65535));
}

#[test]
fn there_is_one_way_to_write_an_address() {
    for (text, why) in [
        ("::ffff:127.0.0.1", "it is an IPv4 address in disguise: write 127.0.0.1"),
        ("[::ffff:7f00:1]:80", "it is an IPv4 address in disguise: write 127.0.0.1"),
        ("10.1.2.3/8", "the address has bits beyond the length: write 10.0.0.0/8"),
        ("2001:db8::1/32", "the address has bits beyond the length: write 2001:db8::/32"),
        ("a.example:*/udp", "a rule for UDP names its port, as in \"host:53/udp\""),
        ("2001:db8", "a port is a number from 1 to 65535, or \"*\""),
        ("2001:db8::x", "it is no IPv6 address: write \"[2001:db8::1]:443\", or \"host:443\""),
        ("", "it is empty: write a host, as in \"www.example.org\""),
    ] {
        assert_eq!(read(text).unwrap_err(), format!("{text:?} is no host rule: {why}"));
    }
}

#[test]
fn a_private_rule_is_an_object() {
    let text = r#"{"host":"db.internal:5432","private":true}"#;
    let rule: HostRule = serde_json::from_str(text).unwrap();
    assert!(rule.is_private());
    assert_eq!(rule.as_str(), "db.internal:5432");
    assert_eq!(rule.to_string(), text);
    assert_eq!(serde_json::to_string(&rule).unwrap(), text);
    assert_eq!(text.parse::<HostRule>().unwrap(), rule);
    let open = rule.clone().private(false);
    assert_ne!(open, rule);
    assert_eq!(serde_json::to_string(&open).unwrap(), "\"db.internal:5432\"");
    for text in
        [r#"{"host":"DB.internal.:5432"}"#, r#"{"host":"db.internal:5432","private":false}"#]
    {
        assert_eq!(serde_json::from_str::<HostRule>(text).unwrap(), open);
    }
}

#[test]
fn odd_objects_are_refused() {
    for text in [
        "{}",
        r#"{"private":true}"#,
        r#"{"host":"a.example","privat":true}"#,
        r#"{"host":"a.example","private":"yes"}"#,
        r#"{"host":"a.example","private":null}"#,
        r#"{"host":"a.example","host":"b.example"}"#,
        r#"{"host":"a.example","private":false,"private":true}"#,
        r#"{"host":"https://a.example"}"#,
        r#"{"host":{"host":"a.example"}}"#,
        r#"{"host":"{\"host\":\"a.example\"}"}"#,
        r#"{"host":"a.example"}x"#,
        r#"["a.example"]"#,
        "5",
        "null",
    ] {
        assert!(serde_json::from_str::<HostRule>(text).is_err(), "{text}");
        assert!(!text.starts_with('{') || text.parse::<HostRule>().is_err(), "{text}");
    }
    let policy = r#"{"mode":"limited","allowed_hosts":[{"host":"a.example","host":"b.example"}]}"#;
    assert!(serde_json::from_str::<crate::NetworkPolicy>(policy).is_err());
}

proptest! {
    #[test]
    fn a_rule_reads_itself(
        text in "(\\*\\.)?[a-zA-Z0-9.:/\\[\\]*-]{1,20}(/udp)?",
        private in any::<bool>(),
    ) {
        if let Ok(rule) = text.parse::<HostRule>() {
            prop_assert_eq!(&rule.as_str().parse::<HostRule>().unwrap(), &rule);
            let rule = rule.private(private);
            prop_assert_eq!(&rule.to_string().parse::<HostRule>().unwrap(), &rule);
            let json = serde_json::to_string(&rule).unwrap();
            prop_assert_eq!(&serde_json::from_str::<HostRule>(&json).unwrap(), &rule);
        }
    }

    #[test]
    fn whatever_is_read_is_plain_ascii(text in "[a-z.:*/0-9\\PC]{0,20}") {
        if let Ok(rule) = text.parse::<HostRule>() {
            let text = rule.as_str();
            let legal = |c: char| c.is_ascii_alphanumeric() || "-_.:*/[]".contains(c);
            prop_assert!(text.chars().all(legal) && text == text.to_lowercase());
            prop_assert_eq!(&text.parse::<HostRule>().unwrap(), &rule);
        }
    }

    #[test]
    fn addresses_and_blocks_read_themselves(bits in any::<u128>(), length in 0_u8..=128, port: u16) {
        let v6 = std::net::Ipv6Addr::from_bits(bits);
        let v4 = std::net::Ipv4Addr::from_bits(bits as u32);
        let block = ipnet::Ipv6Net::new(v6, length).unwrap().trunc();
        for text in [
            format!("{v4}"),
            format!("{v4}:{port}"),
            format!("[{v6}]:{port}/udp"),
            format!("[{block}]:{port}"),
            format!("{block}"),
        ] {
            match text.parse::<HostRule>() {
                Ok(rule) => prop_assert_eq!(rule.as_str(), text),
                Err(_) => prop_assert!(port == 0 || v6.to_ipv4_mapped().is_some()),
            }
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        let _ = text.parse::<HostRule>();
    }
}
