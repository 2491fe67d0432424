//! The import graph: core knows no sibling, the platform crates know core alone.

use std::path::PathBuf;

use super::Place;
use super::tree::Tree;

const CORE: &str = "sandbox-core";

/// The crates at the top, which may know everything.
const TOP: &[&str] = &["sandbox-cli", "xtask"];

pub(super) fn check(tree: &Tree) -> Vec<Place> {
    let mut places = Vec::new();
    for package in &tree.packages {
        for dependency in &package.dependencies {
            if !is_allowed(&package.name, &dependency.name) {
                let message = format!("{} must not know {}", package.name, dependency.name);
                let path: PathBuf = package.manifest_path.clone();
                places.push(Place::new(path, 1, message));
            }
        }
    }
    places
}

fn is_allowed(package: &str, dependency: &str) -> bool {
    let is_sibling = dependency.starts_with("sandbox-") || dependency == "xtask";
    !is_sibling || TOP.contains(&package) || (package != CORE && dependency == CORE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::{Dependency, Package};

    fn complaints(name: &str, dependency: &str) -> usize {
        let package = Package {
            name: name.into(),
            manifest_path: format!("{name}/Cargo.toml").into(),
            dependencies: vec![Dependency { name: dependency.into() }],
        };
        check(&Tree { packages: vec![package], ..Tree::default() }).len()
    }

    #[test]
    fn the_graph_is_kept() {
        assert_eq!(complaints("sandbox-core", "sandbox-linux"), 1);
        assert_eq!(complaints("sandbox-linux", "sandbox-macos"), 1);
        assert_eq!(complaints("sandbox-oci", "sandbox-cli"), 1);
        assert_eq!(complaints("sandbox-linux", "xtask"), 1);
    }

    #[test]
    fn what_the_graph_has_is_allowed() {
        assert_eq!(complaints("sandbox-linux", "sandbox-core"), 0);
        assert_eq!(complaints("sandbox-cli", "sandbox-windows"), 0);
        assert_eq!(complaints("sandbox-core", "serde"), 0);
    }
}
