//! One session of a case, and the ways to ask a probe in it.

use std::ffi::OsStr;

use super::{Scene, WORK};
use crate::conformance::context::{Answer, answers, own_program};
use crate::conformance::{Stop, Verdict, probe};
use crate::error::SandboxError;
use crate::exec::{ExecRequest, ExecResult};
use crate::ids::SessionId;
use crate::session::task::{TaskId, TaskInfo};
use crate::session::{BackgroundTasks, SandboxState};

/// One session.
pub(super) struct Sandbox<'a> {
    pub(super) scene: &'a Scene<'a>,
    pub(super) id: SessionId,
}

/// A request for the probe to carry out commands, one after another.
pub(super) fn probing<A: AsRef<OsStr>>(commands: &[&[A]]) -> ExecRequest {
    let mut request = ExecRequest::new(own_program()).arg(probe::MARK);
    for (at, command) in commands.iter().enumerate() {
        if at > 0 {
            request = request.arg(probe::THEN);
        }
        request = request.args(command.iter().map(|word| word.as_ref().to_owned()));
    }
    request
}

impl<'a> Sandbox<'a> {
    /// A request that begins in the workspace.
    #[expect(clippy::unused_self, reason = "it is for this session")]
    pub(super) fn request<A: AsRef<OsStr>>(&self, commands: &[&[A]]) -> ExecRequest {
        probing(commands).cwd(WORK)
    }

    /// Runs a command; an error of the sandbox is for the case to judge.
    pub(super) fn attempt(
        &self,
        request: ExecRequest,
    ) -> Verdict<Result<ExecResult, SandboxError>> {
        let result = self.scene.wait(self.scene.backend.exec(&self.id, request))?;
        if let Ok(result) = &result {
            self.scene.note_gaps(&result.report);
        }
        Ok(result)
    }

    /// Runs a command; an error of the sandbox fails the case.
    pub(super) fn run(&self, request: ExecRequest) -> Verdict<ExecResult> {
        Ok(self.attempt(request)??)
    }

    /// Asks the probe to carry out commands in one run, from the workspace.
    pub(super) fn ask<A: AsRef<OsStr>>(&self, commands: &[&[A]]) -> Verdict<Vec<Answer>> {
        answers(&self.run(self.request(commands))?, commands)
    }

    /// Asks the probe to carry out one command, from the workspace.
    pub(super) fn ask_one<A: AsRef<OsStr>>(&self, command: &[A]) -> Verdict<Answer> {
        self.ask_from(WORK, command)
    }

    /// Asks the probe to carry out one command, from a folder.
    pub(super) fn ask_from<A: AsRef<OsStr>>(&self, folder: &str, command: &[A]) -> Verdict<Answer> {
        let commands: [&[A]; 1] = [command];
        let result = self.run(probing(&commands).cwd(folder))?;
        only(answers(&result, &commands)?)
    }

    /// Where a path of the session lies for its commands, by a variable that names it.
    pub(super) fn seen_at(&self, path: &str) -> Verdict<String> {
        let commands: [&[&str]; 1] = [&["variable", "CONFORMANCE_PATH"]];
        let result = self.run(probing(&commands).env("CONFORMANCE_PATH", path))?;
        Ok(only(answers(&result, &commands)?)?.allowed()?.to_owned())
    }

    pub(super) fn state(&self) -> Verdict<SandboxState> {
        Ok(self.scene.wait(self.scene.backend.get(&self.id))??.state)
    }

    pub(super) fn suspend(&self) -> Verdict {
        let done = self.scene.wait(self.scene.backend.suspend(&self.id))?;
        self.scene.offered(done)
    }

    pub(super) fn resume(&self) -> Verdict {
        Ok(self.scene.wait(self.scene.backend.resume(&self.id))??)
    }

    pub(super) fn terminate(&self) -> Verdict {
        Ok(self.scene.wait(self.scene.backend.terminate(&self.id))??)
    }

    pub(super) fn tasks(&self) -> Verdict<&'a dyn BackgroundTasks> {
        self.scene.offered(self.scene.backend.tasks())
    }

    /// Starts a task.
    pub(super) fn start(&self, request: ExecRequest) -> Verdict<TaskId> {
        Ok(self.start_info(request)?.id)
    }

    pub(super) fn start_info(&self, request: ExecRequest) -> Verdict<TaskInfo> {
        Ok(self.scene.wait(self.tasks()?.start(&self.id, request))??)
    }

    /// Starts a task that grows a file in the workspace for some seconds, detached from all.
    pub(super) fn start_beating(&self, file: &str) -> Verdict<TaskId> {
        let token = self.scene.token.clone();
        let task = self.start(self.request(&[
            &["background", "detach", "/", "beat", file, &token],
            &["sleep", "8000", &token],
        ]))?;
        self.scene.beats(&self.scene.ws.join(file))?;
        Ok(task)
    }

    /// The session works as if nothing had happened.
    pub(super) fn works(&self) -> Verdict {
        self.ask_from("/", &["echo", "well"])?.says("well")
    }
}

pub(super) fn only(mut answers: Vec<Answer>) -> Verdict<Answer> {
    answers.pop().ok_or_else(|| Stop::failed("the probe said nothing"))
}
