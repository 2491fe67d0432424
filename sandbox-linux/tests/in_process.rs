//! Processes that are confined without a launcher: a `Command`, and a process by itself.
//!
//! No harness: a process can confine itself only while it has one thread, and harnesses have more.
//! The cases are counted and printed as a harness would.
#![expect(clippy::print_stdout, reason = "this is the harness")]

use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, ExitCode, Output};

use sandbox_core::policy::{EnforcementLevel, PolicyBuilder};
use sandbox_core::{Enforcement, Feature, Policy, SandboxError};
use sandbox_linux::{confine, restrict_self};

type Outcome = Result<(), Box<dyn Error>>;
type Case = (&'static str, fn() -> Outcome);

const CASES: &[Case] = &[
    ("a_command_reads_what_is_granted_and_nothing_else", files),
    ("a_command_writes_to_its_workspace_alone", writing),
    ("a_command_gets_the_variables_of_the_policy_and_its_own", variables),
    ("a_command_inherits_three_descriptors", descriptors),
    ("a_command_has_a_session_of_its_own", session),
    ("a_command_reaches_no_address", network),
    ("a_command_can_be_started_twice_and_by_tokio", again),
    ("what_only_a_launcher_can_hold_is_refused_by_name", unenforceable),
    ("without_enforcement_only_the_environment_is_made", off),
    ("a_process_confines_itself", itself),
    ("a_process_with_threads_is_refused", threads),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, folder] = &arguments[..]
        && mode == "confine-itself"
    {
        return match child(Path::new(folder)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                println!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    let wanted = |case: &&Case| {
        let filters = arguments.iter().filter(|word| !word.starts_with('-'));
        filters.clone().next().is_none() || filters.clone().any(|word| case.0.contains(&**word))
    };
    let (mut passed, mut failed) = (0, 0);
    for (name, case) in CASES.iter().filter(wanted) {
        let outcome = case();
        println!("test {name} ... {}", if outcome.is_ok() { "ok" } else { "FAILED" });
        match outcome {
            Ok(()) => passed += 1,
            Err(error) => {
                failed += 1;
                println!("{name}: {error}");
            }
        }
    }
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {verdict}. {passed} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out"
    );
    ExitCode::from(u8::from(failed > 0))
}

fn check(held: bool, what: impl Into<String>) -> Outcome {
    if held { Ok(()) } else { Err(what.into().into()) }
}

/// A workspace, and a secret beside it.
struct Stage {
    _all: tempfile::TempDir,
    workspace: std::path::PathBuf,
    secret: std::path::PathBuf,
}

impl Stage {
    fn new() -> Result<Self, Box<dyn Error>> {
        let all = tempfile::tempdir()?;
        let path = fs::canonicalize(all.path())?;
        let (workspace, secret) = (path.join("work"), path.join("secret"));
        fs::create_dir(&workspace)?;
        fs::write(workspace.join("seen"), "seen")?;
        fs::write(&secret, "secret")?;
        Ok(Self { _all: all, workspace, secret })
    }

    fn policy(&self) -> Result<PolicyBuilder, Box<dyn Error>> {
        Ok(Policy::workspace(&self.workspace)?)
    }
}

fn shell(script: &str, words: &[&OsStr]) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg("sh").args(words);
    command
}

fn run(mut command: Command, policy: PolicyBuilder) -> Result<Output, Box<dyn Error>> {
    let confined = confine(&mut command, &policy.build()?)?;
    let output = command.output()?;
    drop(confined);
    Ok(output)
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn files() -> Outcome {
    let stage = Stage::new()?;
    let script = "cat seen; cat \"$1\" 2>/dev/null || echo -refused";
    let output = run(shell(script, &[stage.secret.as_os_str()]), stage.policy()?)?;
    check(text(&output) == "seen-refused\n", text(&output))
}

fn writing() -> Outcome {
    let stage = Stage::new()?;
    let script = "echo a > made; echo b > \"$1\"; echo c > \"$1-new\"; chmod 777 seen; true";
    run(shell(script, &[stage.secret.as_os_str()]), stage.policy()?)?;
    check(fs::read_to_string(stage.workspace.join("made"))? == "a\n", "nothing was made")?;
    check(fs::read_to_string(&stage.secret)? == "secret", "the secret was changed")?;
    // Landlock does not know modes; the filter does.
    let mode = fs::metadata(stage.workspace.join("seen"))?.permissions().mode();
    check(mode & 0o777 != 0o777, "a mode was changed")?;
    let beside = stage.secret.with_file_name("secret-new");
    check(!beside.exists(), "a file was made beside the workspace")
}

fn variables() -> Outcome {
    let stage = Stage::new()?;
    let mut command = shell("env", &[]);
    command.env("GIVEN", "1").env("TAKEN_BACK", "2").env_remove("TAKEN_BACK");
    let output = text(&run(command, stage.policy()?)?);
    let names: Vec<&str> = output.lines().filter_map(|line| line.split('=').next()).collect();
    check(names.contains(&"GIVEN") && !names.contains(&"TAKEN_BACK"), output.clone())?;
    // Set by cargo and by the matrix, and by no policy.
    check(std::env::var_os("PATH").is_some() && !output.contains("CARGO"), output)
}

fn descriptors() -> Outcome {
    let stage = Stage::new()?;
    let open = fs::File::open(&stage.secret)?;
    rustix::io::fcntl_setfd(&open, rustix::io::FdFlags::empty())?;
    let script = format!("cat <&{} 2>/dev/null || echo closed", open.as_raw_fd());
    let output = run(shell(&script, &[]), stage.policy()?)?;
    check(text(&output) == "closed\n", text(&output))
}

fn session() -> Outcome {
    let stage = Stage::new()?;
    // Field 6 of stat, behind the name: the session, which is the process itself.
    let output = run(shell("cut -d' ' -f1,6 /proc/$$/stat", &[]), stage.policy()?)?;
    let line = text(&output);
    let (process, session) = line.trim().split_once(' ').unwrap_or_default();
    check(!process.is_empty() && process == session, line)
}

fn network() -> Outcome {
    let stage = Stage::new()?;
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port().to_string();
    let mut command = Command::new("bash");
    command.args(["-c", "exec 3<>/dev/tcp/127.0.0.1/$1 && echo reached", "bash", &port]);
    let output = run(command, stage.policy()?)?;
    check(!output.status.success() && output.stdout.is_empty(), text(&output))
}

fn again() -> Outcome {
    let stage = Stage::new()?;
    let policy = stage.policy()?.build()?;
    let mut command = tokio::process::Command::new("cat");
    command.arg(&stage.secret);
    let confined = confine(command.as_std_mut(), &policy)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for _ in 0..2 {
        let output = runtime.block_on(async { command.output().await })?;
        check(!output.status.success() && output.stdout.is_empty(), "the secret was read")?;
    }
    let gap = confined.report().enforced.get(&Feature::Lifetime);
    check(matches!(gap, Some(Enforcement::Partial { .. })), "the lifetime is not held")
}

fn unenforceable() -> Outcome {
    let stage = Stage::new()?;
    let second = "1s".parse()?;
    let policy = stage.policy()?.limits(|limits| limits.wall_time = Some(second)).build()?;
    match confine(&mut Command::new("true"), &policy) {
        Err(SandboxError::Unenforceable { feature: Feature::WallTime, .. }) => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

fn off() -> Outcome {
    let stage = Stage::new()?;
    let mut command = Command::new("cat");
    command.arg(&stage.secret);
    let output = run(command, stage.policy()?.enforcement(EnforcementLevel::Off))?;
    check(text(&output) == "secret", text(&output))
}

fn itself() -> Outcome {
    let stage = Stage::new()?;
    let mut command = Command::new(std::env::current_exe()?);
    let output = command.arg("confine-itself").arg(&stage.workspace).output()?;
    check(output.status.success(), text(&output))
}

/// What the process that confines itself does, before and after.
fn child(workspace: &Path) -> Outcome {
    let secret = workspace.with_file_name("secret");
    check(fs::read(&secret).is_ok(), "the secret cannot be read before")?;
    let report = restrict_self(&Policy::workspace(workspace)?.build()?)?;
    check(!report.gaps().is_empty(), "the report names no gaps")?;
    check(fs::read(workspace.join("seen"))? == b"seen", "the workspace cannot be read")?;
    fs::write(workspace.join("made"), "made")?;
    check(fs::read(&secret).is_err(), "the secret is read")?;
    check(fs::write(&secret, "x").is_err(), "the secret is written")?;
    // Landlock knows TCP ports; the rest is the filter's.
    check(std::net::UdpSocket::bind("127.0.0.1:0").is_err(), "there is a network")?;
    let shown = Command::new("cat").arg(&secret).output()?;
    check(shown.stdout.is_empty(), "a program that it executes reads the secret")?;
    let status = fs::read_to_string("/proc/self/status")?;
    let sets = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];
    for line in status.lines().filter(|line| sets.iter().any(|set| line.starts_with(set))) {
        let user = rustix::process::geteuid().as_raw();
        let empty = line.ends_with("0000000000000000");
        // Only a caller that holds the right to can empty the bounding set.
        check(empty || (line.starts_with("CapBnd") && user != 0), line)?;
    }
    check(status.contains("NoNewPrivs:\t1"), "an exec can gain rights")
}

fn threads() -> Outcome {
    let (stop, wait) = std::sync::mpsc::channel::<()>();
    let other = std::thread::spawn(move || wait.recv().is_err());
    let outcome = restrict_self(&Policy::read_only().build()?);
    drop(stop);
    other.join().map_err(|_| "the thread panicked")?;
    match outcome {
        Err(SandboxError::InvalidRequest(text)) if text.contains("threads") => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}
