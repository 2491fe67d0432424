//! How a command ended is what `sandbox` exits with.
#![cfg(unix)]

mod support;

use std::os::unix::fs::PermissionsExt;

use support::{assert_refused, folder, run, sandbox, shell};

#[test]
fn the_commands_own_code() {
    needs_launch!();
    for code in [0, 1, 42, 124, 125, 255] {
        let outcome = run(&mut shell(&[], &format!("exit {code}")));
        assert_eq!(outcome.code, Some(code), "{}", outcome.stderr);
        assert!(outcome.stderr.is_empty(), "{}", outcome.stderr);
    }
}

#[test]
fn a_signal_is_128_and_its_number() {
    needs_launch!();
    for (signal, code) in [("TERM", 143), ("KILL", 137), ("SEGV", 139)] {
        let outcome = run(&mut shell(&[], &format!("kill -{signal} $$")));
        assert_eq!(outcome.code, Some(code), "{}", outcome.stderr);
    }
}

#[test]
fn the_wall_time_limit_is_124_and_named() {
    needs_launch!();
    let outcome = run(&mut shell(&["--wall", "300ms"], "echo begun; sleep 60; echo done"));
    assert_eq!(outcome.code, Some(124), "{}", outcome.stderr);
    assert_eq!(outcome.text(), "begun\n");
    assert_eq!(outcome.stderr, "sandbox: the wall-time limit of 300ms ended the command\n");
    assert!(outcome.elapsed.as_secs() < 20, "{:?}", outcome.elapsed);
}

#[test]
fn the_idle_limit_is_137_and_named() {
    needs_launch!();
    let outcome = run(&mut shell(&["--idle", "300ms"], "echo begun; sleep 60"));
    assert_eq!(outcome.code, Some(137), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("without output of 300ms"), "{}", outcome.stderr);
}

#[test]
fn a_command_that_is_nowhere_is_127() {
    assert_refused(&run(&mut sandbox(["run", "--", "nosuchcommand"])), 127, &["nosuchcommand"]);
    assert_refused(&run(&mut sandbox(["run", "--", "/nonexistent/x"])), 127, &["/nonexistent/x"]);
}

#[test]
fn a_command_that_the_policy_hides_is_126() {
    let folder = folder();
    let program = folder.path().join("tool");
    std::fs::copy("/bin/sh", &program).unwrap();
    let program = program.to_str().unwrap();
    assert_refused(&run(&mut sandbox(["run", "--", program])), 126, &[program, "add --read"]);
}

#[test]
fn a_command_that_cannot_be_executed_is_126() {
    needs_launch!();
    let folder = folder();
    let program = folder.path().join("text");
    std::fs::write(&program, "not a program\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o644)).unwrap();
    let path = folder.path().to_str().unwrap();
    let outcome = run(&mut sandbox(["run", "--read", path, "--", program.to_str().unwrap()]));
    assert_refused(&outcome, 126, &["text"]);
}

#[test]
fn output_past_its_limit_is_dropped_and_said() {
    needs_launch!();
    let outcome = run(&mut shell(&["--output", "1000"], "head -c 100000 /dev/zero"));
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(outcome.stdout.len(), 1000);
    assert!(outcome.stderr.contains("limit of 1000"), "{}", outcome.stderr);
}
