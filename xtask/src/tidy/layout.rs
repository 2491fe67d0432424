//! The shape of the repository: its folders, and what every crate has.

use std::collections::BTreeSet;
use std::path::Path;

use super::Place;
use super::tree::{Source, Tree};

const FOLDERS: &[&str] = &[
    "docs",
    "sandbox-cli",
    "sandbox-core",
    "sandbox-linux",
    "sandbox-macos",
    "sandbox-oci",
    "sandbox-openbsd",
    "sandbox-windows",
    "xtask",
];

/// Folders that may be there, beside those whose name begins with a dot.
const OPTIONAL: &[&str] = &["fuzz"];

/// The folders at the top are these and no others.
pub(super) fn top_level(tree: &Tree) -> Vec<Place> {
    let folders: BTreeSet<&str> = tree.paths.iter().filter_map(|path| folder_of(path)).collect();
    let unknown = folders.iter().filter(|name| {
        !FOLDERS.contains(name) && !OPTIONAL.contains(name) && !name.starts_with('.')
    });
    let missing = FOLDERS.iter().filter(|name| !folders.contains(*name));
    let unknown = unknown.map(|name| Place::new(name, 1, "an unknown folder at the top"));
    unknown.chain(missing.map(|name| Place::new(name, 1, "this folder is missing"))).collect()
}

/// The topmost folder of a path that lies in one.
fn folder_of(path: &Path) -> Option<&str> {
    let mut parts = path.components();
    let first = parts.next()?.as_os_str().to_str()?;
    parts.next().map(|_| first)
}

/// Each crate begins by saying what it is.
pub(super) fn crate_docs(tree: &Tree) -> Vec<Place> {
    let roots = tree.rust().filter(|source| is_crate_root(source, tree));
    let silent = roots.filter(|source| !begins_with_docs(&source.text));
    silent.map(|source| Place::new(&source.path, 1, "begin with //! docs")).collect()
}

/// The library of a crate, or its program when it has no library.
fn is_crate_root(source: &Source, tree: &Tree) -> bool {
    if !source.path.parent().is_some_and(|parent| parent.ends_with("src")) {
        return false;
    }
    let library = source.path.with_file_name("lib.rs");
    source.path == library || (source.name() == "main.rs" && !tree.paths.contains(&library))
}

fn begins_with_docs(text: &str) -> bool {
    text.lines().find(|line| !line.trim().is_empty()).is_some_and(|line| line.starts_with("//!"))
}

/// Each crate takes the workspace's lints; one outside of the workspace cannot, and says so by
/// being a workspace of its own.
pub(super) fn lints(tree: &Tree) -> Vec<Place> {
    let manifests = tree.sources.iter().filter(|source| source.name() == "Cargo.toml");
    let crates = manifests.filter(|source| has_line(&source.text, "[package]"));
    let loose = crates
        .filter(|source| !takes_lints(&source.text) && !has_line(&source.text, "[workspace]"));
    let message = "add [lints] workspace = true";
    loose.map(|source| Place::new(&source.path, 1, message)).collect()
}

fn has_line(text: &str, wanted: &str) -> bool {
    text.lines().any(|line| line.trim() == wanted)
}

fn takes_lints(manifest: &str) -> bool {
    let mut section = manifest.lines().skip_while(|line| line.trim() != "[lints]").skip(1);
    section.find(|line| !line.trim().is_empty()).is_some_and(|line| line == "workspace = true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_at_the_top_are_known() {
        let mut files: Vec<(String, &str)> =
            FOLDERS.iter().map(|name| (format!("{name}/a"), "")).collect();
        files.push((".github/a".into(), ""));
        files.push(("README.md".into(), ""));
        let names = |files: &[(String, &str)]| {
            let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
            let places = top_level(&Tree::of(&files));
            places.iter().map(|place| place.path.display().to_string()).collect::<Vec<_>>()
        };
        assert!(names(&files).is_empty());
        files.push(("scripts/a".into(), ""));
        files.remove(0);
        assert_eq!(names(&files), ["scripts", "docs"]);
    }

    #[test]
    fn crates_say_what_they_are() {
        let complaints = |files: &[(&str, &str)]| crate_docs(&Tree::of(files)).len();
        assert_eq!(complaints(&[("a/src/lib.rs", "mod b;\n")]), 1);
        assert_eq!(complaints(&[("a/src/main.rs", "fn main() {}\n")]), 1);
        assert_eq!(complaints(&[("a/src/lib.rs", "\n//! Docs.\n"), ("a/src/main.rs", "")]), 0);
        assert_eq!(complaints(&[("a/src/b/lib.rs", "")]), 0);
    }

    #[test]
    fn crates_take_the_lints() {
        let complaints = |text| lints(&Tree::of(&[("a/Cargo.toml", text)])).len();
        assert_eq!(complaints("[package]\nname = \"a\"\n"), 1);
        assert_eq!(complaints("[package]\n[lints]\n[dependencies]\na.workspace = true\n"), 1);
        assert_eq!(complaints("[package]\n[lints]\nworkspace = true\n"), 0);
        assert_eq!(complaints("[workspace]\n[package]\n"), 0);
        assert_eq!(complaints("[workspace]\n"), 0);
    }
}
