//! `tidy`: the invariants that ARCHITECTURE.md states, checked on the text of the sources.
//!
//! A rule is a function from a [`tree::Tree`] to findings. The tree is a value: the tests of a
//! rule forge one that breaks the rule and see the rule object. Rules read Rust as text whose
//! comments and literals are blanked out ([`mask`]); they rely on rustfmt for the rest.

mod cfgs;
mod imports;
mod layout;
mod links;
mod mask;
mod prints;
mod size;
mod tree;
mod unsafety;
mod words;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

use crate::workspace::Workspace;
use tree::Tree;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

/// A place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Finding {
    path: PathBuf,
    /// From 1.
    line: usize,
    rule: &'static str,
    message: String,
}

struct Rule {
    name: &'static str,
    check: fn(&Tree) -> Vec<Place>,
}

/// A finding whose rule is not said yet.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    path: PathBuf,
    line: usize,
    message: String,
}

impl Place {
    fn new(path: impl Into<PathBuf>, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.into(), line, message: message.into() }
    }
}

#[rustfmt::skip]
const RULES: &[Rule] = &[
    Rule { name: "imports", check: imports::check },
    Rule { name: "cfg", check: cfgs::check },
    Rule { name: "unsafe-place", check: unsafety::places },
    Rule { name: "unsafe-reason", check: unsafety::reasons },
    Rule { name: "file-size", check: size::files },
    Rule { name: "function-size", check: size::functions },
    Rule { name: "unfinished", check: words::unfinished },
    Rule { name: "prints", check: prints::check },
    Rule { name: "words", check: words::forbidden },
    Rule { name: "top-level", check: layout::top_level },
    Rule { name: "crate-docs", check: layout::crate_docs },
    Rule { name: "lints", check: layout::lints },
    Rule { name: "links", check: links::check },
];

/// What all rules found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    findings: Vec<Finding>,
    pub(crate) rules: usize,
    sizes: size::Sizes,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let report = examine(&Workspace::locate()?)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{report}");
    }
    Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(crate) fn examine(workspace: &Workspace) -> Result<Report> {
    Ok(apply(&Tree::read(workspace)?))
}

fn apply(tree: &Tree) -> Report {
    let mut findings = Vec::new();
    for rule in RULES {
        findings.extend((rule.check)(tree).into_iter().map(|place| Finding {
            path: place.path,
            line: place.line,
            rule: rule.name,
            message: place.message,
        }));
    }
    findings.sort();
    Report { findings, rules: RULES.len(), sizes: size::Sizes::of(tree) }
}

impl Report {
    /// How many rules are broken at least once.
    pub(crate) fn broken_rules(&self) -> usize {
        self.findings.iter().map(|finding| finding.rule).collect::<BTreeSet<_>>().len()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { path, line, rule, message } in &self.findings {
            writeln!(f, "{}:{line}: {rule}: {message}", path.display())?;
        }
        writeln!(f, "{}", self.sizes)?;
        let broken = self.broken_rules();
        let found = self.findings.len();
        write!(f, "{} of {} rules hold; {found} findings", self.rules - broken, self.rules)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_named_and_counted() {
        let tree = Tree::of(&[("sandbox-core/src/a.rs", "fn f() { todo!() }\nunsafe {}\n")]);
        let report = apply(&tree);
        let text = report.to_string();
        assert!(text.contains("sandbox-core/src/a.rs:1: unfinished: "), "{text}");
        assert!(text.contains("sandbox-core/src/a.rs:2: unsafe-place: "), "{text}");
        assert!(report.broken_rules() >= 3);
    }
}
