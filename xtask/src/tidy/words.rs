//! Words that must not stand in the repository.
//!
//! The words are written in two halves here, so that this file passes its own rule.

use std::path::Path;

use super::Place;
use super::tree::{Source, Tree};

/// In code.
const MACROS: &[&str] = &[concat!("todo", "!("), concat!("unimplemented", "!(")];

/// In any text, comments included.
const MARKS: &[&str] = &[concat!("FIX", "ME"), concat!("XX", "X")];

/// Hosts of package registries. A policy that named one would look like advice to trust it.
const HOSTS: &[&str] = &[
    concat!("index.", "crates.io"),
    concat!("static.", "crates.io"),
    concat!("crates.io", "-index"),
    concat!("pypi", ".org"),
    concat!("files.", "pythonhosted.org"),
    concat!("registry.", "npmjs.org"),
    concat!("registry.", "yarnpkg.com"),
    concat!("deb.", "debian.org"),
    concat!("security.", "debian.org"),
    concat!("archive.", "ubuntu.com"),
    concat!("security.", "ubuntu.com"),
    concat!("proxy.", "golang.org"),
    concat!("ruby", "gems.org"),
    concat!("repo.", "maven.apache.org"),
];

/// What stands beside the checkout is known to the matrix alone.
const BESIDE: &str = concat!("../", "shared");
const BESIDE_ALLOWED: &str = "xtask/src/matrix";

/// Work that was left lying.
pub(super) fn unfinished(tree: &Tree) -> Vec<Place> {
    let mut places = Vec::new();
    for source in &tree.sources {
        for (line, code) in source.code_lines() {
            for word in MACROS.iter().filter(|word| code.contains(**word)) {
                places.push(Place::new(&source.path, line, format!("unfinished: {word}..)")));
            }
        }
        for word in MARKS {
            find(source, word, &mut places);
        }
    }
    places
}

pub(super) fn forbidden(tree: &Tree) -> Vec<Place> {
    let mut places = Vec::new();
    for source in tree.sources.iter().filter(|source| source.name() != "Cargo.lock") {
        for host in HOSTS {
            find(source, host, &mut places);
        }
        if !source.path.starts_with(Path::new(BESIDE_ALLOWED)) {
            find(source, BESIDE, &mut places);
        }
    }
    places
}

/// Each line that has the word, as a word: `mktemp` templates end in a row of the same letter.
fn find(source: &Source, word: &str, places: &mut Vec<Place>) {
    for (line, text) in (1..).zip(source.text.lines()) {
        if has_word(text, word) {
            places.push(Place::new(&source.path, line, format!("{word} must not stand here")));
        }
    }
}

fn has_word(text: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back().is_some_and(is_name);
        let after = text[at + word.len()..].chars().next().is_some_and(is_name);
        !before && !after
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(check: fn(&Tree) -> Vec<Place>, path: &str, text: &str) -> usize {
        check(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn unfinished_work_is_found() {
        for word in MACROS {
            assert_eq!(complaints(unfinished, "a.rs", &format!("fn a() {{ {word}) }}")), 1);
            assert_eq!(complaints(unfinished, "a.rs", &format!("// {word})")), 0);
        }
        for word in MARKS {
            assert_eq!(complaints(unfinished, "a.rs", &format!("// {word}: later")), 1);
            assert_eq!(complaints(unfinished, "docs/a.md", &format!("{word} later")), 1);
            assert_eq!(complaints(unfinished, "a.sh", &format!("mktemp x.{word}{word}")), 0);
        }
    }

    #[test]
    fn hosts_are_found_in_every_text() {
        for host in HOSTS {
            assert_eq!(complaints(forbidden, "docs/a.md", &format!("see https://{host}/x")), 1);
            assert_eq!(complaints(forbidden, "Cargo.lock", &format!("https://{host}/x")), 0);
        }
    }

    #[test]
    fn the_neighbour_of_the_checkout_is_known_to_the_matrix_alone() {
        let text = format!("\"{BESIDE}/x\"");
        assert_eq!(complaints(forbidden, "sandbox-cli/src/a.rs", &text), 1);
        assert_eq!(complaints(forbidden, "xtask/src/matrix/a.rs", &text), 0);
    }
}
