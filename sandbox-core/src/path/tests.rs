use std::ffi::OsStr;
use std::path::Path;

use proptest::prelude::*;

use super::*;

#[test]
fn what_is_absolute_and_normal_is_taken_as_it_is() {
    for text in ["/", "/a", "/a/b.c", "/a b/ü", "/...", "/a/~"] {
        assert_eq!(SandboxPath::new(text).unwrap().as_path(), Path::new(text), "{text}");
    }
}

#[test]
fn what_is_not_normal_is_refused_with_what_to_write() {
    let cases = [
        ("/a/", "/a"),
        ("//a", "/a"),
        ("/a//b", "/a/b"),
        ("/./a", "/a"),
        ("/a/.", "/a"),
        ("/a/../b", "/b"),
        ("/..", "/"),
        ("/../../a", "/a"),
        ("//", "/"),
    ];
    for (text, better) in cases {
        let error = SandboxPath::new(text).unwrap_err();
        assert_eq!(error, PathError::NotNormal { path: text.into(), normal: better.into() });
        assert!(error.to_string().ends_with(&format!("write {better:?}")), "{error}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused() {
    assert_eq!(SandboxPath::new(""), Err(PathError::Empty));
    assert!(matches!(SandboxPath::new("a/b"), Err(PathError::Relative { .. })));
    assert!(matches!(SandboxPath::new("./a"), Err(PathError::Relative { .. })));
    assert!(matches!(SandboxPath::new("~/a"), Err(PathError::Tilde { .. })));
    assert!(matches!(SandboxPath::new("~root"), Err(PathError::Tilde { .. })));
    assert!(matches!(SandboxPath::new("/a\0b"), Err(PathError::Nul { .. })));
}

#[test]
fn a_persons_path_is_completed() {
    let base = Path::new("/home/me/work");
    let path = |text: &str| SandboxPath::from_user(text, base).unwrap().as_path().to_path_buf();
    assert_eq!(path("repo"), Path::new("/home/me/work/repo"));
    assert_eq!(path("./repo/"), Path::new("/home/me/work/repo"));
    assert_eq!(path("../../x"), Path::new("/home/x"));
    assert_eq!(path("/srv//data/"), Path::new("/srv/data"));
    assert_eq!(path("../../../../.."), Path::new("/"));
    assert_eq!(SandboxPath::from_user("", base), Err(PathError::Empty));
    assert!(matches!(SandboxPath::from_user("~/x", base), Err(PathError::Tilde { .. })));
    assert!(matches!(SandboxPath::from_user("a\0b", base), Err(PathError::Nul { .. })));
    let relative = SandboxPath::from_user("a", Path::new("b"));
    assert!(matches!(relative, Err(PathError::Relative { .. })));
}

#[test]
fn depth_counts_names() {
    let depth = |text: &str| SandboxPath::new(text).unwrap().depth();
    assert_eq!((depth("/"), depth("/a"), depth("/a/b/c")), (0, 1, 3));
}

#[test]
fn joining_stays_normal() {
    let base = SandboxPath::new("/a").unwrap();
    assert_eq!(base.join("b/c").unwrap().as_path(), Path::new("/a/b/c"));
    assert!(base.join("../b").is_err());
    assert!(base.join("").is_err(), "a trailing slash");
}

#[test]
fn plain_names_are_shown_plainly() {
    for name in ["a", "/usr/lib", "x-1_2.y", "ü/日本", "a=b,c:d;e", "*?[x]"] {
        assert_eq!(quoted(name), name);
    }
}

#[test]
fn what_a_terminal_would_act_on_is_escaped() {
    let cases = [
        ("", "\"\""),
        ("a b", "\"a b\""),
        ("a\nb", "\"a\\nb\""),
        ("\u{1b}[2J", "\"\\u{1b}[2J\""),
        ("a\r", "\"a\\r\""),
        ("\u{7f}", "\"\\u{7f}\""),
        ("\u{9b}31m", "\"\\u{9b}31m\""),
        ("x\u{202e}txt.exe", "\"x\\u{202e}txt.exe\""),
        ("\u{200b}", "\"\\u{200b}\""),
        ("\u{061c}", "\"\\u{61c}\""),
        ("\u{2028}", "\"\\u{2028}\""),
        ("\u{e0041}", "\"\\u{e0041}\""),
        ("say \"hi\"", "\"say \\\"hi\\\"\""),
        ("back\\slash", "\"back\\\\slash\""),
    ];
    for (name, shown) in cases {
        assert_eq!(quoted(name), shown);
    }
}

#[cfg(unix)]
#[test]
fn bytes_that_are_not_text_are_escaped() {
    use std::os::unix::ffi::OsStrExt;
    assert_eq!(quoted(OsStr::from_bytes(b"a\xffb")), "\"a\\xFFb\"");
}

#[test]
fn errors_show_no_raw_control_characters() {
    for text in ["\u{1b}[31m", "/a/../\u{1b}]0;x\u{7}", "~\u{202e}"] {
        let message = SandboxPath::new(text).unwrap_err().to_string();
        assert!(message.chars().all(|c| c == ' ' || c.escape_debug().len() <= 2), "{message}");
        assert!(!message.contains('\u{1b}') && !message.contains('\u{202e}'), "{message}");
    }
}

proptest! {
    #[test]
    fn whatever_is_accepted_is_normal(text in "[/.~a-c]{0,12}") {
        if let Ok(path) = SandboxPath::new(&text) {
            let names: Vec<_> = text.split('/').skip(1).collect();
            prop_assert!(text == "/" || names.iter().all(|n| !n.is_empty() && *n != "." && *n != ".."));
            prop_assert_eq!(path.as_path().to_str(), Some(text.as_str()));
        }
    }

    #[test]
    fn the_remedy_is_accepted(text in "/[/.a-c]{0,12}") {
        if let Err(PathError::NotNormal { normal, .. }) = SandboxPath::new(&text) {
            prop_assert!(SandboxPath::new(normal).is_ok());
        }
    }

    #[test]
    fn a_persons_path_is_always_normal(text in "[/.a-c]{1,12}") {
        let path = SandboxPath::from_user(&text, Path::new("/base")).unwrap();
        prop_assert!(SandboxPath::new(path.as_path()).is_ok());
    }

    #[test]
    fn a_quoted_name_never_acts(name in any::<String>()) {
        let shown = quoted(&name);
        prop_assert!(shown.chars().all(|c| !c.is_control()));
        let marks = ['\u{202e}', '\u{2066}', '\u{200f}', '\u{feff}'];
        prop_assert!(!shown.contains(marks));
    }

    #[test]
    fn names_with_different_meanings_are_shown_differently(a in "[ab\"\\\\ ]{0,4}", b in "[ab\"\\\\ ]{0,4}") {
        prop_assert_eq!(a == b, quoted(&a) == quoted(&b));
    }
}
