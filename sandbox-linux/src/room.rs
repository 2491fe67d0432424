//! A sandbox that lasts: one living set of namespaces, whose first process forks a helper for each
//! command.
//!
//! The first process is the same helper as for a single command, with a program that only sets up.
//! What it keeps is what later commands need of it: the ruleset, the right to change mounts, the way
//! into the group of commands, which can stand still while the first process answers. Each command
//! gets a helper of its own by a fork inside, and with it the same protocol, limits and end as a
//! command alone. One such helper waits in advance, with the filter on and the command's process
//! born: a start only wakes it, hands the program over and lets it execute. When the launcher's end
//! of the first process's socket closes, everything in the namespaces ends.

use std::collections::BTreeSet;
use std::io;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rustix::event::{PollFd, PollFlags};
use sandbox_core::confine::{Egress, Enclosure, Launched, OpenFolder, Stamp};
use sandbox_core::plan::{Layers, Plan};
use sandbox_core::session::{Applied, Change};
use sandbox_core::{Result, SandboxError, Usage};

use crate::abi::{Request, request};
use crate::cgroup::{Cgroup, Freezer};
use crate::confine::launched;
use crate::egress::{Trust, Way, WayOut as _};
use crate::facts::Facts;
use crate::fs::landlock::Handled;
use crate::fs::mounts::{self, Rests};
use crate::helper::{Birth, Ends, Helper};
use crate::identity::Identity;
use crate::jail::Jail;
use crate::launch::{furnish, launch};
use crate::layers::{self, Stack};
use crate::ns;
use crate::program::Program;
use crate::report::Groups;
use crate::sys;
use orders::{Done, agent, exchange, failure, signal_all};

mod attach;
mod census;
mod dial;
mod folders;
mod orders;

/// A lasting sandbox of the namespace tier.
#[derive(Debug)]
pub(crate) struct Room {
    pid: u32,
    facts: Facts,
    /// The payloads' user, where it is not the caller.
    user: Option<(u32, u32)>,
    rests: Rests,
    /// The way out of all commands.
    way: Outward,
    state: Mutex<State>,
}

/// The way out of a sandbox, and what its commands are told of it.
#[derive(Debug, Default)]
pub(crate) struct Outward {
    pub(crate) egress: Option<Arc<Way>>,
    pub(crate) trust: Option<Trust>,
}

#[derive(Debug)]
struct State {
    /// The first process, until the end.
    agent: Option<Ends>,
    cgroup: Option<Cgroup>,
    /// A helper that waits for the next command.
    spare: Option<(Birth, Helper)>,
    /// Whether the commands stand still.
    frozen: bool,
    /// The places whose files are shown as another owner's.
    mapped: BTreeSet<PathBuf>,
}

impl State {
    /// The group that can stand still.
    fn commands(&self) -> Option<&Freezer> {
        self.cgroup.as_ref()?.commands.as_ref()
    }
}

impl Room {
    /// Makes one.
    ///
    /// # Errors
    /// The step that failed; nothing is left of the attempt.
    pub(crate) fn open(
        plan: &Plan,
        facts: &Facts,
        helper: Helper,
        mut cgroup: Cgroup,
        way: Outward,
    ) -> Result<Self> {
        let groups = Groups { held: cgroup.held, cpus: cgroup.cpus };
        cgroup.add_commands();
        cgroup.admit(&plan.limits, crate::rlimit::LASTING);
        let commands = cgroup.commands.as_ref().map(Freezer::entry);
        let jail = Jail::furnish(plan, facts, groups, commands, way.trust.as_ref())?;
        let helper = furnish(&jail, helper)?;
        let pid = helper.pid();
        let ends = helper.release().map_err(SandboxError::io("holding the sandbox"))?;
        let Identity { user, idmaps, .. } = jail.identity;
        let mapped = idmaps.into_keys().collect();
        let (agent, cgroup) = (Some(ends), Some(cgroup));
        let state = State { agent, cgroup, spare: None, frozen: false, mapped };
        let (rests, facts) = (jail.rests, facts.clone());
        Ok(Self { pid, facts, user, rests, way, state: Mutex::new(state) })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The helper for the next command.
    fn helper(&self, birth: Birth) -> Result<Helper> {
        let mut state = self.state();
        if state.frozen {
            let why = "nothing starts in a sandbox that stands still: let it go on first";
            return Err(SandboxError::InvalidRequest(why.into()));
        }
        match state.spare.take() {
            Some((born, helper)) if born == birth => Ok(helper),
            _ => Helper::enter(&agent(&state)?.control, self.pid, birth),
        }
    }

    /// Has one wait, while a command runs and nobody waits for us.
    fn put_spare(&self, birth: Birth) {
        let mut state = self.state();
        if state.spare.is_none()
            && let Ok(ends) = agent(&state)
            && let Ok(helper) = Helper::enter(&ends.control, self.pid, birth)
        {
            state.spare = Some((birth, helper));
        }
    }

    /// Changes layers that nobody uses. The kernel lets go of what a process had open a moment after
    /// the process has ended, so one refusal is not believed.
    fn change_unused(&self, change: &mounts::Change<'_>) -> Result<Result<(), (String, i32)>> {
        let mut pause = Duration::from_micros(100);
        loop {
            let mut program = Program::new();
            change.of_unused(&mut program);
            let done = self.run(program)?;
            if !matches!(done, Err((_, libc::EBUSY))) || pause > LONGEST_PAUSE {
                return Ok(done);
            }
            std::thread::sleep(pause);
            pause *= 2;
        }
    }

    /// Has the first process run a program: the step that failed, and its error.
    fn run(&self, program: Program) -> Result<Done> {
        exchange(&self.state(), program, None).map(|(done, _)| done)
    }

    /// Has the first process make a descriptor and hand it over.
    fn fetch(&self, program: Program) -> Result<OwnedFd> {
        let (done, handed) = exchange(&self.state(), program, None)?;
        done.map_err(failure)?;
        // The message came, and this process could not hold one more.
        let full = || io::Error::from_raw_os_error(libc::EMFILE);
        handed.ok_or_else(|| SandboxError::io("opening a descriptor of the sandbox")(full()))
    }

    /// Takes everything away; the first process and its groups come back to be waited for.
    fn close(&self) -> Option<(Ends, Option<Cgroup>)> {
        let mut state = self.state();
        state.spare = None;
        let ends = state.agent.take()?;
        let request = Request { kind: request::KILL, value: 0 };
        let bytes = sys::bytes_of_request(&request);
        // One that is gone has nothing left to end.
        let _ = rustix::net::send(&ends.control, bytes, rustix::net::SendFlags::NOSIGNAL);
        if let Some(commands) = state.commands() {
            commands.release();
        }
        Some((ends, state.cgroup.take()))
    }
}

/// The folders of a place with layers, from the top.
fn stack(source: &Path, layers: &Layers) -> Result<Stack> {
    Stack::open(source, std::iter::once(&layers.upper).chain(&layers.frozen))
}

fn unreadable(error: serde_json::Error) -> SandboxError {
    SandboxError::io("reading a stamp")(error.into())
}

#[async_trait]
impl Enclosure for Room {
    fn start(&self, plan: &Plan) -> Result<Launched> {
        let birth = ns::birth_inside(plan);
        let helper = self.helper(birth)?;
        // While the rest is made the helper wakes up; one that is gone says so at the start.
        let _ = helper.ready();
        let jail = Jail::enter(plan, self.user, &self.facts, self.way.trust.as_ref())?;
        let started = launch(&jail, helper)?;
        self.put_spare(birth);
        launched(started, jail, Cgroup::none(), None)
    }

    fn warm_up(&self, plan: &Plan) {
        self.put_spare(ns::birth_inside(plan));
    }

    fn freeze(&self) -> Result<()> {
        let mut state = self.state();
        match state.commands() {
            Some(commands) => commands.freeze().map_err(SandboxError::io("suspending"))?,
            None => {
                signal_all(&state, libc::SIGSTOP)?;
                // Orders are obeyed one after another: an answer to the next is one to this.
                let answer = exchange(&state, Program::new(), None);
                if let Err(error) = answer.and_then(|(done, _)| done.map_err(failure)) {
                    let _ = signal_all(&state, libc::SIGCONT);
                    return Err(error);
                }
            }
        }
        state.frozen = true;
        Ok(())
    }

    fn thaw(&self) -> Result<()> {
        let mut state = self.state();
        match state.commands() {
            Some(commands) => commands.thaw().map_err(SandboxError::io("resuming"))?,
            None => signal_all(&state, libc::SIGCONT)?,
        }
        state.frozen = false;
        Ok(())
    }

    fn relayer(&self, plan: &Plan, path: &Path, anyway: bool) -> Result<bool> {
        let abi = self.facts.landlock;
        let handled = (abi > 0).then(|| Handled::new(abi, false));
        let change = mounts::Change { plan, rests: &self.rests, path, handled, owner: self.user };
        match self.change_unused(&change)? {
            Err((_, libc::EBUSY)) if anyway => {
                let mut program = Program::new();
                change.of_used(&mut program);
                self.run(program)?.map_err(failure)?;
            }
            Err((_, libc::EBUSY)) => return Ok(false),
            other => other.map_err(failure)?,
        }
        Ok(true)
    }

    fn duplicate(&self, layer: &Path, copy: &Path) -> Result<()> {
        layers::duplicate(layer, copy)
    }

    fn stamp(&self, source: &Path) -> Result<Stamp> {
        let stack = Stack::open(source, std::iter::empty::<&Path>())?;
        let taken = layers::Stamp::take(stack.source())?;
        serde_json::to_value(taken).map(Stamp).map_err(unreadable)
    }

    fn diff(&self, source: &Path, layers: &Layers) -> Result<Vec<Change>> {
        layers::diff(&stack(source, layers)?)
    }

    fn apply(&self, source: &Path, layers: &Layers, since: &Stamp) -> Result<Applied> {
        let since = serde_json::from_value(since.0.clone()).map_err(unreadable)?;
        layers::apply(&stack(source, layers)?, &since, &layers::Options::default())
    }

    fn attach(&self, plan: &Plan, path: &Path) -> Result<()> {
        Room::attach(self, plan, path)
    }

    fn folders(&self, plan: &Plan) -> Result<Vec<OpenFolder>> {
        Room::folders(self, plan)
    }

    fn dial(&self, port: u16) -> Result<TcpStream> {
        Room::dial(self, port)
    }

    fn egress(&self) -> Option<Arc<dyn Egress>> {
        self.way.egress.clone().map(|way| way as _)
    }

    fn alive(&self) -> bool {
        let state = self.state();
        let Some(ends) = &state.agent else { return false };
        let mut polled = [PollFd::new(&ends.control, PollFlags::IN)];
        let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        matches!(rustix::event::poll(&mut polled, Some(&now)), Ok(0))
    }

    fn usage(&self) -> Result<Usage> {
        let measured = self.state().cgroup.as_ref().map(Cgroup::measured).unwrap_or_default();
        let mut usage = Usage::default();
        usage.cpu = measured.cpu;
        usage.memory_peak = measured.memory_peak;
        usage.processes = self.processes().ok();
        Ok(usage)
    }

    async fn end(&self) -> Result<()> {
        let Some((Ends { pidfd, control }, cgroup)) = self.close() else { return Ok(()) };
        let control = sys::watch(control).map_err(SandboxError::io("watching the sandbox"))?;
        let gone = tokio::time::timeout(PATIENCE, control.readable()).await;
        if let Some(egress) = &self.way.egress {
            egress.stop().await;
        }
        finish(gone.is_ok(), pidfd, cgroup);
        Ok(())
    }
}

/// Of the pauses while the kernel lets go.
const LONGEST_PAUSE: Duration = Duration::from_millis(8);

/// How long the first process may take to end everything.
const PATIENCE: Duration = Duration::from_secs(5);

/// Takes the first process away, by force if it did not say that it is done.
fn finish(done: bool, pidfd: Option<OwnedFd>, cgroup: Option<Cgroup>) {
    if let Some(pidfd) = pidfd {
        if !done {
            let _ = sys::signal(&pidfd, libc::SIGKILL);
        }
        match &cgroup {
            Some(group) if !group.is_empty() => sys::reap(&pidfd),
            _ => crate::reaper::bury(pidfd),
        }
    }
    drop(cgroup);
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some(egress) = &self.way.egress {
            egress.close();
        }
        if let Some((Ends { pidfd, control }, cgroup)) = self.close() {
            drop(control);
            // To the end: folders that its processes can still write to are removed next.
            if let Some(pidfd) = pidfd {
                let _ = sys::signal(&pidfd, libc::SIGKILL);
                sys::reap(&pidfd);
            }
            drop(cgroup);
        }
    }
}

/// A lasting sandbox, shared.
pub(crate) fn shared(room: Room) -> Arc<dyn Enclosure> {
    Arc::new(room)
}

#[cfg(test)]
mod tests;
