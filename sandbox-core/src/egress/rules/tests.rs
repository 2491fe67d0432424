use proptest::prelude::*;

use super::*;

fn rules(texts: &[&str]) -> Rules {
    Rules::new(&texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>())
}

fn name(text: &str) -> HostName {
    text.parse().unwrap()
}

/// The rule that decides, or the refusal's code.
fn decide<'a>(rules: &'a Rules, target: &str, port: u16, protocol: Protocol) -> &'a str {
    match rules.decide(&target.parse().unwrap(), port, protocol) {
        Ok(rule) => rule.as_str(),
        Err(refusal) => refusal.code(),
    }
}

fn tcp<'a>(rules: &'a Rules, target: &str, port: u16) -> &'a str {
    decide(rules, target, port, Protocol::Tcp)
}

#[test]
fn rules_mean_what_they_say() {
    let rules = rules(&[
        "example.com",
        "example.com:8443",
        "all.example.net:*",
        "*.example.org",
        "ns.example.net:53/udp",
        "192.0.43.8",
        "198.41.0.0/24:53/udp",
        "[2606:4700::1]:22",
    ]);
    for (target, port, expected) in [
        ("example.com", 80, "example.com"),
        ("example.com", 443, "example.com"),
        ("example.com", 8443, "example.com:8443"),
        ("example.com", 22, "wrong_port"),
        ("example.com", 0, "wrong_port"),
        ("EXAMPLE.com.", 443, "example.com"),
        ("www.example.com", 443, "unlisted_name"),
        ("all.example.net", 1, "all.example.net:*"),
        ("all.example.net", 65535, "all.example.net:*"),
        ("all.example.net", 0, "wrong_port"),
        ("www.example.org", 443, "*.example.org"),
        ("a.b.c.example.org", 443, "*.example.org"),
        ("example.org", 443, "unlisted_name"),
        ("xexample.org", 443, "unlisted_name"),
        ("example.org.test", 443, "unlisted_name"),
        ("ns.example.net", 53, "wrong_protocol"),
        ("192.0.43.8", 443, "192.0.43.8"),
        ("::ffff:192.0.43.8", 443, "192.0.43.8"),
        ("192.0.43.9", 443, "unlisted_address"),
        ("198.41.0.4", 53, "wrong_protocol"),
        ("[2606:4700::1]", 22, "[2606:4700::1]:22"),
        ("2606:4700::2", 22, "unlisted_address"),
    ] {
        assert_eq!(tcp(&rules, target, port), expected, "{target} {port}");
    }
    for (target, port, expected) in [
        ("ns.example.net", 53, "ns.example.net:53/udp"),
        ("ns.example.net", 54, "wrong_port"),
        ("198.41.0.4", 53, "198.41.0.0/24:53/udp"),
        ("all.example.net", 443, "wrong_protocol"),
        ("example.com", 443, "wrong_protocol"),
    ] {
        assert_eq!(decide(&rules, target, port, Protocol::Udp), expected, "{target} {port}/udp");
    }
}

#[test]
fn dns_knows_names_whatever_their_port() {
    let rules = rules(&["a.example:53/udp", "*.b.example:22", "192.0.43.8"]);
    assert!(rules.knows(&name("a.example")) && rules.knows(&name("x.b.example")));
    assert!(!rules.knows(&name("b.example")) && !rules.knows(&name("example")));
    assert!(!Rules::default().knows(&name("a.example")));
}

#[test]
fn blocks_of_all_lengths_are_found() {
    let v4 = rules(&["8.0.0.0/7:1", "9.9.0.0/16:2", "9.9.9.9:3"]);
    assert_eq!(tcp(&v4, "9.9.9.9", 1), "8.0.0.0/7:1");
    assert_eq!(tcp(&v4, "9.9.9.9", 2), "9.9.0.0/16:2");
    assert_eq!(tcp(&v4, "9.9.9.9", 3), "9.9.9.9:3");
    assert_eq!(tcp(&v4, "9.9.9.8", 3), "wrong_port");
    assert_eq!(tcp(&v4, "10.9.9.8", 1), "unlisted_address");
    // A block of one family never holds the other.
    let everything = rules(&["::/0"]);
    assert_eq!(tcp(&everything, "8.8.8.8", 443), "unlisted_address");
    assert_eq!(tcp(&everything, "::ffff:8.8.8.8", 443), "unlisted_address");
    assert_eq!(tcp(&everything, "2606:4700::1", 443), "::/0");
}

#[test]
fn special_addresses_need_a_private_rule() {
    let plain = rules(&["0.0.0.0/0:*", "::/0", "127.0.0.1:5432"]);
    for address in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "0.0.0.0", "::1", "64:ff9b::1"] {
        let port = if address == "127.0.0.1" { 5432 } else { 443 };
        assert_eq!(tcp(&plain, address, port), "special_address", "{address}");
    }
    assert_eq!(tcp(&plain, "8.8.8.8", 443), "0.0.0.0/0:*");
    let private = rules(&["0.0.0.0/0:*", r#"{"host":"127.0.0.1:5432","private":true}"#]);
    assert_eq!(tcp(&private, "127.0.0.1", 5432), "127.0.0.1:5432");
    assert_eq!(tcp(&private, "::ffff:127.0.0.1", 5432), "127.0.0.1:5432");
    assert_eq!(tcp(&private, "127.0.0.1", 22), "special_address");
    assert_eq!(tcp(&private, "127.0.0.2", 5432), "special_address");
}

/// What `admits` says about dialling `address` for `host`.
fn admits(rules: &Rules, host: &str, address: &str) -> Result<(), String> {
    let own = ["203.0.112.7".parse().unwrap()];
    let rule = rules.decide(&host.parse().unwrap(), 443, Protocol::Tcp).unwrap();
    let address = address.parse().unwrap();
    rules.admits(rule, address, 443, Protocol::Tcp, &own).map_err(|refusal| refusal.to_string())
}

#[test]
fn names_must_not_lead_to_special_addresses() {
    let rules = rules(&[
        "open.example",
        r#"{"host":"inner.example","private":true}"#,
        r#"{"host":"127.0.0.1:443","private":true}"#,
        "10.1.1.1:443",
    ]);
    let open = |address| admits(&rules, "open.example", address).is_ok();
    assert!(open("8.8.8.8") && open("2606:4700::1"));
    for address in [
        "10.0.0.1",
        "10.1.1.1",
        "169.254.169.254",
        "::1",
        "fd00::1",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "203.0.112.7",
        "::ffff:203.0.112.7",
        "2002:cb00:7007::1",
        "0.0.0.0",
    ] {
        assert!(!open(address), "{address}");
    }
    let inner = |address| admits(&rules, "inner.example", address).is_ok();
    for address in ["8.8.8.8", "10.0.0.1", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::808:808"] {
        assert!(inner(address), "{address}");
    }
    for address in [
        "169.254.169.254",
        "::1",
        "127.0.0.2",
        "0.0.0.0",
        "::ffff:127.0.0.2",
        "203.0.112.7",
        "2002:cb00:7007::1",
        "64:ff9b::7f00:2",
    ] {
        assert!(!inner(address), "{address}");
    }
    // A private rule for the address itself opens it, for every name that is allowed.
    assert!(inner("127.0.0.1") && open("127.0.0.1") && inner("::ffff:127.0.0.1"));
    let only = |port, protocol| {
        let rule = &rules.as_slice()[0];
        rules.admits(rule, "127.0.0.1".parse().unwrap(), port, protocol, &[]).is_ok()
    };
    assert!(only(443, Protocol::Tcp) && !only(80, Protocol::Tcp) && !only(443, Protocol::Udp));
}

#[test]
fn a_private_rule_is_preferred() {
    let private = r#"{"host":"db.example","private":true}"#;
    for order in
        [["*.example.test", "db.example", private], [private, "db.example", "db.example:*"]]
    {
        let rules = rules(&order);
        assert!(rules.decide(&name("db.example").into(), 443, Protocol::Tcp).unwrap().is_private());
    }
}

#[test]
fn refusals_name_the_thing_the_reason_and_the_remedy() {
    let rules = rules(&[
        "a.example",
        "a.example:1",
        "a.example:2",
        "a.example:3",
        "a.example:4",
        r#"{"host":"b.example","private":true}"#,
        "10.0.0.0/8",
    ]);
    let text = |target: &str, port| {
        rules.decide(&target.parse().unwrap(), port, Protocol::Tcp).unwrap_err().to_string()
    };
    assert_eq!(
        text("c.example", 443),
        "no rule names c.example: add it to allowed_hosts if it is meant"
    );
    assert_eq!(
        text("a.example", 22),
        "no rule allows port 22 of a.example: the policy has a.example, a.example:1, a.example:2, \
         a.example:3 and 1 more"
    );
    assert_eq!(
        text("10.0.0.1", 443),
        "the rule 10.0.0.0/8 does not open 10.0.0.1, a private address: if it is meant, write the \
         rule with private = true"
    );
    assert_eq!(
        admits(&rules, "b.example", "127.0.0.1").unwrap_err(),
        "the rule b.example does not open 127.0.0.1, a loopback address: if it is meant, add a rule \
         for 127.0.0.1 itself, with private = true"
    );
}

#[test]
fn ports_are_gathered() {
    let rules = rules(&["a.example", "b.example:22", "c.example:53/udp", "d.example:*"]);
    assert_eq!(rules.ports(Protocol::Tcp), (BTreeSet::from([22, 80, 443]), true));
    assert_eq!(rules.ports(Protocol::Udp), (BTreeSet::from([53]), false));
}

const LABEL: &str = "[a-c]{1,2}";

prop_compose! {
    fn any_name()(labels in prop::collection::vec(LABEL, 1..5)) -> String { labels.join(".") }
}

fn any_rule() -> impl Strategy<Value = String> {
    let host = (any::<bool>(), any_name()).prop_map(|(below, name)| match below {
        true => format!("*.{name}.d"),
        false => name,
    });
    let port = prop_oneof![Just(""), Just(":*"), Just(":1"), Just(":1/udp"), Just(":80")];
    (host, port).prop_map(|(host, port)| format!("{host}{port}"))
}

proptest! {
    /// The maps agree with what each rule says of itself.
    #[test]
    fn compiling_changes_no_meaning(
        texts in prop::collection::vec(any_rule(), 0..12),
        target in any_name(),
        dotted in any::<bool>(),
        port in prop_oneof![Just(0_u16), Just(1), Just(80), Just(443), Just(444)],
        udp in any::<bool>(),
    ) {
        let list: Vec<HostRule> = texts.iter().map(|text| text.parse().unwrap()).collect();
        let rules = Rules::new(&list);
        let target = if dotted { name(&format!("{target}.D")) } else { name(&target) };
        let protocol = if udp { Protocol::Udp } else { Protocol::Tcp };
        let names = list.iter().filter(|rule| rule.host().matches_name(&target));
        prop_assert_eq!(rules.knows(&target), names.clone().next().is_some());
        let allows = |rule: &&HostRule| rule.ports().contains(port) && rule.protocol() == protocol;
        let expected = names.filter(allows).count() > 0;
        let decided = rules.decide(&target.clone().into(), port, protocol);
        prop_assert_eq!(decided.is_ok(), expected);
        if let Ok(rule) = decided {
            prop_assert!(rule.host().matches_name(&target) && allows(&rule));
        }
    }

    #[test]
    fn blocks_are_found_as_they_are_said(
        blocks in prop::collection::vec((any::<u32>(), 0_u8..=32), 0..12),
        near in any::<prop::sample::Index>(),
        low in any::<u8>(),
    ) {
        let block = |(bits, length): &(u32, u8)| {
            IpNet::new(std::net::Ipv4Addr::from_bits(*bits).into(), *length).unwrap().trunc()
        };
        let list: Vec<HostRule> =
            blocks.iter().map(|b| format!("{}:1", block(b)).parse().unwrap()).collect();
        let base = if blocks.is_empty() { 0 } else { near.get(&blocks).0 };
        let address: IpAddr = std::net::Ipv4Addr::from_bits(base ^ u32::from(low)).into();
        let found = Rules::new(&list).decide(&address.into(), 1, Protocol::Tcp).map(|_| ());
        let expected = list.iter().any(|rule| rule.host().matches_address(address));
        match found {
            Ok(()) => prop_assert!(expected),
            Err(refusal) => prop_assert_eq!(expected, refusal.code() == "special_address"),
        }
    }

    /// `*.d` matches what ends in `.d`, and neither `d` nor `xd`.
    #[test]
    fn a_wildcard_covers_what_is_below_alone(domain in any_name(), other in any_name()) {
        let domain = format!("{domain}.d");
        let rules = rules(&[&format!("*.{domain}:*")]);
        let knows = |text: &str| rules.knows(&name(text));
        let (glued, below) = (format!("{other}{domain}"), format!("{other}.{domain}"));
        prop_assert!(!knows(&domain) && !knows(&glued) && knows(&below));
        let dotted = format!("{}.", below.to_uppercase());
        prop_assert!(knows(&dotted));
        let target = format!("{other}.d");
        let is_below = target.ends_with(&format!(".{domain}"));
        prop_assert_eq!(knows(&target), is_below);
    }

    #[test]
    fn a_name_covers_itself_alone(own in any_name(), other in any_name()) {
        let rules = rules(&[&own]);
        prop_assert_eq!(rules.knows(&name(&other)), own == other);
        let (dotted, below) = (format!("{}.", own.to_uppercase()), format!("{other}.{own}"));
        prop_assert!(rules.knows(&name(&dotted)) && !rules.knows(&name(&below)));
    }
}
