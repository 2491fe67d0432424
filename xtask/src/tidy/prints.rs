//! Libraries do not print: only the command line, the tasks, tests and examples do.

use super::Place;
use super::tree::{Source, Tree};

const MACROS: &[&str] = &["println!", "eprintln!", "print!", "eprint!", "dbg!"];

pub(super) fn check(tree: &Tree) -> Vec<Place> {
    let mut places = Vec::new();
    for source in tree.rust().filter(|source| !may_print(source)) {
        for (line, code) in source.product_lines() {
            if let Some(name) = MACROS.iter().find(|name| calls(code, name)) {
                places.push(Place::new(&source.path, line, format!("a library does not {name}")));
            }
        }
    }
    places
}

fn may_print(source: &Source) -> bool {
    let top = ["sandbox-cli", "xtask"].iter().any(|name| source.path.starts_with(name));
    let folder = ["tests", "examples", "benches"].iter().any(|name| source.is_below(name));
    top || folder || source.name() == "build.rs"
}

fn calls(code: &str, name: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(name).any(|(at, _)| !code[..at].ends_with(is_name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(path: &str, text: &str) -> usize {
        check(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn libraries_do_not_print() {
        for name in MACROS {
            assert_eq!(complaints("sandbox-core/src/a.rs", &format!("{name}(\"x\");")), 1);
        }
        assert_eq!(complaints("sandbox-core/src/a.rs", "#[cfg(test)]\nmod t { print!() }"), 0);
        assert_eq!(complaints("sandbox-core/src/a.rs", "// println!()"), 0);
    }

    #[test]
    fn programs_do() {
        let text = "println!(\"x\");";
        assert_eq!(complaints("sandbox-cli/src/output.rs", text), 0);
        assert_eq!(complaints("sandbox-core/examples/a.rs", text), 0);
        assert_eq!(complaints("sandbox-linux/build.rs", text), 0);
    }
}
