//! `sandbox session create`: a policy and mounts become a session's specification.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use sandbox_core::policy::PolicyError;
use sandbox_core::session::{OnIdle, SandboxSpec};
use sandbox_core::{FilesystemMount, SessionId, Span};

use super::super::Options;
use super::super::rules::absolute;
use super::mounts::MountOptions;
use super::values::{self, Pair};
use crate::failure::Failure;

/// `sandbox session create`.
#[derive(Args, Debug)]
// A session has an idle time of its own; the limit of its commands makes room for it.
#[command(mut_arg("idle", |limit| limit.long("command-idle")))]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    pub(crate) options: Options,
    #[command(flatten)]
    mounts: MountOptions,
    #[command(flatten)]
    life: LifeOptions,
    /// Append a line of JSON for each connection that was decided about, as they end
    #[arg(long, value_name = "FILE")]
    net_log: Option<PathBuf>,
    /// Print the whole session as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a session is called, and how long it lives.
#[derive(Args, Debug)]
#[command(next_help_heading = "Session")]
struct LifeOptions {
    /// The identifier [default: one is made up]
    #[arg(long)]
    id: Option<SessionId>,
    /// What the session can be found by
    #[arg(long, value_name = "NAME=VALUE")]
    label: Vec<Pair>,
    /// What you want to remember of it; nobody reads it here
    #[arg(long, value_name = "NAME=VALUE")]
    metadata: Vec<Pair>,
    /// End the session after this much time, whatever it does
    #[arg(long, value_name = "TIME")]
    ttl: Option<Span>,
    /// Suspend or end the session when no command has run in it for this much time
    #[arg(id = "session_idle", long = "idle", value_name = "TIME")]
    session_idle: Option<Span>,
    /// What happens then
    #[arg(long, value_enum, default_value = "suspend", requires = "session_idle")]
    on_idle: IdleChoice,
    /// Give each command a sandbox to itself, and keep this many waiting
    #[arg(long, value_name = "N")]
    pool: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum IdleChoice {
    /// Its processes stand still until they are resumed
    Suspend,
    /// It ends with everything in it
    Terminate,
}

impl CreateArgs {
    /// What the session is to be.
    pub(crate) fn spec(&self) -> Result<SandboxSpec, Failure> {
        let policy = self.options.lasting()?;
        let mut mounts = self.mounts.mounts()?;
        if self.mounts.overlay {
            let folder = policy.workspace_path().ok_or_else(|| {
                Failure::usage("--overlay copies a workspace, and there is none")
                    .with_help("add --workspace FOLDER")
            })?;
            let copy = FilesystemMount::overlay(folder, folder).map_err(PolicyError::from)?;
            mounts.insert(0, copy);
        }
        let mut spec = SandboxSpec::new(policy);
        spec.mounts = mounts;
        let life = &self.life;
        spec.id.clone_from(&life.id);
        spec.labels = values::labels("--label", &life.label)?;
        spec.metadata = values::labels("--metadata", &life.metadata)?;
        spec.ttl = life.ttl.map(|time| some("--ttl", time)).transpose()?;
        let idle = life.session_idle.map(|time| some("--idle", time)).transpose()?;
        spec.idle = idle.map(|time| (time, life.on_idle.into()));
        spec.pool = life.pool;
        // The session's owner has another current directory.
        let log = self.net_log.as_deref().map(|path| absolute("--net-log", path));
        spec.net_log = log.transpose()?.map(|path| path.as_path().to_path_buf());
        Ok(spec)
    }
}

/// A time that is not over at once.
fn some(option: &str, time: Span) -> Result<Span, Failure> {
    if time.duration().is_zero() {
        let message = format!("{option} {time} would be over at once");
        return Err(Failure::usage(message).with_help("write a time such as 30m, or leave it out"));
    }
    Ok(time)
}

impl From<IdleChoice> for OnIdle {
    fn from(choice: IdleChoice) -> Self {
        match choice {
            IdleChoice::Suspend => Self::Suspend,
            IdleChoice::Terminate => Self::Terminate,
        }
    }
}
