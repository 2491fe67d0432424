//! Links from one document to another lead somewhere.

use std::path::{Component, Path, PathBuf};

use super::Place;
use super::tree::{Source, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Place> {
    let is_markdown =
        |source: &&Source| source.path.extension().is_some_and(|extension| extension == "md");
    let mut places = Vec::new();
    for source in tree.sources.iter().filter(is_markdown) {
        for (line, target) in links_of(&source.text) {
            if !leads_somewhere(tree, &source.path, target) {
                places.push(Place::new(&source.path, line, format!("{target} leads nowhere")));
            }
        }
    }
    places
}

/// The targets of inline links outside code, with their lines.
fn links_of(text: &str) -> Vec<(usize, &str)> {
    let mut links = Vec::new();
    let mut in_code = false;
    for (line, text) in (1..).zip(text.lines()) {
        if text.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            links.extend(links_of_line(text).map(|target| (line, target)));
        }
    }
    links
}

fn links_of_line(line: &str) -> impl Iterator<Item = &str> {
    // Every other part between backticks is code.
    let prose = line.split('`').step_by(2);
    // A link's text may be code itself, so that the target begins a part.
    let ends = prose.flat_map(|part| part.split("](").skip(1));
    ends.filter_map(|rest| rest.split([')', ' ']).next())
}

fn leads_somewhere(tree: &Tree, from: &Path, target: &str) -> bool {
    let target = target.split('#').next().unwrap_or_default();
    let is_elsewhere = target.contains("://") || target.starts_with("mailto:");
    if target.is_empty() || is_elsewhere {
        return true;
    }
    resolve(from, target).is_some_and(|path| path.as_os_str().is_empty() || tree.has(&path))
}

/// The path from the root; none for what leaves the repository.
fn resolve(from: &Path, target: &str) -> Option<PathBuf> {
    let mut path = from.parent()?.to_path_buf();
    for part in Path::new(target).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            Component::ParentDir if path.pop() => {}
            _ => return None,
        }
    }
    Some(path)
}

impl Tree {
    fn has(&self, path: &Path) -> bool {
        self.paths.contains(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(text: &str) -> usize {
        check(&Tree::of(&[("docs/a.md", text), ("docs/b.md", ""), ("README.md", "")])).len()
    }

    #[test]
    fn broken_links_are_found() {
        assert_eq!(complaints("see [c](c.md)"), 1);
        assert_eq!(complaints("[`c`](c.md#part) and [r](../../README.md)"), 2);
        assert_eq!(complaints("![picture](picture.svg \"title\")"), 1);
    }

    #[test]
    fn good_links_are_left_alone() {
        assert_eq!(complaints("[b](b.md#x) [r](../README.md) [d](../docs/) [top](#top)"), 0);
        assert_eq!(complaints("[web](https://example.com/x.md)"), 0);
        assert_eq!(complaints("```\n[c](c.md)\n```\n`[c](c.md)`"), 0);
    }
}
