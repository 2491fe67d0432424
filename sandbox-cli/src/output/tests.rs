//! Results of forged runs: what is said of them, and their JSON.

use std::io::Cursor;
use std::sync::Arc;

use async_trait::async_trait;
use sandbox_core::confine::{Confinement, Ended, Explanation, Launched, Process};
use sandbox_core::exec::KillReason;
use sandbox_core::plan::Plan;
use sandbox_core::{
    Denials, Enforcement, EnforcementLevel, ExecRequest, ExecResult, Exit, Feature, LocalBackend,
    Policy, PolicyBuilder, Report, Result, SandboxCapabilities, TerminalSize, Usage,
};
use serde_json::{Value, json};

/// Starts nothing: the command has written two bytes and ended.
struct Forged(Exit);

impl Confinement for Forged {
    fn name(&self) -> &'static str {
        "forged"
    }

    fn capabilities(&self) -> SandboxCapabilities {
        SandboxCapabilities::default()
    }

    fn assess(&self, _: &Plan) -> Result<Report> {
        let lost = (Feature::Memory, Enforcement::absent("no cgroup"));
        let less = (Feature::Disk, Enforcement::partial("tmpfs", "the workspace"));
        Ok(Report::new("forged", [lost, less]))
    }

    fn explain(&self, _: &Plan) -> Result<Explanation> {
        Ok(Explanation::default())
    }

    fn launch(&self, _: &Plan) -> Result<Launched> {
        Ok(Launched {
            report: None,
            process: Arc::new(Gone(self.0)),
            stdin: None,
            stdout: Box::new(Cursor::new(b"hi")),
            stderr: Some(Box::new(Cursor::new(b"\xff\xfe"))),
        })
    }
}

struct Gone(Exit);

#[async_trait]
impl Process for Gone {
    fn id(&self) -> u32 {
        1
    }

    async fn wait(&self) -> Result<Ended> {
        let usage = Usage::default();
        Ok(Ended { exit: self.0, usage, denials: Denials::default() })
    }

    fn signal(&self, _: i32) -> Result<()> {
        Ok(())
    }

    fn kill(&self) -> Result<()> {
        Ok(())
    }

    fn resize(&self, _: TerminalSize) -> Result<()> {
        Ok(())
    }
}

/// A run that ended so, under this policy.
fn run(exit: Exit, policy: &Policy) -> ExecResult {
    let backend = LocalBackend::new(Arc::new(Forged(exit)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(backend.run(policy, &ExecRequest::new("/bin/sh"))).unwrap()
}

fn policy(level: EnforcementLevel, change: impl FnOnce(PolicyBuilder) -> PolicyBuilder) -> Policy {
    change(Policy::read_only().enforcement(level)).build().unwrap()
}

fn notes(exit: Exit, policy: &Policy) -> Vec<String> {
    super::notes::lines(&run(exit, policy), policy)
}

#[test]
fn best_effort_names_what_is_lost_and_only_that() {
    let policy = policy(EnforcementLevel::BestEffort, |builder| builder);
    assert_eq!(notes(Exit::Code(0), &policy), ["not enforced: memory: no cgroup"]);
}

#[test]
fn without_enforcement_one_line_says_so() {
    let policy = policy(EnforcementLevel::Off, |builder| builder);
    assert_eq!(notes(Exit::Code(0), &policy), ["enforcement is off: nothing was confined"]);
}

#[test]
fn every_limit_that_ended_a_command_has_its_line() {
    let policy = policy(EnforcementLevel::Off, |builder| {
        builder.memory("64M".parse().unwrap()).limits(|limits| {
            limits.cpu_time = "2s".parse().ok();
            limits.output = "1".parse().ok();
        })
    });
    for (exit, line) in [
        (Exit::OutOfMemory, "the memory limit of 64M ended the command"),
        (Exit::Killed(KillReason::CpuTime), "the CPU-time limit of 2s ended the command"),
        (Exit::Killed(KillReason::SandboxLost), "the sandbox was ended from outside"),
    ] {
        let notes = notes(exit, &policy);
        assert!(notes[0].starts_with(line), "{notes:?}");
        assert_eq!(notes[1], "output after the limit of 1 was dropped");
    }
}

#[test]
fn the_json_of_a_result() {
    let policy = policy(EnforcementLevel::Off, |builder| builder);
    let result = run(Exit::OutOfMemory, &policy);
    let mut value: Value = serde_json::to_value(super::result::outcome(&result)).unwrap();
    assert!(value["elapsed_ms"].take().is_u64());
    assert_eq!(
        value,
        json!({
            "exit_code": 137,
            "timed_out": false,
            "exit": "out_of_memory",
            "stdout": "hi",
            "stderr_base64": "//4=",
            "truncated": false,
            "elapsed_ms": null,
            "usage": { "cpu_ms": null, "memory_peak_bytes": null, "written_bytes": null },
            "denials": { "source": "not_observed" },
            "report": { "tier": "forged", "gaps": [
                { "feature": "memory", "what": "no cgroup", "absent": true },
                { "feature": "disk", "what": "the workspace", "absent": false },
            ]},
        })
    );
}
