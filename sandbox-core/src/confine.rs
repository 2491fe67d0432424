//! What an operating-system crate implements: a plan in, a confined process out.

mod egress;
mod folders;
mod loose;
mod pool;
#[cfg(unix)]
mod stream;

use std::any::Any;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::capability::{Report, SandboxCapabilities};
use crate::denial::Denials;
use crate::error::Result;
use crate::exec::{Exit, TerminalSize, Usage};
use crate::plan::{Layers, Plan};
use crate::policy::network::NetworkPolicy;
use crate::session::{Applied, Change};

pub use egress::Egress;
pub use folders::OpenFolder;
pub use loose::Loose;
pub use pool::Pool;
#[cfg(unix)]
pub use stream::Stream;

/// Confines commands with the means of one operating system.
pub trait Confinement: Send + Sync + 'static {
    /// The backend's name, as messages show it.
    fn name(&self) -> &'static str;

    /// What this machine can enforce, measured.
    fn capabilities(&self) -> SandboxCapabilities;

    /// What would be enforced for `plan`, without starting anything.
    ///
    /// # Errors
    /// What cannot be compiled for this system.
    fn assess(&self, plan: &Plan) -> Result<Report>;

    /// The kernel state that `plan` compiles to, in words.
    ///
    /// # Errors
    /// As [`Confinement::assess`].
    fn explain(&self, plan: &Plan) -> Result<Explanation>;

    /// A hint that a launch will come soon, and which network its policy will probably ask for.
    ///
    /// A backend may make ahead what no policy decides, to save that time at the next launch; what
    /// it makes has run nothing and ends with this process. It inherits what this process has now:
    /// its user, its groups, its resource limits. Nothing depends on the hint being given or right.
    fn warm_up(&self, network: &NetworkPolicy) {
        let _ = network;
    }

    /// Makes a sandbox that lasts, with nothing running in it; `plan` is without a command.
    ///
    /// Called on a runtime with I/O enabled. Without an implementation of its own every command is
    /// launched by itself, and only what lies in folders of the host lasts.
    ///
    /// # Errors
    /// [`SandboxError::Unsupported`](crate::SandboxError::Unsupported) for mounts that the system
    /// does not have, and the step that failed.
    fn enclose(self: Arc<Self>, plan: &Plan) -> Result<Arc<dyn Enclosure>> {
        Ok(Arc::new(Loose::new(self, plan)?))
    }

    /// Starts the command of `plan`, wholly confined, or not at all.
    ///
    /// Called on a runtime with I/O enabled; returns within a launch's time.
    ///
    /// # Errors
    /// The step that failed. Nothing of the command has run then.
    fn launch(&self, plan: &Plan) -> Result<Launched>;
}

/// Readable bytes of a process.
pub type Output = Box<dyn Readable>;
/// Writable bytes of a process.
pub type Input = Box<dyn Writable>;

/// What an [`Output`] is: anything that can be read. What it really is can be asked, so that a
/// stream that is a descriptor can be handed over as such.
pub trait Readable: AsyncRead + Send + Unpin + 'static {
    /// What it really is.
    fn as_any(&self) -> &dyn Any;
    /// The same, to be had.
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send>;
}

impl<T: AsyncRead + Send + Unpin + 'static> Readable for T {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}

/// What an [`Input`] is, see [`Readable`].
pub trait Writable: AsyncWrite + Send + Unpin + 'static {
    /// What it really is.
    fn as_any(&self) -> &dyn Any;
    /// The same, to be had.
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send>;
}

impl<T: AsyncWrite + Send + Unpin + 'static> Writable for T {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}

/// A process that was just started.
pub struct Launched {
    /// The process, shared by whoever waits and whoever ends it.
    pub process: Arc<dyn Process>,
    /// Its standard input, if the plan asked for one. For a terminal, the keyboard.
    pub stdin: Option<Input>,
    /// Its standard output. For a terminal, the screen.
    pub stdout: Output,
    /// Its standard error; a terminal has none apart.
    pub stderr: Option<Output>,
    /// What is enforced, where that is not what [`Confinement::assess`] foresaw: a backend may fall
    /// to lesser means where the policy leaves that open.
    pub report: Option<Report>,
}

/// A sandbox that lasts: commands come and go in it. Dropping it ends it and all of them.
#[async_trait]
pub trait Enclosure: Send + Sync {
    /// Starts a command. Its `plan` differs from the enclosure's by the command alone: the command,
    /// its environment, its working directory, its streams.
    ///
    /// # Errors
    /// The step that failed. Nothing of the command has run then.
    fn start(&self, plan: &Plan) -> Result<Launched>;

    /// A hint that a command will come soon: what it will need beside its own plan is made ahead.
    fn warm_up(&self, plan: &Plan) {
        let _ = plan;
    }

    /// Stops every process where it is.
    ///
    /// # Errors
    /// The system's refusal.
    fn freeze(&self) -> Result<()>;

    /// Lets every process go on.
    ///
    /// # Errors
    /// The system's refusal.
    fn thaw(&self) -> Result<()>;

    /// Puts other layers over a place that is copied on write; `plan` has them, and is otherwise as
    /// the enclosure's. Nothing may run meanwhile. `false` when files of the old layers are in use
    /// and `anyway` is not set: nothing has changed then. With it, who uses them keeps what he has.
    ///
    /// # Errors
    /// [`SandboxError::Unsupported`](crate::SandboxError::Unsupported) by default; the step that
    /// failed, after which the place may be bare.
    fn relayer(&self, plan: &Plan, path: &Path, anyway: bool) -> Result<bool> {
        let _ = (plan, path, anyway);
        Err(no_layers())
    }

    /// Copies what a layer holds into an empty one: for a snapshot of a folder that is in use.
    /// Nothing may run meanwhile.
    ///
    /// # Errors
    /// [`SandboxError::Unsupported`](crate::SandboxError::Unsupported) by default; what cannot be
    /// read or written.
    fn duplicate(&self, layer: &Path, copy: &Path) -> Result<()> {
        let _ = (layer, copy);
        Err(no_layers())
    }

    /// Remembers the moment at which work on a copy of a folder begins.
    ///
    /// # Errors
    /// [`SandboxError::Unsupported`](crate::SandboxError::Unsupported) by default; the folder cannot
    /// be written to.
    fn stamp(&self, source: &Path) -> Result<Stamp> {
        let _ = source;
        Err(no_layers())
    }

    /// What layers change in the folder below them.
    ///
    /// # Errors
    /// [`SandboxError::Unsupported`](crate::SandboxError::Unsupported) by default; what cannot be
    /// read.
    fn diff(&self, source: &Path, layers: &Layers) -> Result<Vec<Change>> {
        let _ = (source, layers);
        Err(no_layers())
    }

    /// Writes what layers change to the folder below them, unless the host changed the same things
    /// since the stamp: then only the conflicts come back.
    ///
    /// # Errors
    /// [`SandboxError::Unsupported`](crate::SandboxError::Unsupported) by default; the path at which
    /// writing failed.
    fn apply(&self, source: &Path, layers: &Layers, since: &Stamp) -> Result<Applied> {
        let _ = (source, layers, since);
        Err(no_layers())
    }

    /// Adds a mount to the living sandbox: the place at `path` in `plan`, which is otherwise as the
    /// enclosure's. What runs sees it too.
    ///
    /// # Errors
    /// [`SandboxError::Unsupported`](crate::SandboxError::Unsupported) by default; the step that
    /// failed, after which nothing has changed.
    fn attach(&self, plan: &Plan, path: &Path) -> Result<()> {
        let _ = (plan, path);
        Err(unsupported("mounts in a sandbox that lives"))
    }

    /// The folders of the sandbox, opened: each with the path that it has inside, and what may be
    /// done in it from outside. By default those that are folders of the host.
    ///
    /// # Errors
    /// What cannot be opened.
    fn folders(&self, plan: &Plan) -> Result<Vec<OpenFolder>> {
        folders::on_host(plan)
    }

    /// Connects to a TCP port of the sandbox's own loopback.
    ///
    /// # Errors
    /// [`SandboxError::Unsupported`](crate::SandboxError::Unsupported) by default;
    /// [`SandboxError::Io`](crate::SandboxError::Io) when nobody listens.
    fn dial(&self, port: u16) -> Result<std::net::TcpStream> {
        let _ = port;
        Err(unsupported("published ports"))
    }

    /// The way out, where the policy lists hosts and this sandbox has one for all its commands.
    fn egress(&self) -> Option<Arc<dyn Egress>> {
        None
    }

    /// Whether its processes are still there.
    fn alive(&self) -> bool {
        true
    }

    /// What all commands together have used up to now.
    ///
    /// # Errors
    /// What could not be measured.
    fn usage(&self) -> Result<Usage>;

    /// Ends every process and waits until they are gone. A second time does nothing.
    ///
    /// # Errors
    /// The sandbox lost sight of its processes.
    async fn end(&self) -> Result<()>;
}

/// A confined process with everything it started.
#[async_trait]
pub trait Process: Send + Sync {
    /// The process identifier on the host.
    fn id(&self) -> u32;

    /// Waits for the command, and for the end of everything it started.
    ///
    /// # Errors
    /// The sandbox lost sight of the process.
    async fn wait(&self) -> Result<Ended>;

    /// Sends a signal, by its number on this system, to the command.
    ///
    /// # Errors
    /// The system's refusal. A process that has ended is no error.
    fn signal(&self, signal: i32) -> Result<()>;

    /// Ends the whole tree at once.
    ///
    /// # Errors
    /// The system's refusal. A process that has ended is no error.
    fn kill(&self) -> Result<()>;

    /// Stops the whole tree where it is.
    ///
    /// # Errors
    /// [`SandboxError::Unsupported`](crate::SandboxError::Unsupported) by default, and the system's
    /// refusal. A process that has ended is no error.
    fn freeze(&self) -> Result<()> {
        Err(unsupported("suspending"))
    }

    /// Lets the whole tree go on.
    ///
    /// # Errors
    /// As [`Process::freeze`].
    fn thaw(&self) -> Result<()> {
        Err(unsupported("suspending"))
    }

    /// The way out, where the policy lists hosts and this process has one of its own.
    fn egress(&self) -> Option<Arc<dyn Egress>> {
        None
    }

    /// Changes the size of the terminal.
    ///
    /// # Errors
    /// The system's refusal, or that there is no terminal.
    fn resize(&self, size: TerminalSize) -> Result<()>;
}

/// A moment in a folder's history, as its platform tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stamp(pub serde_json::Value);

fn no_layers() -> crate::SandboxError {
    unsupported("folders that are copied on write")
}

fn unsupported(operation: &str) -> crate::SandboxError {
    let operation = operation.into();
    crate::SandboxError::Unsupported { backend: "this sandbox".into(), operation }
}

/// How a process ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The command's exit, or the limit of the kernel that ended it.
    pub exit: Exit,
    /// What the whole tree used.
    pub usage: Usage,
    /// What was refused.
    pub denials: Denials,
}

/// The kernel state that a plan compiles to: titled lists of lines, for people.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// The sections, in the order in which they take effect.
    pub sections: Vec<Section>,
}

/// One mechanism of an [`Explanation`].
#[derive(Clone, Debug, Serialize)]
pub struct Section {
    /// The mechanism.
    pub title: String,
    /// What it is told.
    pub lines: Vec<String>,
}

impl Explanation {
    /// Adds a section.
    pub fn section(&mut self, title: impl Into<String>, lines: Vec<String>) {
        self.sections.push(Section { title: title.into(), lines });
    }
}
