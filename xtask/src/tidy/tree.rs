//! What the rules look at: the text files of the checkout, and its packages.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::mask::mask;
use crate::workspace::{Package, Workspace, relative};

/// Folders that hold nothing of ours, wherever they are.
const FOREIGN: &[&str] = &[".git", "target", "node_modules", "__pycache__"];

#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) sources: Vec<Source>,
    /// Every file and folder, text or not, from the root.
    pub(super) paths: BTreeSet<PathBuf>,
    pub(super) packages: Vec<Package>,
}

/// A text file.
#[derive(Debug)]
pub(super) struct Source {
    /// From the root.
    pub(super) path: PathBuf,
    pub(super) text: String,
    /// Of Rust: the text with comments and literals blanked out, line for line.
    pub(super) code: String,
}

impl Tree {
    pub(super) fn read(workspace: &Workspace) -> Result<Self> {
        let mut tree = Self { packages: workspace.packages.clone(), ..Self::default() };
        for package in &mut tree.packages {
            package.manifest_path = relative(&package.manifest_path, &workspace.root).into();
        }
        tree.walk(&workspace.root, &workspace.root)?;
        tree.sources.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(tree)
    }

    fn walk(&mut self, dir: &Path, root: &Path) -> Result<()> {
        for entry in fs::read_dir(dir).with_context(|| format!("list {}", dir.display()))? {
            let entry = entry?;
            if FOREIGN.iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            let path = entry.path();
            let name = relative(&path, root).to_path_buf();
            self.paths.insert(name.clone());
            if entry.file_type()?.is_dir() {
                self.walk(&path, root)?;
            } else if let Ok(text) = fs::read_to_string(&path) {
                // A file that is no text has nothing that a rule could read.
                self.sources.push(Source::new(name, text));
            }
        }
        Ok(())
    }

    /// The Rust files.
    pub(super) fn rust(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter().filter(|source| source.is_rust())
    }

    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let mut tree = Self::default();
        for (path, text) in files {
            tree.paths.extend(Path::new(path).ancestors().map(PathBuf::from));
            tree.sources.push(Source::new(PathBuf::from(path), (*text).to_owned()));
        }
        tree
    }
}

impl Source {
    fn new(path: PathBuf, text: String) -> Self {
        let is_rust = path.extension().is_some_and(|extension| extension == "rs");
        let code = if is_rust { mask(&text) } else { String::new() };
        Self { path, text, code }
    }

    pub(super) fn is_rust(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension == "rs")
    }

    /// The file's name, without its folder.
    pub(super) fn name(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// Whether one of the folders that the file is in is called `name`.
    pub(super) fn is_below(&self, name: &str) -> bool {
        let folders = self.path.parent().into_iter().flat_map(Path::components);
        folders.into_iter().any(|folder| folder.as_os_str() == name)
    }

    /// The lines of code with their numbers.
    pub(super) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.code.lines())
    }

    /// The lines of code before the file's own test module.
    pub(super) fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code_lines().take_while(|(_, line)| !is_test_attribute(line))
    }
}

/// At the margin it stands before the test module, which rustfmt and habit put last.
fn is_test_attribute(line: &str) -> bool {
    line.starts_with("#[cfg(test)]") || line.starts_with("#[cfg(all(test")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_modules_are_told_from_the_product() {
        let tree = Tree::of(&[("a/sys/b.rs", "fn a() {}\n#[cfg(test)]\nmod tests {}\n")]);
        let source = &tree.sources[0];
        assert_eq!(source.product_lines().count(), 1);
        assert!(source.is_below("sys") && !source.is_below("b.rs"));
        assert_eq!(source.name(), "b.rs");
    }
}
