//! Platforms are told apart in few places: `cfg` selects modules, never statements.

use super::Place;
use super::tree::{Source, Tree};

/// The files that may select modules by operating system.
const SELECTORS: &[&str] = &["lib.rs", "mod.rs", "platform.rs", "build.rs"];

pub(super) fn check(tree: &Tree) -> Vec<Place> {
    let mut places = Vec::new();
    for source in tree.rust().filter(|source| !may_select(source)) {
        for (line, code) in source.code_lines() {
            if code.contains("target_os") {
                let message = "the operating system is no concern of this file";
                places.push(Place::new(&source.path, line, message));
            }
        }
    }
    places
}

fn may_select(source: &Source) -> bool {
    if source.is_below("sys") {
        return true;
    }
    if source.path.starts_with("sandbox-core/src") {
        return false;
    }
    let name = source.name();
    name.starts_with("sys") || SELECTORS.contains(&name) || is_crate_root(source)
}

/// Each file in these folders is a crate, and its first line is where it is selected.
fn is_crate_root(source: &Source) -> bool {
    let folder = source.path.parent().and_then(|folder| folder.file_name());
    folder.is_some_and(|name| name == "tests" || name == "examples" || name == "benches")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [usize; 0] = [];

    const LINUX: &str = "fn a() {}\n#[cfg(target_os = \"linux\")]\nmod x;\n";

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&Tree::of(&[(path, text)])).iter().map(|place| place.line).collect()
    }

    #[test]
    fn core_is_free_of_platforms() {
        assert_eq!(lines("sandbox-core/src/lib.rs", LINUX), [2]);
        assert_eq!(lines("sandbox-core/src/plan.rs", "if cfg!(target_os = \"linux\") {}"), [1]);
        assert_eq!(lines("sandbox-core/src/sys/unix.rs", LINUX), NONE);
    }

    #[test]
    fn elsewhere_files_that_select_modules_may() {
        assert_eq!(lines("sandbox-linux/src/probe.rs", LINUX), [2]);
        assert_eq!(lines("sandbox-linux/src/lib.rs", LINUX), NONE);
        assert_eq!(lines("sandbox-linux/tests/conformance.rs", LINUX), NONE);
        assert_eq!(lines("sandbox-linux/src/probe.rs", "// target_os\n"), NONE);
    }
}
