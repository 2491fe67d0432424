use super::*;

fn apply(policy: &EnvironmentPolicy, caller: &[(&str, &str)]) -> Vec<String> {
    let caller: BTreeMap<OsString, OsString> =
        caller.iter().map(|(name, value)| (name.into(), value.into())).collect();
    let env = policy.apply(&caller);
    env.iter().map(|(n, v)| format!("{}={}", n.display(), v.display())).collect()
}

#[test]
fn nothing_passes_that_is_not_named() {
    let mut policy = EnvironmentPolicy::default();
    policy.pass("LANG").unwrap();
    policy.pass("LC_*").unwrap();
    let caller = [("LANG", "C"), ("LANGUAGE", "x"), ("LC_ALL", "C"), ("XLC_", "x"), ("lang", "x")];
    assert_eq!(apply(&policy, &caller), ["LANG=C", "LC_ALL=C"]);
}

#[test]
fn what_is_set_wins() {
    let mut policy = EnvironmentPolicy::default();
    policy.pass("CI").unwrap();
    policy.set("CI", "1".into()).unwrap();
    policy.set("EMPTY", String::new()).unwrap();
    assert_eq!(apply(&policy, &[("CI", "caller")]), ["CI=1", "EMPTY="]);
}

#[test]
fn secrets_pass_by_their_full_name_alone() {
    let secrets = [
        "MY_SECRET",
        "MY_API_TOKEN",
        "my_password",
        "MY_PASSPHRASE",
        "MY_CREDENTIALS",
        "MY_APIKEY",
        "MY_SSH_KEY",
        "MY_AUTH",
        "MY_COOKIE",
        "MY_PASSWD",
    ];
    for secret in secrets {
        let mut policy = EnvironmentPolicy::default();
        policy.pass("MY_*").unwrap();
        policy.pass("my_*").unwrap();
        assert!(apply(&policy, &[(secret, "x")]).is_empty(), "{secret}");
        policy.pass(secret).unwrap();
        assert_eq!(apply(&policy, &[(secret, "x")]).len(), 1, "{secret}");
    }
}

#[test]
fn names_that_cannot_be_meant_are_refused() {
    let mut policy = EnvironmentPolicy::default();
    for name in ["", "A=B", "A\0B"] {
        assert!(matches!(policy.pass(name), Err(EnvironmentError::Name { .. })), "{name:?}");
        assert!(matches!(policy.set(name, String::new()), Err(EnvironmentError::Name { .. })));
    }
    for name in ["*", "**", "*A", "A*B", "A**"] {
        assert!(matches!(policy.pass(name), Err(EnvironmentError::Pattern { .. })), "{name:?}");
    }
    assert!(matches!(policy.set("A", "x\0y".into()), Err(EnvironmentError::Value { .. })));
}

#[cfg(unix)]
#[test]
fn values_need_not_be_text_and_names_must() {
    use std::os::unix::ffi::OsStringExt;
    let mut policy = EnvironmentPolicy::default();
    policy.pass("A*").unwrap();
    let odd = OsString::from_vec(vec![b'A', 0xff]);
    let caller = BTreeMap::from([("A".into(), odd.clone()), (odd.clone(), "x".into())]);
    assert_eq!(policy.apply(&caller), BTreeMap::from([("A".into(), odd)]));
}
