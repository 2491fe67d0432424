//! Small files, small functions.

use std::fmt;

use serde::Serialize;

use super::Place;
use super::tree::{Source, Tree};

const FILE: usize = 400;
const FUNCTION: usize = 50;

pub(super) fn files(tree: &Tree) -> Vec<Place> {
    let mut places = Vec::new();
    for source in tree.rust().filter(|source| !is_table(source)) {
        let lines = source.text.lines().count();
        if lines > FILE {
            places.push(Place::new(&source.path, 1, format!("{lines} lines, over {FILE}")));
        }
    }
    places
}

pub(super) fn functions(tree: &Tree) -> Vec<Place> {
    let mut places = Vec::new();
    for source in tree.rust().filter(|source| !is_table(source)) {
        for function in functions_of(source) {
            if function.lines > FUNCTION {
                let message = format!("{} lines, over {FUNCTION}", function.lines);
                places.push(Place::new(&source.path, function.start, message));
            }
        }
    }
    places
}

/// Tables are long by nature and say that they are tables.
fn is_table(source: &Source) -> bool {
    source.text.lines().any(|line| line.trim() == concat!("// ", "tidy: table"))
}

struct Function {
    start: usize,
    lines: usize,
}

/// Relies on rustfmt: a function ends at the first line that closes at its own indentation.
fn functions_of(source: &Source) -> Vec<Function> {
    let lines: Vec<&str> = source.code.lines().collect();
    let starts = lines.iter().enumerate().filter(|(_, line)| is_function(line));
    let end = |start: usize| {
        let indent = indent_of(lines[start]);
        let closes = |line: &&str| indent_of(line) == indent && is_end(line);
        lines[start..].iter().position(closes)
    };
    starts
        .filter_map(|(start, _)| Some(Function { start: start + 1, lines: end(start)? + 1 }))
        .collect()
}

fn is_function(line: &str) -> bool {
    let mut words = line.split_whitespace().skip_while(|word| {
        word.starts_with("pub") || matches!(*word, "const" | "async" | "unsafe" | "extern")
    });
    words.next() == Some("fn")
}

/// The body's closing brace, a whole function on one line, or a declaration without a body.
fn is_end(line: &str) -> bool {
    let line = line.trim();
    line == "}" || line.ends_with(';') || (is_function(line) && line.ends_with('}'))
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The median and the ninth decile, of files and of functions, in lines.
#[derive(Debug, Serialize)]
pub(super) struct Sizes {
    files: Spread,
    functions: Spread,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Spread {
    count: usize,
    median: usize,
    p90: usize,
}

impl Sizes {
    pub(super) fn of(tree: &Tree) -> Self {
        let files = tree.rust().map(|source| source.text.lines().count()).collect();
        let functions = tree.rust().flat_map(functions_of).map(|found| found.lines).collect();
        Self { files: Spread::of(files), functions: Spread::of(functions) }
    }
}

impl Spread {
    fn of(mut sizes: Vec<usize>) -> Self {
        sizes.sort_unstable();
        let rank = |tenths: usize| (sizes.len() * tenths).div_ceil(10).max(1);
        let pick = |tenths| sizes.get(rank(tenths) - 1).copied().unwrap_or(0);
        Self { count: sizes.len(), median: pick(5), p90: pick(9) }
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} files: {}; ", self.files.count, self.files)?;
        write!(f, "{} functions: {}", self.functions.count, self.functions)
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "median {}, p90 {} lines", self.median, self.p90)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(check: fn(&Tree) -> Vec<Place>, text: &str) -> usize {
        check(&Tree::of(&[("a.rs", text)])).len()
    }

    #[test]
    fn long_files_are_found() {
        let long = "const A: u8 = 1;\n".repeat(401);
        assert_eq!(complaints(files, &long), 1);
        assert_eq!(complaints(files, &format!("// tidy: table\n{long}")), 0);
        assert_eq!(complaints(files, &"//\n".repeat(400)), 0);
    }

    #[test]
    fn long_functions_are_found() {
        let body = |lines| format!("    fn a() {{\n{}    }}\n", "        b();\n".repeat(lines));
        assert_eq!(complaints(functions, &body(48)), 0);
        assert_eq!(complaints(functions, &body(49)), 1);
    }

    #[test]
    fn ends_are_recognised() {
        let text = "fn a() {}\ntrait T {\n    fn b(\n        x: u8,\n    ) -> u8;\n}\n\
                    pub(crate) const unsafe fn c() {\n    r#\"\n}\n\"#;\n    d();\n}\n";
        let sizes: Vec<_> = Tree::of(&[("a.rs", text)])
            .rust()
            .flat_map(functions_of)
            .map(|found| (found.start, found.lines))
            .collect();
        assert_eq!(sizes, [(1, 1), (3, 3), (7, 6)]);
    }

    #[test]
    fn spreads_of_few_and_none() {
        assert_eq!(Spread::of(vec![]), Spread { count: 0, median: 0, p90: 0 });
        let ten = Spread::of((1..=10).collect());
        assert_eq!(ten, Spread { count: 10, median: 5, p90: 9 });
    }
}
