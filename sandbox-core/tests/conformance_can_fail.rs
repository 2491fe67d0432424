//! A backend that claims everything and confines nothing must fail every promise of the suite: a
//! promise that it kept would be a test that cannot fail.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is a test harness")]

mod careless;

use std::process::{ExitCode, Stdio};
use std::sync::Arc;

use async_trait::async_trait;
use careless::CarelessSessions;
use sandbox_core::capability::{Enforcement, Feature, Report, SandboxCapabilities};
use sandbox_core::confine::{Confinement, Ended, Explanation, Launched, Process};
use sandbox_core::conformance::{self, Finding, Keeper, Options, Outcome, Subject};
use sandbox_core::denial::Denials;
use sandbox_core::plan::Plan;
use sandbox_core::session::SandboxBackend;
use sandbox_core::{Exit, LocalBackend, Result, SandboxError, TerminalSize, Usage};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Mutex;

fn main() -> ExitCode {
    if let Some(code) = conformance::probe_if_asked() {
        return code;
    }
    let Ok(mut options) = Options::from_env() else { return ExitCode::from(2) };
    options.quiet = true;
    let sessions = |root: &std::path::Path| -> Result<Arc<dyn SandboxBackend>> {
        Ok(Arc::new(CarelessSessions::new(Arc::new(Careless), root)))
    };
    let subject = || {
        let commands = Subject::new("careless", Ok(LocalBackend::new(Arc::new(Careless))));
        vec![commands.with_sessions(Keeper::new(sessions).orphan(|_| Ok(())))]
    };
    let Some(summary) = conformance::run(subject, &options) else { return ExitCode::from(2) };
    let wrong: Vec<_> = summary.findings.iter().filter(|finding| is_wrong(finding)).collect();
    for finding in &wrong {
        eprintln!("{}: {:?}", finding.name, finding.outcome);
    }
    println!("test result: {} cases, {} judged wrongly", summary.findings.len(), wrong.len());
    ExitCode::from(u8::from(!wrong.is_empty()))
}

/// A promise must be broken, all else must work, as far as this machine and user can show it.
fn is_wrong(finding: &Finding) -> bool {
    match &finding.outcome {
        Outcome::Failed(_) => !finding.promise,
        Outcome::Skipped(why) => finding.promise && !why.contains("this machine has no"),
        _ => finding.promise && !holds_for_ordinary_users(&finding.name),
    }
}

/// What the kernel itself keeps from everybody but root.
fn holds_for_ordinary_users(name: &str) -> bool {
    let kept = ["devices::", "privileges::no_capability_is_left"];
    !rustix::process::geteuid().is_root() && kept.iter().any(|part| name.contains(part))
}

const FEATURES: [Feature; 29] = {
    use Feature::*;
    [
        FilesystemRead,
        FilesystemWrite,
        FilesystemRights,
        FileMetadata,
        HiddenPaths,
        PrivatePlaces,
        NetworkDeny,
        NetworkAllowList,
        UnixSockets,
        ProcessIsolation,
        IpcIsolation,
        SystemCalls,
        Privileges,
        Descriptors,
        Terminal,
        Environment,
        Lifetime,
        WallTime,
        CpuTime,
        CpuCount,
        Memory,
        Processes,
        OpenFiles,
        FileSize,
        Disk,
        WorkspaceDisk,
        Output,
        Idle,
        Environment,
    ]
};

/// Runs the command, and that is all.
struct Careless;

fn claims() -> impl Iterator<Item = (Feature, Enforcement)> {
    FEATURES.into_iter().map(|feature| (feature, Enforcement::full("good intentions")))
}

impl Confinement for Careless {
    fn name(&self) -> &'static str {
        "careless"
    }

    fn capabilities(&self) -> SandboxCapabilities {
        SandboxCapabilities::new("careless", claims())
    }

    fn assess(&self, plan: &Plan) -> Result<Report> {
        let off = plan.enforcement == sandbox_core::EnforcementLevel::Off;
        Ok(Report::new("careless", claims().filter(|_| !off)))
    }

    fn explain(&self, _: &Plan) -> Result<Explanation> {
        let mut explanation = Explanation::default();
        explanation.section("everything", vec!["is allowed".into()]);
        Ok(explanation)
    }

    fn launch(&self, plan: &Plan) -> Result<Launched> {
        let program = &plan.candidates[0];
        // A shell starts its background jobs with these ignored; what is caught, no child inherits.
        for ignored in [SignalKind::interrupt(), SignalKind::quit()] {
            drop(signal(ignored).map_err(SandboxError::io("catching a signal"))?);
        }
        let not_executable =
            |source| SandboxError::CommandNotExecutable { path: program.clone(), source };
        let mut child = Command::new(program)
            .args(&plan.arguments[1..])
            .envs(plan.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&plan.cwd)
            .stdin(if plan.stdin { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(not_executable)?;
        let stdin = child.stdin.take().map(|pipe| Box::new(pipe) as _);
        let stdout = Box::new(child.stdout.take().expect("stdout is a pipe"));
        let stderr = child.stderr.take().map(|pipe| Box::new(pipe) as _);
        let id = child.id().unwrap_or_default();
        let process = Arc::new(Only { id, child: Mutex::new(child) });
        Ok(Launched { process, stdin, stdout, stderr, report: None })
    }
}

/// The command alone, without whatever it starts.
struct Only {
    id: u32,
    child: Mutex<Child>,
}

#[async_trait]
impl Process for Only {
    fn id(&self) -> u32 {
        self.id
    }

    async fn wait(&self) -> Result<Ended> {
        use std::os::unix::process::ExitStatusExt;
        let status = self.child.lock().await.wait().await.map_err(SandboxError::io("wait"))?;
        let exit = match (status.code(), status.signal()) {
            (Some(code), _) => Exit::Code(code),
            (None, signal) => Exit::Signal(signal.unwrap_or_default()),
        };
        Ok(Ended { exit, usage: Usage::default(), denials: Denials::NotObserved })
    }

    fn signal(&self, _: i32) -> Result<()> {
        self.kill()
    }

    fn kill(&self) -> Result<()> {
        let pid = i32::try_from(self.id).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            // The child is not reaped while somebody may kill it, or has ended, which is fine.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        Ok(())
    }

    fn resize(&self, _: TerminalSize) -> Result<()> {
        Ok(())
    }
}
