//! A job for everyday programs: a workspace of its own, on one of the backends.
//!
//! Programs are looked for where every preset looks, the system's folders, and not on the caller's
//! `PATH`: what that names below a home directory is not there for the job.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

use super::{run, sandbox, set_mode, skip};

/// Where the system's programs are.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The values of `--backend`, each with the mechanisms that `sandbox doctor` has to find.
const BACKENDS: [(&str, &[&str]); 2] =
    [("auto", &["namespaces"]), ("landlock", &["Landlock", "Landlock alone"])];

/// A fresh workspace, and how commands are confined to it.
pub(crate) struct Job {
    pub(crate) folder: TempDir,
    backend: &'static str,
    preset: &'static str,
    enforcement: &'static str,
    variables: Vec<(&'static str, String)>,
}

/// Does the same on each backend; says why where this machine lacks one.
#[expect(clippy::print_stdout, reason = "the harness shows it with what failed")]
pub(crate) fn on_each_backend(work: impl Fn(Job)) {
    for (backend, mechanisms) in BACKENDS {
        println!("backend {backend}");
        match mechanisms.iter().find_map(|name| lacks(name)) {
            Some(why) => skip(&format!("backend {backend}: {why}")),
            None => work(Job::new(backend)),
        }
    }
}

/// What the doctor says about a mechanism that is missing.
fn lacks(mechanism: &str) -> Option<String> {
    static DOCTOR: OnceLock<Value> = OnceLock::new();
    let doctor = DOCTOR.get_or_init(|| run(&mut sandbox(["doctor", "--json"])).json());
    let checks = doctor["checks"].as_array().expect("checks");
    let check = checks.iter().find(|check| check["name"] == mechanism).expect("the check's name");
    let detail = check["detail"].as_str().unwrap_or_default();
    (check["health"] == "missing").then(|| format!("{mechanism}: {detail}"))
}

impl Job {
    fn new(backend: &'static str) -> Self {
        let variables = vec![("PATH", PATH.into()), ("TERM", "xterm".into())];
        let (preset, enforcement) = ("workspace", "required");
        // Not inside of the project: cargo looks for its files in every folder around, and Landlock
        // lets it see but not read them.
        let folder =
            tempfile::Builder::new().prefix("cli-").tempdir_in("/var/tmp").expect("a folder");
        set_mode(folder.path(), 0o755);
        Self { folder, backend, preset, enforcement, variables }
    }

    /// The job's programs set modes, owners or times of files. Landlock has no right for that which
    /// one file could have and another not, so its tier refuses it for all unless less is accepted.
    pub(crate) fn changes_metadata(mut self) -> Self {
        if self.backend == "landlock" {
            self.enforcement = "best-effort";
        }
        self
    }

    /// The job of a developer, whose toolchains may lie in the home directory.
    pub(crate) fn develops(mut self) -> Self {
        self.preset = "developer";
        self
    }

    /// The launcher has these variables too, or instead.
    pub(crate) fn variables(mut self, variables: &[(&'static str, String)]) -> Self {
        self.variables.extend_from_slice(variables);
        self
    }

    /// A file that is in the workspace before the job begins.
    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("its folder");
        std::fs::write(path, text).expect("a file");
        self
    }

    /// The value of `--backend`.
    pub(crate) fn backend(&self) -> &'static str {
        self.backend
    }

    /// A path in the workspace, as the host sees it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The launcher for a command, not started.
    pub(crate) fn command(&self, options: &[&str], words: &[&str]) -> Command {
        let mut command = sandbox(["run", "--backend", self.backend, "--preset", self.preset]);
        command.args(["--enforcement", self.enforcement, "--workspace"]).arg(self.folder.path());
        command.args(options).arg("--").args(words);
        // A size that the caller exports would be believed before the terminal's.
        command.env_remove("COLUMNS").env_remove("LINES");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command to a good end; what it printed.
    #[track_caller]
    pub(crate) fn run(&self, words: &[&str]) -> String {
        let outcome = run(&mut self.command(&[], words));
        let stdout = String::from_utf8_lossy(&outcome.stdout);
        assert_eq!(outcome.code, Some(0), "{}{stdout}", outcome.stderr);
        stdout.into_owned()
    }

    /// Runs a script to a good end; what it printed. The script ends at the first failure.
    #[track_caller]
    pub(crate) fn sh(&self, script: &str) -> String {
        self.run(&["sh", "-ec", script])
    }
}

/// Runs a command of the host to a good end; what it printed.
#[track_caller]
pub(crate) fn on_the_host(program: &Path, args: &[&str]) -> String {
    let output = Command::new(program).args(args).env("PATH", PATH).output();
    let output = output.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// A program of the system.
pub(crate) fn installed(program: &str) -> Option<PathBuf> {
    std::env::split_paths(PATH).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// Whether a program is there; says so if it is not.
pub(crate) fn has(program: &str) -> bool {
    let found = installed(program).is_some();
    if !found {
        skip(&format!("{program} is in none of {PATH}"));
    }
    found
}

/// Leaves a test whose programs are not installed; which one was printed.
#[macro_export]
macro_rules! needs_programs {
    ($($program:literal),+) => {
        if !($(support::job::has($program))&&+) {
            return;
        }
    };
}
