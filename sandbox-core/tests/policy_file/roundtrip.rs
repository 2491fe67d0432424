//! What must hold for every text that somebody takes for a policy file. Run by the fuzzer over
//! whatever it finds, and by this crate's tests over mutated examples.

use std::path::Path;

use sandbox_core::policy::PolicyFile;

/// Reading never panics, and a file that makes a policy says the same after being written and read.
pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for name in ["policy.toml", "policy.json"] {
        let path = Path::new(name);
        let parsed = match PolicyFile::parse(text, path) {
            Ok(parsed) => parsed,
            Err(error) => {
                let _ = error.to_string();
                continue;
            }
        };
        match parsed.clone().into_builder(text, path).map(|builder| builder.build()) {
            Ok(Ok(_)) => survives_writing(&parsed),
            Ok(Err(error)) | Err(error) => drop(error.to_string()),
        }
    }
}

fn survives_writing(parsed: &PolicyFile) {
    let toml = toml::to_string(parsed).expect("a policy file can be written as TOML");
    let json = serde_json::to_string(parsed).expect("a policy file can be written as JSON");
    for (text, name) in [(toml, "policy.toml"), (json, "policy.json")] {
        let again =
            PolicyFile::parse(&text, Path::new(name)).expect("what was written can be read");
        assert_eq!(again, *parsed, "{text}");
    }
}
