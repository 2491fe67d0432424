use super::*;

#[test]
fn the_network_is_denied_by_default_and_modes_are_checked() {
    assert!(NetworkPolicy::default().is_denied());
    let json = |text: &str| serde_json::from_str::<NetworkPolicy>(text);
    assert!(json(r#"{"mode":"limited"}"#).unwrap().is_denied());
    assert_eq!(json(r#"{"mode":"unrestricted"}"#).unwrap(), NetworkPolicy::Unrestricted);
    for wrong in [
        r#"{"mode":"none"}"#,
        r#"{}"#,
        r#"{"mode":"Unrestricted"}"#,
        r#"{"mode":"limited","allowed_hosts":["*"]}"#,
        r#"{"mode":"limited","hosts":[]}"#,
        r#"{"mode":"limited","minimum_level":"unsupported"}"#,
    ] {
        assert!(json(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_level_is_demanded_where_hosts_are_listed() {
    let text =
        r#"{"mode":"limited","allowed_hosts":["a.example"],"minimum_level":"proxy_aware_only"}"#;
    let policy: NetworkPolicy = serde_json::from_str(text).unwrap();
    assert_eq!(policy.minimum_level(), Some(MinimumLevel::ProxyAwareOnly));
    assert_eq!(serde_json::to_string(&policy).unwrap(), text);
    let higher = policy.at_least(MinimumLevel::Transparent);
    assert_eq!(higher.minimum_level(), Some(MinimumLevel::Transparent));
    for none in [NetworkPolicy::denied(), NetworkPolicy::Unrestricted] {
        assert_eq!(none.at_least(MinimumLevel::Transparent).minimum_level(), None);
    }
    let builder = crate::Policy::read_only().allow_hosts(["a.example"]).unwrap();
    let builder = builder.minimum_level(MinimumLevel::Transparent);
    let policy = builder.allow_hosts(["b.example"]).unwrap().build().unwrap();
    assert_eq!(policy.network().minimum_level(), Some(MinimumLevel::Transparent));
}
