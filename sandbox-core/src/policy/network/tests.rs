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
    ] {
        assert!(json(wrong).is_err(), "{wrong}");
    }
}
