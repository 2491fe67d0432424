//! Runs cases and reports like the standard test harness.
//!
//! Two cases run at once; those that measure the machine run alone, afterwards. A case that panics
//! has failed; one that hangs is ended by the deadline of its own runs.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::context::Context;
use super::world::Stage;
use super::{Behaviour, Case, Options, Outcome, Stop, Subject, Verdict, cases};
use crate::capability::{Enforcement, Feature, SandboxCapabilities};

/// What came of one case on one backend.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Finding {
    /// The backend, the group and the case.
    pub name: String,
    /// Whether a backend that confines nothing must fail the case.
    pub promise: bool,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of all cases.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Summary {
    /// Case by case.
    pub findings: Vec<Finding>,
    /// How many cases the filters left out.
    pub filtered: usize,
}

/// One case on one backend, to be run.
struct Job<'a> {
    name: String,
    subject: &'a Subject,
    case: &'static Case,
}

impl Summary {
    /// Success when nothing failed.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        let failed = self.findings.iter().any(|f| matches!(f.outcome, Outcome::Failed(_)));
        ExitCode::from(if failed { 101 } else { 0 })
    }

    fn count(&self, is: fn(&Outcome) -> bool) -> usize {
        self.findings.iter().filter(|finding| is(&finding.outcome)).count()
    }
}

/// Runs the suite. `None` when the suite's own folders could not be made.
pub fn run(subjects: impl FnOnce() -> Vec<Subject>, options: &Options) -> Option<Summary> {
    // The stage changes this process's environment, which must happen before threads exist.
    let stage = match Stage::set() {
        Ok(stage) => stage,
        Err(error) => {
            complain(&format!("the test's own folders cannot be made: {error}"));
            return None;
        }
    };
    let subjects = subjects();
    let jobs = subjects.iter().flat_map(|subject| {
        let name = move |case: &Case| format!("{}::{}", subject.name, case.name);
        let can = |case: &&'static Case| subject.can_show(case.run);
        cases().filter(can).map(move |case| Job { name: name(case), subject, case })
    });
    let (jobs, left_out): (Vec<_>, Vec<_>) = jobs.partition(|job| options.wants(&job.name));
    if options.list {
        list(&jobs);
        return Some(Summary::default());
    }
    say(
        options,
        &format!("\nrunning {} tests", jobs.len()),
        json!({"event": "started", "count": jobs.len()}),
    );
    let mut summary = Summary { findings: Vec::new(), filtered: left_out.len() };
    let (alone, together): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.case.alone);
    for (jobs, threads) in [(together, 2), (alone, 1)] {
        summary.findings.extend(run_all(&jobs, threads, &stage, options));
    }
    conclude(&summary, options);
    Some(summary)
}

/// Runs jobs on some threads, each taking the next that is left.
fn run_all(jobs: &[Job<'_>], threads: usize, stage: &Stage, options: &Options) -> Vec<Finding> {
    let next = AtomicUsize::new(0);
    let findings = Mutex::new(Vec::with_capacity(jobs.len()));
    let work = || {
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome = judge(job, stage, options);
            let finding = Finding { name: job.name.clone(), promise: job.case.promise, outcome };
            announce(&finding, options);
            findings.lock().unwrap_or_else(|broken| broken.into_inner()).push(finding);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    findings.into_inner().unwrap_or_else(|broken| broken.into_inner())
}

/// Runs one case, or finds that the backend says it cannot.
fn judge(job: &Job<'_>, stage: &Stage, options: &Options) -> Outcome {
    let (case, subject) = (job.case, job.subject);
    match case.run {
        Behaviour::OfCommands(run) => {
            let backend = match subject.backend() {
                Ok(backend) => backend,
                Err(why) => return Outcome::Failed(why),
            };
            judge_by(&backend.capabilities(), case, options, |gaps| {
                let context = Context::new(backend, stage, case.features)?;
                context.judge(run).inspect_err(|_| gaps.extend(context.gaps()))
            })
        }
        Behaviour::OfSessions(run) => {
            let scene = match subject.scene(stage, case.features) {
                Ok(scene) => scene,
                Err(Stop::Failed(why) | Stop::Skipped(why)) => return Outcome::Failed(why),
            };
            judge_by(&scene.backend.capabilities(), case, options, |gaps| {
                scene.judge(run).inspect_err(|_| gaps.extend(scene.gaps()))
            })
        }
    }
}

/// Runs a case unless a feature is absent. `run` adds the gaps that it was told of on its way.
fn judge_by(
    capabilities: &SandboxCapabilities,
    case: &Case,
    options: &Options,
    run: impl FnOnce(&mut Vec<(Feature, Enforcement)>) -> Verdict,
) -> Outcome {
    let mut gaps = Vec::new();
    for feature in case.features {
        match capabilities.features.get(feature) {
            Some(Enforcement::Absent { why }) => {
                return skipped(format!("{feature}: {why}"), options);
            }
            Some(claim) => gaps.push((*feature, claim.clone())),
            None => return Outcome::Failed(format!("the backend says nothing about {feature}")),
        }
    }
    match catch_unwind(AssertUnwindSafe(|| run(&mut gaps))) {
        Ok(Ok(())) => Outcome::Passed,
        Ok(Err(Stop::Skipped(why))) => skipped(why, options),
        Ok(Err(Stop::Failed(why))) => excuse(why, &gaps, case, options),
        Err(_) => Outcome::Failed("the case panicked".into()),
    }
}

/// A failure that a stated gap names, for the machine or for this very run, is the backend's honest
/// word and no defect.
fn excuse(why: String, gaps: &[(Feature, Enforcement)], case: &Case, options: &Options) -> Outcome {
    let mut unnamed = Vec::new();
    for (feature, claim) in gaps {
        match claim {
            Enforcement::Full { .. } => {}
            Enforcement::Absent { why } => return skipped(format!("{feature}: {why}"), options),
            Enforcement::Partial { gap, .. } if case.gap.iter().any(|word| gap.contains(word)) => {
                return skipped(format!("{feature}: {gap}"), options);
            }
            Enforcement::Partial { gap, .. } => unnamed.push(gap),
        }
    }
    if unnamed.is_empty() {
        return Outcome::Failed(why);
    }
    Outcome::Failed(format!("{why} (the stated gaps {unnamed:?} name none of {:?})", case.gap))
}

fn skipped(why: String, options: &Options) -> Outcome {
    if options.require_all {
        return Outcome::Failed(format!("skipped, which is forbidden: {why}"));
    }
    Outcome::Skipped(why)
}

fn list(jobs: &[Job<'_>]) {
    for job in jobs {
        print(&format!("{}: test", job.name));
    }
    print(&format!("\n{} tests, 0 benchmarks", jobs.len()));
}

fn announce(finding: &Finding, options: &Options) {
    let (word, why) = match &finding.outcome {
        Outcome::Passed => ("ok", None),
        Outcome::Failed(why) => ("FAILED", Some(why)),
        Outcome::Skipped(why) => ("ignored", Some(why)),
    };
    let tail = why.map(|why| format!(", {why}")).unwrap_or_default();
    let text = format!("test {} ... {word}{tail}", finding.name);
    say(options, &text, json!({"event": word, "name": finding.name, "why": why}));
}

fn conclude(summary: &Summary, options: &Options) {
    let passed = summary.count(|o| *o == Outcome::Passed);
    let failed = summary.count(|o| matches!(o, Outcome::Failed(_)));
    let ignored = summary.count(|o| matches!(o, Outcome::Skipped(_)));
    let mut text = String::new();
    for finding in &summary.findings {
        if let Outcome::Failed(why) = &finding.outcome {
            text += &format!("\n---- {} ----\n{why}\n", finding.name);
        }
    }
    let word = if failed == 0 { "ok" } else { "FAILED" };
    text += &format!(
        "\ntest result: {word}. {passed} passed; {failed} failed; {ignored} ignored; 0 measured; \
         {} filtered out\n",
        summary.filtered
    );
    let event = json!({"event": "finished", "passed": passed, "failed": failed,
        "ignored": ignored, "filtered": summary.filtered});
    say(options, &text, event);
}

#[expect(clippy::needless_pass_by_value, reason = "the value is made for this call")]
fn say(options: &Options, text: &str, event: serde_json::Value) {
    match options {
        Options { quiet: true, .. } => {}
        Options { json: true, .. } => print(&event.to_string()),
        _ => print(text),
    }
}

/// A line for whoever reads standard output. A reader that went away is no failure of the suite.
fn print(line: &str) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// A line for whoever reads standard error.
pub(super) fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "conformance: {line}");
}
