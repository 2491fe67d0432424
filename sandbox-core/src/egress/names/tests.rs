use super::*;

fn name(text: &str) -> HostName {
    text.parse().unwrap()
}

fn range(v4: &str, v6: &str) -> Result<Range, RangeError> {
    Range::new(v4.parse().unwrap(), v6.parse().unwrap())
}

#[test]
fn a_name_keeps_its_addresses() {
    let mut names = Names::new(Range::default());
    let first = names.address_of(&name("a.example")).unwrap();
    let second = names.address_of(&name("b.example")).unwrap();
    assert_eq!(first.v4, Ipv4Addr::new(198, 18, 0, 16));
    assert_eq!(first.v6, "fd00:5b::10".parse::<Ipv6Addr>().unwrap());
    assert_eq!(second.v4, Ipv4Addr::new(198, 18, 0, 17));
    assert_eq!(names.address_of(&name("A.example")).unwrap(), first);
    assert_eq!(names.len(), 2);
}

#[test]
fn addresses_lead_back_in_every_form() {
    let mut names = Names::new(Range::default());
    let own = names.address_of(&name("a.example")).unwrap();
    for address in [own.v4.into(), own.v6.into(), IpAddr::V6(own.v4.to_ipv6_mapped())] {
        assert_eq!(names.name_of(address), Some(&name("a.example")), "{address}");
    }
    for address in
        ["198.18.0.0", "198.18.0.1", "198.18.0.15", "198.18.0.17", "198.17.255.255", "0.0.0.0"]
    {
        assert_eq!(names.name_of(address.parse().unwrap()), None, "{address}");
    }
    for address in ["fd00:5b::", "fd00:5b::1", "fd00:5b::11", "fd00:5b::1:0:10", "::10", "::"] {
        assert_eq!(names.name_of(address.parse().unwrap()), None, "{address}");
    }
}

#[test]
fn the_namespace_has_the_first_address() {
    let own = Range::default().own();
    assert_eq!(own.v4, Ipv4Addr::new(198, 18, 0, 1));
    assert_eq!(own.v6, "fd00:5b::1".parse::<Ipv6Addr>().unwrap());
    assert!(Range::default().contains(own.v4.into()) && Range::default().contains(own.v6.into()));
    assert!(Range::default().contains(IpAddr::V6(own.v4.to_ipv6_mapped())));
    assert!(!Range::default().contains("198.20.0.0".parse().unwrap()));
}

#[test]
fn a_full_table_gives_nothing_away() {
    let mut names = Names::with_limit(Range::default(), 2);
    let first = names.address_of(&name("a.example")).unwrap();
    names.address_of(&name("b.example")).unwrap();
    let full = names.address_of(&name("c.example")).unwrap_err();
    assert_eq!(full, Full { name: name("c.example"), limit: 2 });
    assert_eq!(names.address_of(&name("a.example")).unwrap(), first);
    assert_eq!(names.len(), 2);
}

/// Every address of a small range is given out once; the network's, the namespace's own and the
/// broadcast address never.
#[test]
fn a_range_is_used_up_without_its_ends() {
    let range = range("10.9.8.0/24", "fd01::/96").unwrap();
    let mut names = Names::new(range);
    let mut seen = std::collections::BTreeSet::new();
    let full = (0..300).find(|n| match names.address_of(&name(&format!("n{n}.example"))) {
        Ok(address) => {
            assert!(range.contains(address.v4.into()) && range.contains(address.v6.into()));
            assert!(seen.insert(address.v4), "{} twice", address.v4);
            false
        }
        Err(_) => true,
    });
    assert_eq!(full, Some(256 - 16 - 1));
    assert_eq!(seen.first(), Some(&Ipv4Addr::new(10, 9, 8, 16)));
    assert_eq!(seen.last(), Some(&Ipv4Addr::new(10, 9, 8, 254)));
}

#[test]
fn small_blocks_are_no_range() {
    assert!(range("10.9.8.0/25", "fd01::/64").is_err());
    let error = range("10.9.8.0/24", "fd01::/97").unwrap_err().to_string();
    assert_eq!(
        error,
        "10.9.8.0/24 and fd01::/97 are no range for names: write blocks of at least /24 and /96"
    );
    assert_eq!(range("10.9.8.7/24", "fd01::1/96"), range("10.9.8.0/24", "fd01::/96"));
    assert!(range("0.0.0.0/0", "::/0").is_ok_and(|range| range.own().v4.to_bits() == 1));
}

#[test]
fn the_default_holds_the_default_limit() {
    assert!(Range::default().capacity() > Names::LIMIT);
    assert_eq!(Names::new(Range::default()).limit, Names::LIMIT);
}
