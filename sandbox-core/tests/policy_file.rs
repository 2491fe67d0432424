//! The policy file as people meet it: its documentation, its schema, its odd inputs.

#[path = "policy_file/roundtrip.rs"]
mod roundtrip;

use std::fs;
use std::path::{Path, PathBuf};

use sandbox_core::policy::PolicyFile;

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name)
}

/// The fenced blocks of the reference: language and text.
fn examples() -> Vec<(String, String)> {
    let text = fs::read_to_string(docs("policy.md")).expect("docs/policy.md exists");
    let blocks = text.split("\n```").skip(1).step_by(2);
    let blocks = blocks.filter_map(|block| block.split_once('\n'));
    blocks.map(|(language, text)| (language.trim().to_owned(), format!("{text}\n"))).collect()
}

#[test]
fn the_schema_in_the_documentation_is_up_to_date() {
    let mut schema = serde_json::to_string_pretty(&PolicyFile::schema()).expect("a schema is JSON");
    schema.push('\n');
    let path = docs("policy.schema.json");
    if std::env::var_os("SANDBOX_BLESS").is_some_and(|bless| bless == "1") {
        fs::write(&path, &schema).expect("the schema can be written");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == schema,
        "docs/policy.schema.json is old: run this test with SANDBOX_BLESS=1"
    );
}

#[test]
fn every_example_of_the_reference_is_a_policy_file() {
    let examples = examples();
    assert!(examples.len() >= 8, "only {} examples were found", examples.len());
    for (language, text) in examples {
        let name = format!("example.{language}");
        assert!(["toml", "json"].contains(&language.as_str()), "{language}: {text}");
        let file = PolicyFile::parse(&text, Path::new(&name));
        let file = file.unwrap_or_else(|error| panic!("{error}\n{text}"));
        // A workspace of an example is on nobody's machine.
        if !text.contains("workspace") {
            let policy = file.into_builder(&text, Path::new(&name)).and_then(|b| b.build());
            policy.unwrap_or_else(|error| panic!("{error}\n{text}"));
        }
    }
}

#[test]
fn the_two_languages_say_the_same() {
    let examples = examples();
    let read = |(language, text): &(String, String)| {
        PolicyFile::parse(text, Path::new(&format!("p.{language}"))).expect("examples are legal")
    };
    assert_eq!(read(&examples[0]), read(&examples[1]));
}

/// A small deterministic stand-in for the fuzzer, which needs another compiler.
#[test]
fn mutated_files_neither_panic_nor_change_their_meaning() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for (_, example) in examples() {
        // The workspace of an example does not exist, which would end every check early.
        let seed: String =
            example.lines().filter(|line| !is_base(line)).map(|l| format!("{l}\n")).collect();
        roundtrip::check(seed.as_bytes());
        for _ in 0..400 {
            roundtrip::check(&random.mutated(seed.as_bytes()));
        }
    }
}

fn is_base(line: &str) -> bool {
    let line = line.trim_start();
    ["workspace", "preset", "\"workspace\"", "\"preset\""].iter().any(|key| line.starts_with(key))
}

/// Xorshift: the same every time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound.max(1) as u64).unwrap_or(0)
    }

    /// A few bytes changed, removed, doubled or replaced by ones that mean something.
    fn mutated(&mut self, seed: &[u8]) -> Vec<u8> {
        const TELLING: &[&[u8]] = &[
            b"\"",
            b"'",
            b"[",
            b"]",
            b"{",
            b"}",
            b"=",
            b"\n",
            b"0",
            b"-1",
            b"nan",
            b"1e999",
            b"/../",
            b"\\u0000",
            "ä".as_bytes(),
            b"*",
            b":",
            b"18446744073709551615",
            b"\"\"\"",
            b"#",
        ];
        let mut bytes = seed.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            let end = (at + self.below(8)).min(bytes.len());
            match self.below(4) {
                0 => drop(bytes.drain(at..end)),
                1 => bytes.extend_from_within(at..end),
                2 => drop(bytes.splice(at..end, TELLING[self.below(TELLING.len())].to_vec())),
                _ => drop(bytes.splice(at..at, TELLING[self.below(TELLING.len())].to_vec())),
            }
        }
        bytes
    }
}
