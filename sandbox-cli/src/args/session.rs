//! `sandbox session`: what clap reads of it.
//!
//! Each subcommand has one struct, as everywhere. Those that name a session alone share [`IdArgs`],
//! those that name a task [`TaskArgs`].

mod cp;
mod create;
mod exec;
mod keys;
mod mounts;
mod network;
mod signal;
mod values;

use clap::{Args, Subcommand};
use sandbox_core::session::task::TaskId;
use sandbox_core::{SessionId, SnapshotName};

pub(crate) use cp::{CpArgs, Form, Outside, Sides};
pub(crate) use create::CreateArgs;
pub(crate) use exec::{ExecArgs, SpawnArgs};
pub(crate) use keys::DetachKeys;
pub(crate) use mounts::MountArgs;
pub(crate) use network::{
    NetworkAction, NetworkArgs, PortAction, PortArgs, kept as kept_in_session,
};
use signal::Signal;
use values::Pair;

/// The subcommands of `sandbox session`.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// Make a session, and print its identifier
    Create(Box<CreateArgs>),
    /// List the sessions
    #[command(visible_alias = "ls")]
    List(ListArgs),
    /// Show what there is to say of a session
    Show(IdArgs),
    /// Run a command in a session
    Exec(ExecArgs),
    /// Start a command in the background, and print its task's identifier
    Spawn(SpawnArgs),
    /// List the tasks of a session
    #[command(visible_alias = "ps")]
    Tasks(IdArgs),
    /// Print what a task has written
    Logs(LogsArgs),
    /// Connect this terminal to a task; the task goes on when you leave it
    Attach(AttachArgs),
    /// Wait for a task, and end with its exit code
    Wait(TaskArgs),
    /// End a task with everything it started, or send it a signal
    Kill(KillArgs),
    /// Copy files and folders into a session or out of it
    Cp(CpArgs),
    /// Mount a folder in a session
    Mount(MountArgs),
    /// Show or replace a session's network
    Network(NetworkArgs),
    /// Publish ports of a session on this machine's loopback
    Port(PortArgs),
    /// Keep the present state of a session's folders
    Snapshot(SnapshotArgs),
    /// List the snapshots of a session
    Snapshots(IdArgs),
    /// Go back to a snapshot
    Restore(SnapshotArgs),
    /// Make sessions that begin where this one is, and print their identifiers
    Fork(ForkArgs),
    /// Show what a session has changed in its copies
    Diff(IdArgs),
    /// Write the changes to this machine's folders
    Apply(IdArgs),
    /// Forget the changes
    Discard(IdArgs),
    /// Stop every process of a session where it is
    Suspend(IdArgs),
    /// Let the processes of a session go on
    Resume(IdArgs),
    /// Show what a session has used
    Stats(IdArgs),
    /// End sessions with everything in them
    Rm(RmArgs),
    /// Take away what sessions left behind that were killed
    Reap(ReapArgs),
}

/// A session.
#[derive(Args, Debug)]
pub(crate) struct IdArgs {
    /// The session
    pub(crate) id: SessionId,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// A task of a session.
#[derive(Args, Debug)]
pub(crate) struct TaskArgs {
    /// The session
    pub(crate) id: SessionId,
    /// The task, such as t1
    pub(crate) task: TaskId,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `sandbox session list`.
#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// Only sessions with this label; of several, with all of them
    #[arg(long, value_name = "NAME=VALUE")]
    label: Vec<Pair>,
    /// Print a JSON array
    #[arg(long)]
    pub(crate) json: bool,
}

/// `sandbox session logs`.
#[derive(Args, Debug)]
pub(crate) struct LogsArgs {
    #[command(flatten)]
    pub(crate) of: TaskArgs,
    /// Go on until the task ends; with --json, one object for each piece
    #[arg(long, short)]
    pub(crate) follow: bool,
}

/// `sandbox session attach`.
#[derive(Args, Debug)]
pub(crate) struct AttachArgs {
    /// The session
    pub(crate) id: SessionId,
    /// The task, such as t1
    pub(crate) task: TaskId,
    /// The keys that leave the task alone, or none
    #[arg(long, value_name = "KEYS", default_value = "ctrl-p,ctrl-q")]
    pub(crate) detach_keys: DetachKeys,
}

/// `sandbox session kill`.
#[derive(Args, Debug)]
pub(crate) struct KillArgs {
    #[command(flatten)]
    pub(crate) of: TaskArgs,
    /// Send this signal to the command instead, such as TERM or 15
    #[arg(long, short, value_name = "SIGNAL")]
    signal: Option<Signal>,
}

/// `sandbox session snapshot` and `restore`.
#[derive(Args, Debug)]
pub(crate) struct SnapshotArgs {
    /// The session
    pub(crate) id: SessionId,
    /// The snapshot's name
    pub(crate) name: SnapshotName,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `sandbox session fork`.
#[derive(Args, Debug)]
pub(crate) struct ForkArgs {
    /// The session
    pub(crate) id: SessionId,
    /// How many
    #[arg(long, value_name = "N", default_value = "1", value_parser = values::count)]
    pub(crate) count: usize,
    /// Print a JSON array
    #[arg(long)]
    pub(crate) json: bool,
}

/// `sandbox session rm`.
#[derive(Args, Debug)]
pub(crate) struct RmArgs {
    /// The sessions
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    pub(crate) ids: Vec<SessionId>,
    /// Every session
    #[arg(long)]
    pub(crate) all: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `sandbox session reap`.
#[derive(Args, Debug)]
pub(crate) struct ReapArgs {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl ListArgs {
    /// The labels, if they do not contradict each other.
    pub(crate) fn labels(&self) -> Result<sandbox_core::session::Labels, crate::failure::Failure> {
        values::labels("--label", &self.label)
    }
}

impl KillArgs {
    /// The signal's number.
    pub(crate) fn signal(&self) -> Option<i32> {
        self.signal.map(Signal::number)
    }
}

impl SessionCommand {
    /// Whether failures are shown as JSON.
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::Create(args) => args.json,
            Self::List(args) => args.json,
            Self::Exec(args) => args.json,
            Self::Spawn(args) => args.json,
            Self::Logs(LogsArgs { of, .. }) | Self::Kill(KillArgs { of, .. }) | Self::Wait(of) => {
                of.json
            }
            Self::Attach(_) => false,
            Self::Cp(args) => args.json,
            Self::Mount(args) => args.json,
            Self::Network(args) => args.json,
            Self::Port(args) => args.json,
            Self::Snapshot(args) | Self::Restore(args) => args.json,
            Self::Fork(args) => args.json,
            Self::Rm(args) => args.json,
            Self::Reap(args) => args.json,
            Self::Show(args)
            | Self::Tasks(args)
            | Self::Snapshots(args)
            | Self::Diff(args)
            | Self::Apply(args)
            | Self::Discard(args)
            | Self::Suspend(args)
            | Self::Resume(args)
            | Self::Stats(args) => args.json,
        }
    }
}
