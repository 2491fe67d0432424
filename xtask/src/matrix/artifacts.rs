//! The executables that cargo builds from the workspace's tests, found by asking cargo.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Deserialize;

use super::Context;
use super::cargo::quiet_cargo;
use super::log::Log;

/// The packages whose integration tests are the behaviour suite.
const BEHAVIOUR: &[&str] = &["sandbox-linux", "sandbox-cli"];

const LIMIT: Duration = Duration::from_secs(30 * 60);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Artifact {
    pub(super) name: String,
    pub(super) executable: PathBuf,
    pub(super) package_dir: PathBuf,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A file in a package's `tests` folder.
    Test,
    /// A binary as its users get it.
    Bin,
}

pub(super) struct Artifacts(Vec<Artifact>);

impl Artifacts {
    /// Builds all tests and the `sandbox` binary. The selection of packages and features is the
    /// one of every other test command: cargo builds nothing twice.
    pub(super) fn build(context: &Context, log: &mut Log) -> Result<Self> {
        let mut all = Vec::new();
        for args in [&["test", "--no-run", "--tests"][..], &["build", "--bin", "sandbox"]] {
            let mut command = quiet_cargo(context);
            command.args(args).args(["--workspace", "--all-features"]);
            command.arg("--message-format=json-render-diagnostics");
            let ran = log.run_apart(&mut command, LIMIT, context.console)?;
            ensure!(ran.status.success(), "cargo {}: {}", args.join(" "), ran.status);
            all.extend(ran.output.lines().filter_map(parse));
        }
        Ok(Self(all))
    }

    /// The integration tests that are the behaviour suite.
    pub(super) fn behaviour_tests(&self) -> impl Iterator<Item = &Artifact> {
        self.0.iter().filter(|found| found.kind == Kind::Test && found.is_behaviour())
    }

    /// The integration tests of all other packages.
    pub(super) fn elsewhere_tests(&self) -> impl Iterator<Item = &Artifact> {
        self.0.iter().filter(|found| found.kind == Kind::Test && !found.is_behaviour())
    }

    /// The command line binary, as the tests' profile builds it.
    pub(super) fn sandbox(&self) -> Option<&Path> {
        let found = self.0.iter().find(|it| it.kind == Kind::Bin && it.name == "sandbox");
        found.map(|it| it.executable.as_path())
    }
}

impl Artifact {
    fn is_behaviour(&self) -> bool {
        BEHAVIOUR.iter().any(|package| self.package_dir.ends_with(package))
    }
}

/// What is read of one of cargo's messages.
#[derive(Deserialize)]
struct Message {
    manifest_path: PathBuf,
    target: MessageTarget,
    executable: PathBuf,
    profile: Profile,
}

#[derive(Deserialize)]
struct MessageTarget {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// Messages about anything but an executable lack a field or two and are passed over.
fn parse(line: &str) -> Option<Artifact> {
    let message: Message = serde_json::from_str(line).ok()?;
    let kind = match (message.target.kind.first()?.as_str(), message.profile.test) {
        ("test", true) => Kind::Test,
        ("bin", false) => Kind::Bin,
        _ => return None,
    };
    let package_dir = message.manifest_path.parent()?.to_path_buf();
    Some(Artifact { name: message.target.name, executable: message.executable, package_dir, kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: &str, test: bool, executable: &str) -> String {
        format!(
            r#"{{"reason":"compiler-artifact","manifest_path":"/w/sandbox-linux/Cargo.toml",
            "target":{{"name":"conformance","kind":["{kind}"]}},"profile":{{"test":{test}}},
            "executable":{executable}}}"#
        )
    }

    #[test]
    fn executables_of_tests_and_binaries_are_found() {
        let found = parse(&message("test", true, r#""/t/conformance-1""#)).unwrap();
        assert!(found.is_behaviour());
        assert_eq!(found.executable, Path::new("/t/conformance-1"));
        assert_eq!(parse(&message("bin", false, r#""/t/sandbox""#)).unwrap().kind, Kind::Bin);
    }

    #[test]
    fn other_messages_are_passed_over() {
        assert_eq!(parse(&message("lib", true, r#""/t/unit-tests""#)), None);
        assert_eq!(parse(&message("bin", true, r#""/t/unit-tests-of-a-bin""#)), None);
        assert_eq!(parse(&message("test", true, "null")), None);
        assert_eq!(parse(r#"{"reason":"build-finished","success":true}"#), None);
        assert_eq!(parse("not json"), None);
    }
}
