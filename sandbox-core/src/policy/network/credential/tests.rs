use super::*;
use crate::policy::PolicyBuilder;
use crate::{NetworkPolicy, Policy};

fn read(text: &str) -> Result<Credential, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn target(text: &str) -> Target {
    crate::egress::http::target(text).unwrap()
}

#[test]
fn what_is_not_said_has_a_default() {
    let plain = read(r#"{"env":"A_TOKEN","hosts":["API.example.org"]}"#).unwrap();
    assert_eq!(plain, Credential::new("A_TOKEN", plain.hosts().to_vec()).unwrap());
    assert_eq!(plain.source(), &Source::Env("A_TOKEN".into()));
    let formats: Vec<_> = plain.formats().iter().map(ToString::to_string).collect();
    assert_eq!(formats, ["Bearer {}", "token {}", "Basic {}"]);
    let other = read(r#"{"env":"A","hosts":["a.example"],"header":"X-Api-Key"}"#).unwrap();
    assert_eq!((other.header(), other.formats()[0].to_string()), ("x-api-key", "{}".into()));
}

#[test]
fn what_is_written_is_read_again() {
    let full = r#"{"env":"A","from":{"file":"/run/secret"},"hosts":["a.example:8443","192.0.2.1"],
        "header":"x-key","format":["k={};","{}"],"methods":["GET"],"paths":["/a/*","/b"]}"#;
    let full = read(full).unwrap();
    assert_eq!(read(&serde_json::to_string(&full).unwrap()).unwrap(), full);
}

#[test]
fn a_host_is_meant_at_one_port() {
    let one = read(r#"{"env":"A","hosts":["a.example","b.example:8443","192.0.2.1"]}"#).unwrap();
    for (host, port, is) in [
        ("a.example", 443, true),
        ("a.example", 80, false),
        ("b.example", 8443, true),
        ("b.example", 443, false),
        ("192.0.2.1", 443, true),
        ("x.a.example", 443, false),
    ] {
        assert_eq!(one.is_for(&target(host), port), is, "{host}:{port}");
    }
    for host in ["*.example.org", "a.example:*", "a.example:53/udp", "192.0.2.0/24", "a b", ""] {
        assert!(read(&format!(r#"{{"env":"A","hosts":[{host:?}]}}"#)).is_err(), "{host}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for part in [
        r#""env":"A B""#,
        r#""env":"""#,
        r#""env":"A","from":{"env":""}"#,
        r#""env":"A","from":{"file":"relative"}"#,
        r#""env":"A","header":"host""#,
        r#""env":"A","header":"Transfer-Encoding""#,
        r#""env":"A","header":"a b""#,
        r#""env":"A","format":"Bearer""#,
        r#""env":"A","format":"{}{}""#,
        r#""env":"A","format":"a\r\nb: {}""#,
        r#""env":"A","methods":["GE T"]"#,
        r#""env":"A","paths":["repos"]"#,
        r#""env":"A","paths":["/a*b"]"#,
        r#""env":"A","paths":["/a/../b"]"#,
        r#""env":"A","secret":"x""#,
    ] {
        assert!(read(&format!(r#"{{{part},"hosts":["a.example"]}}"#)).is_err(), "{part}");
    }
    assert!(read(r#"{"env":"A","hosts":[]}"#).is_err());
}

#[test]
fn paths_that_servers_read_differently_are_none() {
    for path in ["/", "/a/b", "/a/b/", "/a?b=../c", "/a%20b", "/%C3%A4", "/.a/b..c"] {
        assert!(PlainPath::of(path).is_some(), "{path}");
    }
    for path in [
        "*",
        "a",
        "/a/../b",
        "/a/..",
        "/./a",
        "//a",
        "/a//b",
        "/a%2f..%2fb",
        "/a/%2e%2e/b",
        "/a/..;/b",
        "/a;x/b",
        "/a\\b",
        "/a%5Cb",
        "/a%252e",
        "/a%0ab",
        "/a%2",
        "/a%zz",
    ] {
        assert_eq!(PlainPath::of(path), None, "{path}");
    }
    let pattern = PathPattern::parse("/repos/*").unwrap();
    assert!(pattern.matches("/repos/a") && !pattern.matches("/repos") && !pattern.matches("/x"));
    assert!(!PathPattern::parse("/user").unwrap().matches("/user/keys"));
}

fn built(
    change: impl FnOnce(PolicyBuilder) -> PolicyBuilder,
    text: &str,
) -> Result<Policy, String> {
    let network: NetworkPolicy = serde_json::from_str(text).map_err(|error| error.to_string())?;
    change(Policy::read_only().network(network)).build().map_err(|error| error.to_string())
}

#[test]
fn a_policy_has_to_agree_with_its_credentials() {
    let one = r#"{"mode":"limited","allowed_hosts":["a.example"],
        "credentials":[{"env":"A","from":{"env":"B"},"hosts":["a.example"]}]}"#;
    let policy = built(|it| it, one).unwrap();
    let text = serde_json::to_string(&policy).unwrap();
    assert_eq!(serde_json::from_str::<Policy>(&text).unwrap(), policy);
    for name in ["A", "B"] {
        let why = built(|it| it.pass_env(name).unwrap(), one).unwrap_err();
        assert!(why.contains("passes"), "{why}");
        let why = built(|it| it.set_env(name, "x").unwrap(), one).unwrap_err();
        assert!(why.contains("sets"), "{why}");
    }
    let why = built(|it| it, &one.replacen("a.example", "b.example", 1)).unwrap_err();
    assert!(why.contains("allowed_hosts"), "{why}");
    let why = built(|it| it, &one.replacen("a.example", "a.example:80", 1)).unwrap_err();
    assert!(why.contains("allowed_hosts"), "{why}");
    let doubled = one.replacen("[{", r#"[{"env":"A","hosts":["a.example"]},{"#, 1);
    assert!(built(|it| it, &doubled).unwrap_err().contains("twice"));
}

#[test]
fn a_secrets_file_is_hidden() {
    let text = r#"{"mode":"limited","allowed_hosts":["a.example"],
        "credentials":[{"env":"A","from":{"file":"/usr/share/key"},"hosts":["a.example"]}]}"#;
    let policy = built(|it| it, text).unwrap();
    let (path, grant) = policy.filesystem().decide("/usr/share/key".as_ref()).unwrap();
    assert_eq!(path.as_path(), std::path::Path::new("/usr/share/key"));
    assert!(grant.rights.is_empty());
}
