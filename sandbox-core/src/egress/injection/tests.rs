use std::collections::BTreeSet;
use std::fs;

use super::*;

fn prepared(secret: &[u8]) -> Result<Arc<Injection>> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), secret).unwrap();
    let network: NetworkPolicy = serde_json::from_value(serde_json::json!({
        "mode": "limited",
        "credentials": [{ "env": "A", "from": { "file": file.path() }, "hosts": ["a.example"] }],
    }))
    .unwrap();
    Injection::prepare(&network).map(Option::unwrap)
}

fn placeholder(secret: &str) -> String {
    prepared(secret.as_bytes()).unwrap().variables().next().unwrap().1.to_owned()
}

#[test]
fn a_placeholder_has_the_shape_of_its_secret_and_nothing_more() {
    for (secret, kind, length) in [
        ("ghp_0123456789abcdefghijABCDEFGHIJ012345", "ghp_", 40),
        ("sk-ant-api03-0123456789abcdef", "sk-ant-api03-", 35),
        ("password", "sbx_", 26),
        (&"x".repeat(8000), "sbx_", 256),
    ] {
        let made: BTreeSet<_> = (0..20).map(|_| placeholder(secret)).collect();
        assert_eq!(made.len(), 20);
        for one in made {
            assert!(one.starts_with(kind) && one.len() == length, "{one}");
            assert!(!one.contains(&secret[secret.len() - 8..]), "{one}");
        }
    }
}

#[test]
fn what_is_no_secret_is_named_and_not_shown() {
    for (secret, why) in [
        (&b"short\n"[..], "5 bytes"),
        (b"two words here", "printable"),
        (b"first-line\nsecond-line", "printable"),
        (b"zero-zero\0", "printable"),
        (b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8", "UTF-8"),
        (&[b'x'; 9000], "bytes"),
    ] {
        let said = prepared(secret).unwrap_err().to_string();
        assert!(said.contains("credential A") && said.contains(why), "{said}");
        assert!(!said.contains("first") && !said.contains("words"), "{said}");
    }
    assert!(prepared(b"carriage-return\r\n").is_ok());
    let missing: NetworkPolicy = serde_json::from_str(
        r#"{"mode":"limited","credentials":[
            {"env":"A","from":{"env":"NO_SUCH_VARIABLE_HERE"},"hosts":["a.example"]}]}"#,
    )
    .unwrap();
    let said = Injection::prepare(&missing).unwrap_err().to_string();
    assert!(said.contains("NO_SUCH_VARIABLE_HERE is not set"), "{said}");
    assert!(Injection::prepare(&NetworkPolicy::denied()).unwrap().is_none());
}
