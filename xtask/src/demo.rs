//! `demo`: an untrusted job on a copy of a folder, and what it could and could not do.
//!
//! All of it happens in `demo` in the target directory: the copy that is the workspace, and
//! next to it a file that the job must not read. The listener that the job tries to reach is
//! our own; that nobody came is checked here, not told by the job.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};

use crate::dist;
use crate::workspace::{Workspace, copy_tree};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The folder whose copy the job works on
    #[arg(long, value_name = "DIR", default_value = "sandbox-core")]
    workspace: PathBuf,
    /// Use this `sandbox` and do not build one
    #[arg(long, value_name = "FILE")]
    sandbox: Option<PathBuf>,
}

/// `$1` is a file outside, `$2` the port of a listener outside.
const JOB: &str = r#"
say() { printf '  %-40s %s\n' "$1" "$2"; }
try() { if "$@" 2>/dev/null; then echo 'WORKS, BUT MUST NOT'; else echo refused; fi; }
connect() { timeout 5 bash -c "exec 3<>/dev/tcp/$1/$2"; }
bash -c : || exit 1
say 'count the lines of code here' "works: $(find . -name '*.rs' -exec cat {} + | wc -l)"
echo made > made-by-the-job && say 'write a file here' works
steal() { cat "$1" > stolen; }
say 'read a file outside' "$(try steal "$1")"
say 'write a file outside' "$(try touch "$1.new")"
say "connect to 127.0.0.1:$2" "$(try connect 127.0.0.1 "$2")"
say 'connect to 192.0.2.1:80' "$(try connect 192.0.2.1 80)"
"#;

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let workspace = Workspace::locate()?;
    let sandbox = args.sandbox.clone().map_or_else(|| dist::build(&workspace), Ok)?;
    let place = workspace.target.join("demo");
    let _ = fs::remove_dir_all(&place);
    let inside = place.join("workspace");
    copy_tree(&args.workspace, &inside, &|_| Ok(()))?;
    let outside = place.join("outside.txt");
    fs::write(&outside, "not for the job\n").context("write the file outside")?;
    let listener = TcpListener::bind("127.0.0.1:0").context("listen")?;
    listener.set_nonblocking(true).context("listen")?;

    println!("$ sandbox run --workspace {} -- sh -c JOB", inside.display());
    let status = Command::new(&sandbox)
        .args(["run", "--workspace"])
        .arg(&inside)
        .args(["--", "sh", "-c", JOB, "job"])
        .arg(&outside)
        .arg(listener.local_addr().context("listen")?.port().to_string())
        .status()
        .with_context(|| format!("run {}", sandbox.display()))?;
    ensure!(status.success(), "sandbox: {status}");
    let stolen = fs::read(inside.join("stolen")).unwrap_or_default();
    ensure!(stolen.is_empty(), "the job read a file outside its workspace");
    ensure!(inside.join("made-by-the-job").exists(), "the job's file is not in the workspace");
    ensure!(!place.join("outside.txt.new").exists(), "the job wrote outside its workspace");
    ensure!(listener.accept().is_err(), "the job reached a listener outside its network");
    println!("the job's file is in the workspace, nothing else changed, nobody connected");
    Ok(ExitCode::SUCCESS)
}
