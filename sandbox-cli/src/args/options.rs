//! The options that make a policy and a request, and how they become them.
//!
//! The base is a policy file or a preset; options come on top of it: limits, network and the like
//! replace, filesystem rules and variables add. Whatever cannot be meant is an error here, before
//! anything looks at the machine.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::Args;
use sandbox_core::path::quoted;
use sandbox_core::policy::{PolicyBuilder, PolicyFile, Preset};
use sandbox_core::{ExecRequest, NetworkPolicy, Policy, SandboxPath};

use super::choices::{BackendChoice, EnforcementChoice, PresetChoice, SyscallChoice};
use super::hosts::NetworkOptions;
use super::limits::LimitOptions;
use super::rules::{RuleOptions, absolute};
use crate::failure::Failure;

/// What a command may do, where it runs and what it sees.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Options {
    /// Start from a policy file, TOML or JSON
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Start from a preset [default: read-only, or workspace with --workspace]
    #[arg(long, value_enum)]
    preset: Option<PresetChoice>,
    /// The folder that the command works in and may change
    #[arg(long, value_name = "FOLDER")]
    workspace: Option<PathBuf>,
    /// Pass a variable on (NAME, or NAME* for all that start so), or set it (NAME=VALUE)
    #[arg(long, value_name = "NAME[=VALUE]")]
    env: Vec<OsString>,
    /// The working directory [default: the workspace, else the current one if it is visible]
    #[arg(long, value_name = "FOLDER")]
    cwd: Option<PathBuf>,
    /// The system calls that reach the kernel
    #[arg(long, value_enum)]
    syscalls: Option<SyscallChoice>,
    /// What happens when something cannot be enforced [default: required]
    #[arg(long, value_enum)]
    enforcement: Option<EnforcementChoice>,
    /// The mechanisms to use
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) backend: BackendChoice,
    #[command(flatten)]
    rules: RuleOptions,
    #[command(flatten)]
    network: NetworkOptions,
    #[command(flatten)]
    limits: LimitOptions,
}

impl Options {
    /// The network that the policy will most likely ask for, before it is read.
    pub(crate) fn likely_network(&self) -> NetworkPolicy {
        self.network.likely()
    }

    /// The policy, and the request for a command: its name and its arguments.
    pub(crate) fn resolve(
        &self,
        command: &[impl AsRef<OsStr>],
    ) -> Result<(Policy, ExecRequest), Failure> {
        let policy = self.policy(&[])?;
        // An empty command is refused where every other command is judged.
        let mut words = command.iter().map(AsRef::as_ref);
        let mut request = ExecRequest::new(words.next().unwrap_or_default()).args(words);
        for variable in &self.env {
            request = add_variable(request, variable);
        }
        request = match (&self.cwd, policy.workspace_path(), env::current_dir()) {
            (Some(cwd), ..) => request.cwd(absolute("--cwd", cwd)?),
            (None, None, Ok(current)) => request.prefer_cwd(current),
            _ => request,
        };
        Ok((policy, request))
    }

    /// The policy of a sandbox that lasts; it carries the values of variables too, as far as it can.
    pub(super) fn lasting(&self) -> Result<Policy, Failure> {
        if self.cwd.is_some() {
            return Err(Failure::usage("--cwd is a command's, and none is started here")
                .with_help("give it to \"sandbox session exec\""));
        }
        let value = |variable: &OsString| {
            let text = variable.to_str().ok_or_else(|| {
                let message = format!("--env {}: a policy holds text alone", quoted(variable));
                Failure::usage(message).with_help("set it with \"sandbox session exec --env\"")
            })?;
            Ok(text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())))
        };
        let values = self.env.iter().filter_map(|variable| value(variable).transpose());
        self.policy(&values.collect::<Result<Vec<_>, Failure>>()?)
    }

    /// The policy alone, which sets these variables.
    fn policy(&self, values: &[(String, String)]) -> Result<Policy, Failure> {
        let workspace = self.workspace.as_deref();
        let workspace = workspace.map(|path| absolute("--workspace", path)).transpose()?;
        let rules = self.rules.rules(workspace.as_ref())?;
        let mut builder = self.base(workspace)?.limits(|limits| self.limits.apply(limits));
        for rule in &rules {
            builder = rule.apply(builder)?;
        }
        for name in self.env.iter().filter_map(|variable| passed(variable)) {
            builder = builder.pass_env(name)?;
        }
        for (name, value) in values {
            builder = builder.set_env(name, value)?;
        }
        if let Some(network) = self.network.network(builder.network_policy())? {
            builder = builder.network(network);
        }
        if let Some(syscalls) = self.syscalls {
            builder = builder.syscalls(syscalls.into());
        }
        if let Some(level) = self.enforcement {
            builder = builder.enforcement(level.into());
        }
        for root in crate::platform::state::all_roots() {
            builder = builder.hide(root)?;
        }
        let policy = builder.build()?;
        rules.iter().try_for_each(|rule| rule.check(&policy))?;
        Ok(policy)
    }

    /// What the options come on top of.
    fn base(&self, workspace: Option<SandboxPath>) -> Result<PolicyBuilder, Failure> {
        match (&self.policy, self.preset, workspace) {
            (Some(_), Some(_), _) => {
                Err(Failure::usage("--policy and --preset contradict each other")
                    .with_help("keep one of the two; a policy file can name its preset"))
            }
            (Some(file), None, workspace) => from_file(file, workspace),
            (None, None | Some(PresetChoice::ReadOnly), None) => Ok(Policy::read_only()),
            (None, None | Some(PresetChoice::Workspace), Some(folder)) => {
                Ok(Policy::workspace(folder)?)
            }
            (None, Some(PresetChoice::Developer), Some(folder)) => Ok(Policy::developer(folder)?),
            (None, Some(PresetChoice::ReadOnly), Some(_)) => {
                Err(Failure::usage("--workspace and --preset read-only contradict each other")
                    .with_help("use --preset workspace, or --read FOLDER instead of --workspace"))
            }
            (None, Some(preset), None) => {
                let message = format!("--preset {} needs a folder to work in", preset.word());
                Err(Failure::usage(message).with_help("add --workspace FOLDER"))
            }
        }
    }
}

/// A policy file, whose workspace an option may replace.
pub(crate) fn from_file(
    file: &Path,
    workspace: Option<SandboxPath>,
) -> Result<PolicyBuilder, Failure> {
    let Some(folder) = workspace else { return Ok(PolicyFile::load(file)?) };
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::usage(format!("{}: the policy file cannot be read: {error}", quoted(file)))
    })?;
    let mut parsed = PolicyFile::parse(&text, file).map_err(Box::new)?;
    parsed.workspace = Some(folder);
    parsed.preset = parsed.preset.or(Some(Preset::Workspace));
    Ok(parsed.into_builder(&text, file)?)
}

/// The name in `--env NAME`, if the policy can carry it.
fn passed(variable: &OsStr) -> Option<&str> {
    let has_value = variable.as_encoded_bytes().contains(&b'=');
    variable.to_str().filter(|_| !has_value)
}

/// Adds what the policy, which holds text, cannot carry: values, and names that are not UTF-8.
fn add_variable(request: ExecRequest, variable: &OsStr) -> ExecRequest {
    if let Some((name, value)) = split_at_equals(variable) {
        return request.env(name, value);
    }
    match env::var_os(variable).filter(|_| variable.to_str().is_none()) {
        Some(value) => request.env(variable, value),
        None => request,
    }
}

/// Splits `NAME=VALUE` at the first `=`, without a detour through text.
pub(super) fn split_at_equals(variable: &OsStr) -> Option<(OsString, OsString)> {
    let bytes = variable.as_encoded_bytes();
    let at = bytes.iter().position(|&byte| byte == b'=')?;
    let part = |bytes: &[u8]| crate::platform::os_string(bytes);
    Some((part(&bytes[..at]), part(&bytes[at + 1..])))
}
