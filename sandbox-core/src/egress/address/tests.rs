use Kind::*;

use super::*;

/// First and last of a range, what it is, and what lies before and after it.
type Row = (&'static str, &'static str, Kind, Option<Kind>, Option<Kind>);

const BLOCKS_OF_IPV6: [Row; 12] = [
    ("100::", "100::ffff:ffff:ffff:ffff", Discard, Some(Reserved), Some(Reserved)),
    ("2001:1::", "2001:1:ffff:ffff:ffff:ffff:ffff:ffff", Protocols, None, Some(Benchmarking)),
    (
        "2001:2::",
        "2001:2:0:ffff:ffff:ffff:ffff:ffff",
        Benchmarking,
        Some(Protocols),
        Some(Protocols),
    ),
    ("2001:2:1::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", Protocols, Some(Benchmarking), None),
    ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", Documentation, None, None),
    ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", Documentation, None, None),
    ("4000::", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Reserved, None, Some(UniqueLocal)),
    ("fc00::", "fd00:ec2::22", UniqueLocal, Some(Reserved), Some(Metadata)),
    ("fd00:ec2::255", "fd20:ce::253", UniqueLocal, Some(Metadata), Some(Metadata)),
    (
        "fd20:ce::255",
        "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        UniqueLocal,
        Some(Metadata),
        Some(Reserved),
    ),
    (
        "fe80::",
        "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        LinkLocal,
        Some(Reserved),
        Some(SiteLocal),
    ),
    (
        "fec0::",
        "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        SiteLocal,
        Some(LinkLocal),
        Some(Multicast),
    ),
];

fn kind(text: &str) -> Option<Kind> {
    special(text.parse().unwrap())
}

fn carried(form: Form, v4: &str) -> Option<Kind> {
    Some(Kind::Translated(form, v4.parse().unwrap()))
}

#[test]
fn ranges_of_ipv4_end_where_they_should() {
    let table = [
        ("0.0.0.1", "0.255.255.255", ThisNetwork, Some(Unspecified), None),
        ("10.0.0.0", "10.255.255.255", Private, None, None),
        ("100.64.0.0", "100.100.100.199", CarrierNat, None, Some(Metadata)),
        ("100.100.100.201", "100.127.255.255", CarrierNat, Some(Metadata), None),
        ("127.0.0.0", "127.255.255.255", Loopback, None, None),
        ("169.254.0.0", "169.254.169.253", LinkLocal, None, Some(Metadata)),
        ("169.254.169.255", "169.254.170.1", LinkLocal, Some(Metadata), Some(Metadata)),
        ("169.254.170.24", "169.254.255.255", LinkLocal, Some(Metadata), None),
        ("172.16.0.0", "172.31.255.255", Private, None, None),
        ("192.0.0.0", "192.0.0.191", Protocols, None, Some(Metadata)),
        ("192.0.0.193", "192.0.0.255", Protocols, Some(Metadata), None),
        ("192.0.2.0", "192.0.2.255", Documentation, None, None),
        ("192.88.99.0", "192.88.99.255", Reserved, None, None),
        ("192.168.0.0", "192.168.255.255", Private, None, None),
        ("198.18.0.0", "198.19.255.255", Benchmarking, None, None),
        ("198.51.100.0", "198.51.100.255", Documentation, None, None),
        ("203.0.113.0", "203.0.113.255", Documentation, None, None),
        ("224.0.0.0", "239.255.255.255", Multicast, None, Some(Reserved)),
        ("240.0.0.0", "255.255.255.254", Reserved, Some(Multicast), Some(Broadcast)),
        ("168.63.129.16", "168.63.129.16", Metadata, None, None),
    ];
    for (first, last, expected, before, after) in table {
        let bits = |text: &str| text.parse::<Ipv4Addr>().unwrap().to_bits();
        let at = |bits: u32| special(Ipv4Addr::from_bits(bits).into());
        assert_eq!(at(bits(first)), Some(expected), "{first}");
        assert_eq!(at(bits(last)), Some(expected), "{last}");
        assert_eq!(at(bits(first) - 1), before, "before {first}");
        assert_eq!(at(bits(last) + 1), after, "after {last}");
    }
    assert_eq!(kind("255.255.255.255"), Some(Broadcast));
    assert_eq!(kind("0.0.0.0"), Some(Unspecified));
}

#[test]
fn ranges_of_ipv6_end_where_they_should() {
    for (first, last, expected, before, after) in BLOCKS_OF_IPV6 {
        let bits = |text: &str| text.parse::<Ipv6Addr>().unwrap().to_bits();
        // A neighbour in 2001::/32 carries an address; which one is the next test's.
        let at = |bits: u128| {
            let kind = special(Ipv6Addr::from_bits(bits).into());
            kind.filter(|kind| !matches!(kind, Translated(..)))
        };
        assert_eq!(at(bits(first)), Some(expected), "{first}");
        assert_eq!(at(bits(last)), Some(expected), "{last}");
        assert_eq!(at(bits(first) - 1), before, "before {first}");
        assert_eq!(at(bits(last) + 1), after, "after {last}");
    }
    assert_eq!(kind("ff00::"), Some(Multicast));
    assert_eq!(kind("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), Some(Multicast));
    assert_eq!(kind("::"), Some(Unspecified));
    assert_eq!(kind("::1"), Some(Loopback));
    for public in ["2000::", "2606:4700::6810:84e5", "2a00:1450:4001:82b::200e", "3ffe:ffff::1"] {
        assert_eq!(kind(public), None, "{public}");
    }
}

#[test]
fn what_carries_ipv4_says_which() {
    for (text, form, v4) in [
        ("::2", Form::Compatible, "0.0.0.2"),
        ("::8.8.8.8", Form::Compatible, "8.8.8.8"),
        ("::ffff:0.0.0.0", Form::Mapped, "0.0.0.0"),
        ("::ffff:127.0.0.1", Form::Mapped, "127.0.0.1"),
        ("::ffff:255.255.255.255", Form::Mapped, "255.255.255.255"),
        ("::ffff:0:10.0.0.1", Form::Mapped, "10.0.0.1"),
        ("64:ff9b::", Form::Nat64, "0.0.0.0"),
        ("64:ff9b::8.8.8.8", Form::Nat64, "8.8.8.8"),
        ("64:ff9b::ffff:ffff", Form::Nat64, "255.255.255.255"),
        ("64:ff9b:1::", Form::Nat64Local, "0.0.0.0"),
        ("64:ff9b:1:ffff:ffff:ffff:ffff:ffff", Form::Nat64Local, "255.255.255.255"),
        ("2002::", Form::SixToFour, "0.0.0.0"),
        ("2002:a9fe:a9fe::1", Form::SixToFour, "169.254.169.254"),
        ("2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Form::SixToFour, "255.255.255.255"),
        ("2001::", Form::Teredo, "255.255.255.255"),
        ("2001:0:4136:e378:8000:63bf:f5ff:fffe", Form::Teredo, "10.0.0.1"),
        ("2001:0:ffff:ffff:ffff:ffff:ffff:ffff", Form::Teredo, "0.0.0.0"),
        ("2a00::5efe:10.0.0.1", Form::Isatap, "10.0.0.1"),
        ("2a00::200:5efe:8.8.8.8", Form::Isatap, "8.8.8.8"),
    ] {
        assert_eq!(kind(text), carried(form, v4), "{text}");
    }
    assert_eq!(kind("2003::"), None);
    assert_eq!(kind("64:ff9b::1:0:0"), Some(Kind::Reserved));
    assert_eq!(kind("64:ff9b:2::"), Some(Kind::Reserved));
    assert_eq!(kind("64:ff9a:ffff:ffff:ffff:ffff:ffff:ffff"), Some(Kind::Reserved));
}

#[test]
fn private_names_lead_to_networks_and_not_to_services_of_the_host() {
    for text in ["10.0.0.1", "fd00::1", "fe80::1", "fec0::1", "100.64.0.1", "169.254.0.1"] {
        assert!(kind(text).unwrap().is_for_private_names(), "{text}");
    }
    for text in ["::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::8.8.8.8", "2002:a00:1::"] {
        assert!(kind(text).unwrap().is_for_private_names(), "{text}");
    }
    for text in [
        "0.0.0.0",
        "::",
        "127.0.0.1",
        "::1",
        "169.254.169.254",
        "fd00:ec2::254",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "0.1.2.3",
        "100::1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::10.0.0.1",
        "2002:7f00:1::",
    ] {
        assert!(!kind(text).unwrap().is_for_private_names(), "{text}");
    }
    assert!(!Kind::Host.is_for_private_names());
}

#[test]
fn kinds_read_well() {
    assert_eq!(kind("127.0.0.1").unwrap().to_string(), "a loopback address");
    let nat64 = kind("64:ff9b::8.8.8.8").unwrap().to_string();
    assert_eq!(nat64, "8.8.8.8 in the form of a NAT64 address");
}
