use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Result<String, HostNameError> {
    text.parse::<HostName>().map(|name| name.to_string())
}

#[test]
fn a_name_has_one_spelling() {
    for text in ["a.example", "A.Example", "a.EXAMPLE."] {
        assert_eq!(read(text), Ok("a.example".into()), "{text}");
    }
    assert_eq!(read("_dmarc.x-1.a0"), Ok("_dmarc.x-1.a0".into()));
}

#[test]
fn what_is_no_name_is_told_why() {
    let label = |length| "a".repeat(length);
    for (text, why) in [
        ("", HostNameError::Empty),
        (".", HostNameError::Empty),
        ("a..b", HostNameError::Empty),
        (".a", HostNameError::Empty),
        ("a.b..", HostNameError::Empty),
        (&label(64), HostNameError::LongLabel),
        (&[label(63), label(63), label(63), label(62)].join("."), HostNameError::Long),
        ("-a.b", HostNameError::Character),
        ("a.b-", HostNameError::Character),
        ("a b", HostNameError::Character),
        ("a\0", HostNameError::Character),
        ("*.a", HostNameError::Character),
        ("a:80", HostNameError::Character),
        ("::1", HostNameError::Character),
        ("ä.example", HostNameError::Character),
        ("127.0.0.1", HostNameError::Number),
        ("a.0X1f", HostNameError::Number),
        ("1", HostNameError::Number),
    ] {
        assert_eq!(read(text), Err(why), "{text:?}");
    }
    let longest = [label(63), label(63), label(63), label(61)].join(".");
    assert_eq!(longest.len(), HostName::LONGEST);
    assert_eq!(read(&format!("{longest}.")), Ok(longest));
}

#[test]
fn labels_are_not_text() {
    let name = |labels: &[&[u8]]| HostName::from_labels(labels.iter().copied());
    assert_eq!(name(&[b"WWW", b"example"]).unwrap().as_str(), "www.example");
    assert_eq!(name(&[b"a.b", b"example"]), Err(HostNameError::Character));
    assert_eq!(name(&[b"a\xff"]), Err(HostNameError::Character));
    assert_eq!(name(&[]), Err(HostNameError::Empty));
}

#[test]
fn the_names_above_come_nearest_first() {
    let name: HostName = "a.b.example".parse().unwrap();
    assert_eq!(name.above().collect::<Vec<_>>(), ["b.example", "example"]);
}

proptest! {
    #[test]
    fn text_and_labels_agree(text in "[a-zA-Z0-9._-]{0,12}") {
        let labels = HostName::from_labels(text.split('.').map(str::as_bytes));
        if !text.ends_with('.') {
            prop_assert_eq!(text.parse::<HostName>(), labels);
        }
    }

    #[test]
    fn nothing_makes_it_panic(text in any::<String>(), bytes in any::<Vec<Vec<u8>>>()) {
        let _ = text.parse::<HostName>();
        let _ = HostName::from_labels(bytes.iter().map(Vec::as_slice));
    }
}
