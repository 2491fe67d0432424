//! What a case is given: a backend, a fresh world, and the ways to ask a probe.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::runtime::Runtime;

use super::world::{Stage, World};
use super::{Stop, Verdict, probe, sys};
use crate::backend::LocalBackend;
use crate::capability::{Enforcement, Feature, SandboxCapabilities};
use crate::confine::Confinement;
use crate::error::SandboxError;
use crate::exec::{ExecRequest, ExecResult, Exit};
use crate::policy::{EnforcementLevel, Policy, PolicyBuilder};
use crate::run::{Running, Sink};

/// Longer than any run of the suite needs, also on a slow machine under load.
const PATIENCE: Duration = Duration::from_secs(40);

/// One case's surroundings.
pub(super) struct Context<'a> {
    pub(super) backend: &'a LocalBackend<dyn Confinement>,
    pub(super) stage: &'a Stage,
    pub(super) runtime: Runtime,
    pub(super) features: &'static [Feature],
    world: RefCell<World>,
    scene_set: Cell<bool>,
    gaps: RefCell<Vec<(Feature, Enforcement)>>,
    pub(super) ws: PathBuf,
    pub(super) ro: PathBuf,
    pub(super) out: PathBuf,
    pub(super) root: PathBuf,
}

/// What a probe said about one command.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    command: String,
    /// What it got, or the error.
    pub(super) said: Result<String, String>,
}

impl<'a> Context<'a> {
    pub(super) fn new(
        backend: &'a LocalBackend<dyn Confinement>,
        stage: &'a Stage,
        features: &'static [Feature],
    ) -> Verdict<Self> {
        let world = World::new(stage)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (ws, ro) = (world.workspace.clone(), world.read_only.clone());
        let (out, root) = (world.outside.clone(), world.root());
        Ok(Self {
            backend,
            stage,
            runtime,
            features,
            world: RefCell::new(world),
            scene_set: Cell::new(false),
            gaps: RefCell::default(),
            ws,
            ro,
            out,
            root,
        })
    }

    /// Runs a case and looks from outside at what it left.
    pub(super) fn judge(&self, run: fn(&Context<'_>) -> Verdict) -> Verdict {
        let verdict = run(self);
        let token = self.root.to_string_lossy().into_owned();
        let survivors = sys::processes_named(&token);
        sys::end(&survivors);
        verdict?;
        if !survivors.is_empty() {
            return Err(Stop::failed(format!("processes outlived their run: {survivors:?}")));
        }
        let changes = self.world.borrow().changes()?;
        if self.scene_set.get() && !changes.is_empty() {
            return Err(Stop::failed(format!("the run changed what it must not: {changes:?}")));
        }
        Ok(())
    }

    /// The usual policy: the workspace writable, the read-only folder readable, the probe visible.
    pub(super) fn policy(&self) -> Verdict<PolicyBuilder> {
        Ok(visible_probe(Policy::workspace(&self.ws)?)?.read(&self.ro)?)
    }

    /// A policy with nothing but the system and the probe.
    pub(super) fn bare_policy(&self) -> Verdict<PolicyBuilder> {
        visible_probe(Policy::read_only())
    }

    /// A request for the probe to carry out commands, one after another.
    pub(super) fn request<A: AsRef<std::ffi::OsStr>>(&self, commands: &[&[A]]) -> ExecRequest {
        let mut request = ExecRequest::new(own_program()).arg(probe::MARK);
        for (at, command) in commands.iter().enumerate() {
            if at > 0 {
                request = request.arg(probe::THEN);
            }
            request = request.args(command.iter().map(|word| word.as_ref().to_owned()));
        }
        request
    }

    /// Runs to the end; an error of the sandbox fails the case.
    pub(super) fn run(&self, policy: PolicyBuilder, request: &ExecRequest) -> Verdict<ExecResult> {
        Ok(self.attempt(policy, request)??)
    }

    /// Runs to the end; an error of the sandbox is for the case to judge.
    pub(super) fn attempt(
        &self,
        policy: PolicyBuilder,
        request: &ExecRequest,
    ) -> Verdict<Result<ExecResult, SandboxError>> {
        let policy = policy.build()?;
        self.set_scene()?;
        let result = self.patiently(self.backend.run(&policy, request))?;
        if let Ok(result) = &result {
            self.note_gaps(result);
        }
        Ok(result)
    }

    /// Runs with bytes on standard input.
    pub(super) fn feed(
        &self,
        policy: PolicyBuilder,
        request: ExecRequest,
        input: &[u8],
    ) -> Verdict<ExecResult> {
        let request = request.with_stdin();
        let result = self.start(policy, &request, async |mut running| {
            let mut stdin = running.take_stdin();
            let write = async {
                if let Some(stdin) = &mut stdin {
                    // A command that does not read closes the pipe, which is its right.
                    let _ = stdin.write_all(input).await;
                    let _ = stdin.shutdown().await;
                }
                drop(stdin);
            };
            tokio::join!(write, running.finish(Sink::Capture, Sink::Capture)).1
        })?;
        Ok(result?)
    }

    /// Starts a command and lets the case drive it.
    pub(super) fn start<T>(
        &self,
        policy: PolicyBuilder,
        request: &ExecRequest,
        drive: impl AsyncFnOnce(Running) -> T,
    ) -> Verdict<T> {
        let policy = policy.build()?;
        self.set_scene()?;
        self.patiently(async {
            let running = self.backend.spawn(&policy, request)?;
            Ok(drive(running).await)
        })?
    }

    /// Asks the probe to carry out commands in one run.
    pub(super) fn ask<A: AsRef<std::ffi::OsStr>>(
        &self,
        policy: PolicyBuilder,
        commands: &[&[A]],
    ) -> Verdict<Vec<Answer>> {
        let result = self.run(policy, &self.request(commands))?;
        answers(&result, commands)
    }

    /// Asks the probe to carry out one command.
    pub(super) fn ask_one<A: AsRef<std::ffi::OsStr>>(
        &self,
        policy: PolicyBuilder,
        command: &[A],
    ) -> Verdict<Answer> {
        let only = self.ask(policy, &[command])?.pop();
        only.ok_or_else(|| Stop::failed("the probe said nothing"))
    }

    pub(super) fn capabilities(&self) -> SandboxCapabilities {
        self.backend.capabilities()
    }

    fn patiently<T>(&self, work: impl Future<Output = T>) -> Verdict<T> {
        let bounded = async { tokio::time::timeout(PATIENCE, work).await };
        let late = |_| Stop::failed(format!("still running after {} s", PATIENCE.as_secs()));
        self.runtime.block_on(bounded).map_err(late)
    }

    /// The first run finds the scene that the case has set.
    fn set_scene(&self) -> Verdict {
        if !self.scene_set.replace(true) {
            self.world.borrow_mut().remember()?;
        }
        Ok(())
    }

    /// What the reports of this case's runs say is missing, for the features that it measures.
    pub(super) fn gaps(&self) -> Vec<(Feature, Enforcement)> {
        self.gaps.borrow().clone()
    }

    fn note_gaps(&self, result: &ExecResult) {
        let less = |feature: &Feature| match result.report.enforced.get(feature)? {
            Enforcement::Full { .. } => None,
            less => Some((*feature, less.clone())),
        };
        self.gaps.borrow_mut().extend(self.features.iter().filter_map(less));
    }
}

/// The usual additions: the probe's file is visible, a run cannot hang, and what the backend lacks
/// in other respects does not keep this case from running.
fn visible_probe(builder: PolicyBuilder) -> Verdict<PolicyBuilder> {
    let builder = builder.read(own_program())?;
    Ok(builder.enforcement(EnforcementLevel::BestEffort).wall_time(PATIENCE / 2))
}

/// This binary, which is also the probe.
pub(super) fn own_program() -> PathBuf {
    let program = std::env::current_exe().and_then(|path| path.canonicalize());
    program.unwrap_or_else(|_| PathBuf::from("/proc/self/exe"))
}

/// A path below another, as text: the suite's own names are plain.
pub(super) fn at(folder: &Path, tail: &str) -> String {
    folder.join(tail).to_string_lossy().into_owned()
}

/// What the probe said to each command.
pub(super) fn answers<A: AsRef<std::ffi::OsStr>>(
    result: &ExecResult,
    commands: &[&[A]],
) -> Verdict<Vec<Answer>> {
    let text = result.stdout.text();
    let mut lines = text.lines().map(str::trim_end).skip_while(|line| *line != probe::HELLO);
    if lines.next().is_none() {
        let (exit, stderr) = (result.exit, result.stderr.text());
        let why = format!("the probe never started: {exit:?}, {text:?}, {stderr:?}");
        return Err(Stop::failed(why));
    }
    let answer = |command: &&[A]| {
        let words = command.iter().map(|word| word.as_ref().to_string_lossy());
        let command = words.collect::<Vec<_>>().join(" ");
        let said = match lines.next().map(|line| line.split_once(' ').unwrap_or((line, ""))) {
            Some(("ok", got)) => Ok(got.to_owned()),
            Some(("err", why)) => Err(why.to_owned()),
            // Ended by the kernel in the middle of a command: that was refused, bluntly.
            None if matches!(result.exit, Exit::Signal(_)) => Err(format!("{:?}", result.exit)),
            other => {
                let exit = result.exit;
                let stderr = result.stderr.text();
                let why = format!("to {command:?} the probe said {other:?}; {exit:?}, {stderr:?}");
                return Err(Stop::failed(why));
            }
        };
        Ok(Answer { command, said })
    };
    commands.iter().map(answer).collect()
}

impl Answer {
    /// The command must have gone through.
    pub(super) fn allowed(&self) -> Verdict<&str> {
        match &self.said {
            Ok(got) => Ok(got),
            Err(why) => Err(Stop::failed(format!("\"{}\" was refused: {why}", self.command))),
        }
    }

    /// The command must have been refused.
    pub(super) fn refused(&self) -> Verdict {
        match &self.said {
            Ok(got) => Err(Stop::failed(format!("\"{}\" went through: {got:?}", self.command))),
            Err(_) => Ok(()),
        }
    }

    /// The command must have got exactly this.
    pub(super) fn says(&self, expected: &str) -> Verdict {
        let got = self.allowed()?;
        ensure(got == expected, || {
            format!("\"{}\" got {got:?} instead of {expected:?}", self.command)
        })
    }
}

/// Fails the case unless `holds`.
pub(super) fn ensure(holds: bool, why: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(Stop::Failed(why())) }
}

/// Every one of the answers must be a refusal.
pub(super) fn all_refused(answers: &[Answer]) -> Verdict {
    let through: Vec<_> = answers.iter().filter(|a| a.said.is_ok()).collect();
    ensure(through.is_empty(), || format!("went through: {through:?}"))
}

/// Every one of the answers must be a success.
pub(super) fn all_allowed(answers: &[Answer]) -> Verdict {
    answers.iter().try_for_each(|answer| answer.allowed().map(drop))
}
