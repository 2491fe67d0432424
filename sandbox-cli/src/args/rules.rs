//! `--read`, `--write` and `--deny`: paths as a person types them, made absolute and compared.
//!
//! Two rules on one path never have the meaning that somebody wanted, because the stricter one
//! wins in silence. So the same path in two options is refused here, and a rule that the base
//! policy outvotes is refused after the policy was built.

use std::env;
use std::path::{Path, PathBuf};

use clap::Args;
use sandbox_core::path::quoted;
use sandbox_core::policy::PolicyBuilder;
use sandbox_core::{Policy, Rights, SandboxPath};

use crate::failure::Failure;

/// Filesystem rules, beside the base policy's.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Files")]
pub(super) struct RuleOptions {
    /// Let a file or folder be read and executed
    #[arg(long, value_name = "PATH")]
    read: Vec<PathBuf>,
    /// Let a file or folder be changed, too
    #[arg(long, value_name = "PATH")]
    write: Vec<PathBuf>,
    /// Hide a file or folder, whatever else allows it
    #[arg(long, value_name = "PATH")]
    deny: Vec<PathBuf>,
}

/// One rule that an option asks for.
pub(super) struct Rule {
    option: &'static str,
    path: SandboxPath,
    rights: Rights,
}

impl RuleOptions {
    /// The rules, absolute, without contradictions among themselves and with the workspace.
    pub(super) fn rules(&self, workspace: Option<&SandboxPath>) -> Result<Vec<Rule>, Failure> {
        let mut rules: Vec<Rule> = Vec::new();
        for (option, paths, rights) in [
            ("--read", &self.read, Rights::READ_ONLY),
            ("--write", &self.write, Rights::READ_WRITE),
            ("--deny", &self.deny, Rights::empty()),
        ] {
            for path in paths {
                rules.push(Rule { option, path: absolute(option, path)?, rights });
            }
        }
        let workspace = workspace.map(|path| ("--workspace", path, Rights::READ_WRITE));
        let named = rules.iter().map(|rule| (rule.option, &rule.path, rule.rights));
        let named: Vec<_> = workspace.into_iter().chain(named).collect();
        for (at, (first, path, rights)) in named.iter().enumerate() {
            let clash = named[at + 1..].iter().find(|(_, p, r)| p == path && r != rights);
            if let Some((second, ..)) = clash {
                let message = format!("{first} and {second} both name {path}");
                return Err(Failure::usage(message).with_help("keep one of the two"));
            }
        }
        Ok(rules)
    }
}

impl Rule {
    /// Adds the rule.
    pub(super) fn apply(&self, builder: PolicyBuilder) -> Result<PolicyBuilder, Failure> {
        Ok(builder.grant(&self.path, self.rights)?)
    }

    /// Refuses a rule that has no effect, because the base policy has a stricter one.
    pub(super) fn check(&self, policy: &Policy) -> Result<(), Failure> {
        let decided = policy.filesystem().decide(self.path.as_path());
        let granted = decided.map_or(Rights::empty(), |(_, grant)| grant.rights);
        if granted.contains(self.rights) {
            return Ok(());
        }
        let Self { option, path, .. } = self;
        let message =
            format!("{option} {path} has no effect: the policy makes it {}", granted.name());
        Err(Failure::usage(message).with_help("change the policy's rule, the stricter one wins"))
    }
}

/// The absolute form of a path that was typed.
pub(super) fn absolute(option: &str, path: &Path) -> Result<SandboxPath, Failure> {
    let wrong = |why: String| Failure::usage(format!("{option} {}: {why}", quoted(path)));
    // Only a relative path needs the current directory, which may have been removed.
    let base = if path.is_absolute() || path.as_os_str().is_empty() {
        PathBuf::from("/")
    } else {
        env::current_dir().map_err(|error| {
            wrong(format!("the current directory cannot be used: {error}"))
                .with_help("write an absolute path")
        })?
    };
    SandboxPath::from_user(path, &base).map_err(|error| wrong(error.to_string()))
}

/// A path in a sandbox that exists already, where no directory is the current one.
pub(super) fn inside(option: &str, path: &Path) -> Result<SandboxPath, Failure> {
    let wrong =
        |why: &dyn std::fmt::Display| Failure::usage(format!("{option} {}: {why}", quoted(path)));
    if !path.is_absolute() && !path.as_os_str().is_empty() {
        return Err(wrong(&"it is not an absolute path")
            .with_help("write a path of the session such as /workspace/src"));
    }
    SandboxPath::from_user(path, Path::new("/")).map_err(|error| wrong(&error))
}
