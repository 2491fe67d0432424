//! Unsafe code stands in few files, and each use of it says why it is sound.

use super::Place;
use super::tree::{Source, Tree};

/// How far above the keyword the reason may stand.
const REACH: usize = 5;

/// Unsafe outside the files that are for it.
pub(super) fn places(tree: &Tree) -> Vec<Place> {
    let strangers = tree.rust().filter(|source| !is_for_unsafe(source));
    let mut places = Vec::new();
    for source in strangers {
        for (line, code) in source.product_lines() {
            if is_unsafe(code) {
                let message = "unsafe belongs in sys.rs, sys/ or init/";
                places.push(Place::new(&source.path, line, message));
            }
        }
    }
    places
}

/// Unsafe without a reason.
pub(super) fn reasons(tree: &Tree) -> Vec<Place> {
    let mut places = Vec::new();
    for source in tree.rust() {
        let text: Vec<&str> = source.text.lines().collect();
        for (line, code) in source.code_lines() {
            if is_unsafe(code) && !has_reason(&text, line) {
                let message = "say why: a SAFETY comment, or a Safety heading in the docs";
                places.push(Place::new(&source.path, line, message));
            }
        }
    }
    places
}

fn is_for_unsafe(source: &Source) -> bool {
    let by_name = source.name() == "sys.rs" || source.name() == "tests.rs";
    by_name || ["sys", "init", "tests"].iter().any(|folder| source.is_below(folder))
}

/// The keyword, other than in the type of a function pointer, which does nothing.
fn is_unsafe(code: &str) -> bool {
    let code = code.replace("unsafe fn(", "").replace("unsafe extern     fn(", "");
    code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe")
}

/// `line` counts from 1.
fn has_reason(text: &[&str], line: usize) -> bool {
    let from = line.saturating_sub(1 + REACH);
    text[from..line].iter().any(|line| line.contains("SAFETY:") || line.contains("# Safety"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [usize; 0] = [];

    fn lines(check: fn(&Tree) -> Vec<Place>, path: &str, text: &str) -> Vec<usize> {
        check(&Tree::of(&[(path, text)])).iter().map(|place| place.line).collect()
    }

    #[test]
    fn unsafe_has_its_places() {
        let text = "fn a() {\n    unsafe { b() }\n}\n";
        assert_eq!(lines(places, "sandbox-linux/src/jail.rs", text), [2]);
        assert_eq!(lines(places, "sandbox-linux/src/sys.rs", text), NONE);
        assert_eq!(lines(places, "sandbox-linux/init/main.rs", text), NONE);
        assert_eq!(lines(places, "sandbox-linux/src/jail.rs", "#![deny(unsafe_code)]"), NONE);
        assert_eq!(lines(places, "a.rs", "#[cfg(test)]\nmod tests { unsafe {} }"), NONE);
    }

    #[test]
    fn unsafe_says_why() {
        let path = "sandbox-linux/src/sys.rs";
        assert_eq!(lines(reasons, path, "unsafe { b() }\n"), [1]);
        assert_eq!(
            lines(reasons, path, "// SAFETY: b has no preconditions.\nunsafe { b() }\n"),
            NONE
        );
        assert_eq!(lines(reasons, path, "/// # Safety\n/// none\nunsafe fn b() {}\n"), NONE);
        let far = format!("// SAFETY: far\n{}unsafe impl A for B {{}}\n", "\n".repeat(6));
        assert_eq!(lines(reasons, path, &far), [8]);
        assert_eq!(lines(reasons, path, "type F = unsafe extern \"C\" fn(u8);\n"), NONE);
    }
}
