//! `sandbox run --overlay`: a command works on a copy, and its changes are kept or dropped.
#![cfg(unix)]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use support::pty::Terminal;
use support::{Outcome, folder, run, sandbox, wait};
use tempfile::TempDir;

/// Changes one file, removes one, makes a folder with one.
const WORK: &str = "echo more >> kept; rm gone; mkdir new; echo new > new/file";

struct Copy {
    folder: TempDir,
    state: TempDir,
}

impl Copy {
    fn new() -> Self {
        let copy = Self { folder: folder(), state: folder() };
        fs::write(copy.path().join("kept"), "host\n").expect("a file");
        fs::write(copy.path().join("gone"), "host\n").expect("a file");
        copy
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, options: &[&str], script: &str) -> Command {
        let mut all = vec!["run", "--overlay", "--workspace", self.path().to_str().expect("text")];
        all.extend(options);
        all.extend(["--", "/bin/sh", "-c", script]);
        let mut command = sandbox(all);
        command.env("XDG_STATE_HOME", self.state.path());
        command
    }

    fn run(&self, options: &[&str], script: &str) -> Outcome {
        run(&mut self.command(options, script))
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path()).expect("a folder");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    fn is_untouched(&self) -> bool {
        let kept = fs::read_to_string(self.path().join("kept")).expect("a file");
        self.names() == ["gone", "kept"] && kept == "host\n"
    }

    fn is_changed(&self) -> bool {
        let kept = fs::read_to_string(self.path().join("kept")).expect("a file");
        self.names() == ["kept", "new"] && kept == "host\nmore\n"
    }

    /// Whether nothing is left of any session.
    fn is_clean(&self) -> bool {
        let left = |name| fs::read_dir(self.state.path().join("sandbox").join(name));
        ["sessions", "layers"].iter().all(|name| left(name).is_ok_and(|all| all.count() == 0))
    }
}

#[test]
fn changes_are_shown_and_dropped() {
    needs_launch!();
    let copy = Copy::new();
    let outcome = copy.run(&[], &format!("{WORK}; cat kept; pwd; exit 3"));
    let here = fs::canonicalize(copy.path()).expect("a path");
    assert_eq!(outcome.text(), format!("host\nmore\n{}\n", here.display()));
    assert_eq!(outcome.code, Some(3), "{}", outcome.stderr);
    for line in ["deleted  gone", "changed  kept", "added    new/", "added    new/file", "dropped"]
    {
        assert!(outcome.stderr.contains(line), "{line}: {}", outcome.stderr);
    }
    assert!(copy.is_untouched() && copy.is_clean());
}

#[test]
fn changes_of_a_command_that_succeeds_are_applied() {
    needs_launch!();
    let copy = Copy::new();
    let failed = copy.run(&["--apply"], &format!("{WORK}; false"));
    assert!(failed.code == Some(1) && copy.is_untouched(), "{}", failed.stderr);
    let outcome = copy.run(&["--apply"], WORK);
    assert!(outcome.stderr.contains("4 changes applied"), "{}", outcome.stderr);
    assert_eq!(outcome.code, Some(0));
    assert!(copy.is_changed() && copy.is_clean());
}

#[test]
fn what_the_host_changed_meanwhile_is_not_overwritten() {
    needs_launch!();
    let copy = Copy::new();
    // The host's change is made while the command waits, on the host.
    let script = format!("{WORK}; echo ready > /mnt/memory/ready; sleep 1");
    let mut child = copy.command(&["--apply", "--json"], &script).spawn().expect("the binary");
    let sessions = copy.state.path().join("sandbox/sessions");
    let ready = || {
        let all = fs::read_dir(&sessions).into_iter().flatten().flatten();
        all.into_iter().any(|session| session.path().join("memory/ready").exists())
    };
    while !ready() && child.try_wait().expect("wait").is_none() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    fs::write(copy.path().join("kept"), "changed by the host\n").expect("a file");
    let output = child.wait_with_output().expect("the output");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["applied"], false);
    assert_eq!(json["conflicts"][0]["path"], "kept");
    assert_eq!(output.status.code(), Some(125));
    assert_eq!(copy.names(), ["gone", "kept"]);
    let kept = fs::read_to_string(copy.path().join("kept")).expect("a file");
    assert_eq!(kept, "changed by the host\n");
}

#[test]
fn a_review_asks_and_takes_only_a_yes() {
    needs_launch!();
    for (answer, changed) in [("n\r", false), ("\r", false), ("y\r", true)] {
        let copy = Copy::new();
        let mut terminal = Terminal::new(24, 200);
        let mut child = terminal.spawn(&mut copy.command(&["--review"], &format!("cat; {WORK}")));
        terminal.expect("new/file");
        terminal.expect("[y/N]");
        terminal.type_in(answer);
        assert_eq!(wait(&mut child).code(), Some(0), "{answer:?}");
        assert_eq!((copy.is_changed(), copy.is_untouched()), (changed, !changed), "{answer:?}");
        assert!(copy.is_clean());
    }
}

#[test]
fn what_cannot_be_meant_is_refused_before_anything_starts() {
    let copy = Copy::new();
    let cases: [(&[&str], &str); 3] = [
        (&["run", "--overlay", "--", "true"], "--workspace"),
        (&["run", "--apply", "--", "true"], "--overlay"),
        (&["run", "--overlay", "--review", "--workspace", "/tmp", "--", "true"], "--apply"),
    ];
    for (args, remedy) in cases {
        let outcome = run(sandbox(args).env("XDG_STATE_HOME", copy.state.path()));
        assert_eq!((outcome.code, outcome.text()), (Some(125), ""), "{args:?}");
        assert!(outcome.stderr.contains(remedy), "{args:?}: {}", outcome.stderr);
    }
}

#[test]
fn hidden_files_stay_hidden_in_the_copy() {
    needs_launch!();
    let copy = Copy::new();
    let secret = copy.path().join(".env");
    fs::write(&secret, "secret").expect("a file");
    let hidden = secret.to_str().expect("text");
    let script = "cat .env; cp .env copy; mv .env other; ls";
    let outcome = copy.run(&["--deny", hidden], script);
    assert_eq!(outcome.text(), "gone\nkept\n", "{}", outcome.stderr);
    assert_eq!(fs::read_to_string(&secret).expect("a file"), "secret");
}

#[test]
fn a_launcher_that_is_killed_leaves_what_the_next_one_takes_away() {
    needs_launch!();
    let copy = Copy::new();
    let mut child = copy.command(&[], "touch /mnt/memory/here; sleep 60").spawn().expect("a child");
    let sessions = copy.state.path().join("sandbox/sessions");
    let here = || {
        let all = fs::read_dir(&sessions).into_iter().flatten().flatten();
        all.into_iter().any(|session| session.path().join("memory/here").exists())
    };
    while !here() && child.try_wait().expect("wait").is_none() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    child.kill().expect("kill");
    child.wait().expect("wait");
    assert!(!copy.is_clean(), "nothing was left to take away");
    assert_eq!(copy.run(&[], "true").code, Some(0));
    assert!(copy.is_clean() && copy.is_untouched());
}

#[test]
fn no_sandbox_sees_what_sessions_are_made_of() {
    let copy = Copy::new();
    let root = copy.state.path().join("sandbox/sessions/one");
    fs::create_dir_all(&root).expect("a folder");
    fs::write(root.join("key"), "the key\n").expect("a file");
    fs::write(copy.state.path().join("seen"), "seen\n").expect("a file");
    let state = copy.state.path().to_str().expect("text");
    for backend in ["auto", "landlock"] {
        let script = format!("cat {state}/sandbox/sessions/one/key; cat {state}/seen");
        let mut all = vec!["run", "--backend", backend, "--enforcement", "best-effort"];
        all.extend(["--write", state, "--", "/bin/sh", "-c", &script]);
        let outcome = run(sandbox(all).env("XDG_STATE_HOME", state));
        assert_eq!(outcome.stdout, b"seen\n", "{backend}");
    }
}
