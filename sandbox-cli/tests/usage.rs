//! Options that cannot be meant: one clear error, exit code 125, nothing started.
#![cfg(unix)]

mod support;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use support::{assert_refused, folder, run, sandbox};

fn refused(args: &[&str], says: &[&str]) {
    assert_refused(&run(&mut sandbox(args)), 125, says);
}

#[test]
fn no_command() {
    refused(&["run"], &["Usage: sandbox run"]);
    refused(&["run", "--"], &["Usage: sandbox run"]);
    refused(&[], &[]);
}

#[test]
fn an_empty_command() {
    refused(&["run", "--", ""], &["the command is empty"]);
}

#[test]
fn an_unknown_option_names_it() {
    refused(&["run", "--nonsense", "--", "true"], &["--nonsense"]);
}

#[test]
fn amounts_without_a_unit_or_sense() {
    refused(&["run", "--wall", "30", "--", "true"], &["--wall", "1m30s"]);
    refused(&["run", "--memory", "many", "--", "true"], &["--memory", "512M"]);
    refused(&["run", "--wall", "0s", "--", "true"], &["wall_time"]);
    refused(&["run", "--pids", "0", "--", "true"], &["processes"]);
    refused(&["run", "--cpus", "NaN", "--", "true"], &["cpu_count"]);
}

#[test]
fn a_policy_and_a_preset() {
    refused(
        &["run", "--policy", "p.toml", "--preset", "read-only", "--", "true"],
        &["--policy and --preset", "help:"],
    );
}

#[test]
fn a_preset_that_needs_a_folder_or_cannot_use_one() {
    refused(&["run", "--preset", "workspace", "--", "true"], &["--workspace"]);
    refused(&["run", "--preset", "developer", "--", "true"], &["--workspace"]);
    refused(
        &["run", "--preset", "read-only", "--workspace", "/tmp", "--", "true"],
        &["--workspace and --preset read-only"],
    );
}

#[test]
fn one_path_in_two_options() {
    for (first, second) in [("--read", "--write"), ("--read", "--deny"), ("--write", "--deny")] {
        // The same folder, spelled in two ways.
        let args = ["run", first, "/usr/../etc", second, "/etc/", "--", "true"];
        refused(&args, &[first, second, "/etc"]);
    }
}

#[test]
fn a_workspace_that_another_option_contradicts() {
    let folder = folder();
    let path = folder.path().to_str().unwrap();
    refused(
        &["run", "--workspace", path, "--deny", path, "--", "true"],
        &["--workspace", "--deny"],
    );
}

#[test]
fn a_rule_that_the_policy_outvotes() {
    refused(&["run", "--read", "/etc/shadow", "--", "true"], &["--read", "/etc/shadow", "hidden"]);
}

#[test]
fn a_workspace_that_is_missing_or_no_folder() {
    refused(&["run", "--workspace", "/nonexistent/x", "--", "true"], &["/nonexistent/x"]);
    refused(&["run", "--workspace", "/etc/passwd", "--", "true"], &["/etc/passwd", "no folder"]);
    refused(&["run", "--workspace", "", "--", "true"], &["--workspace"]);
}

#[test]
fn a_rule_for_a_path_that_is_missing() {
    refused(&["run", "--read", "/nonexistent/x", "--", "true"], &["/nonexistent/x"]);
}

#[test]
fn a_policy_file_that_cannot_be_read() {
    refused(&["run", "--policy", "/nonexistent.toml", "--", "true"], &["/nonexistent.toml"]);
    refused(&["run", "--policy", "/etc", "--", "true"], &["/etc", "cannot be read"]);
    if rustix::process::geteuid().is_root() {
        // Root reads every file; the rest is for everybody else.
        return;
    }
    let folder = folder();
    let file = folder.path().join("closed.toml");
    std::fs::write(&file, "").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o000)).unwrap();
    refused(&["run", "--policy", file.to_str().unwrap(), "--", "true"], &["cannot be read"]);
}

#[test]
fn a_policy_file_with_a_mistake_is_located() {
    let folder = folder();
    let file = folder.path().join("p.toml");
    std::fs::write(&file, "preset = \"read_only\"\n[limits]\nwall_tim = \"3s\"\n").unwrap();
    let file = file.to_str().unwrap();
    for args in [&["run", "--policy", file, "--", "true"][..], &["policy", "check", file]] {
        refused(args, &["p.toml:3:", "wall_tim"]);
    }
}

#[test]
fn a_name_is_never_printed_raw() {
    let outcome = run(&mut sandbox(["run", "--wall", "\u{1b}[31m\r", "--", "true"]));
    assert_refused(&outcome, 125, &["--wall"]);
    let outcome2 = run(&mut sandbox(["run", "--", "no\u{1b}[31msuch\r"]));
    assert_refused(&outcome2, 127, &["no such command"]);
    for text in [outcome.stderr, outcome2.stderr] {
        assert!(!text.contains(['\u{1b}', '\r']), "{text:?}");
    }
}

#[test]
fn a_name_that_is_not_utf_8_is_shown_escaped() {
    let name = OsStr::from_bytes(b"no\xffsuch");
    let outcome = run(sandbox(["run", "--"]).arg(name));
    assert_refused(&outcome, 127, &["no\\xFFsuch"]);
    let outcome = run(sandbox(["run", "--read"]).arg(name).args(["--", "true"]));
    assert_refused(&outcome, 125, &["no\\xFFsuch"]);
}

#[test]
fn a_current_directory_that_was_deleted() {
    let folder = folder();
    let gone = folder.path().join("gone");
    std::fs::create_dir(&gone).unwrap();
    let script = "rmdir ../gone && exec \"$@\"";
    let relative = |args: &[&str]| {
        let mut command = std::process::Command::new("/bin/sh");
        command.args(["-c", script, "sh"]).arg(support::binary()).args(args).current_dir(&gone);
        command.stdin(std::process::Stdio::null());
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        run(&mut command)
    };
    let outcome = relative(&["run", "--read", "x", "--", "true"]);
    assert_refused(&outcome, 125, &["current directory", "absolute"]);
}

#[test]
fn variables_that_no_environment_can_hold() {
    refused(&["run", "--env", "", "--", "true"], &["variable"]);
    refused(&["run", "--env", "=x", "--", "true"], &["variable"]);
    refused(&["run", "--env", "*", "--", "true"], &["*"]);
}

#[test]
fn a_working_directory_that_is_not_visible() {
    let folder = folder();
    refused(&["run", "--cwd", folder.path().to_str().unwrap(), "--", "true"], &["not visible"]);
    refused(&["run", "--cwd", "/etc/passwd", "--", "true"], &["no directory"]);
}

#[test]
fn help_and_version_succeed() {
    for args in [&["--help"][..], &["run", "--help"], &["policy", "--help"], &["--version"]] {
        let outcome = run(&mut sandbox(args));
        assert_eq!(outcome.code, Some(0));
        assert!(!outcome.stdout.is_empty() && outcome.stderr.is_empty(), "{}", outcome.stderr);
    }
}

#[test]
fn failures_are_json_where_json_was_asked_for() {
    for (args, code, kind) in [
        (&["run", "--json"][..], 125, "usage"),
        (&["run", "--json", "--policy", "x", "--preset", "developer", "--", "true"], 125, "usage"),
        (&["run", "--json", "--", "nosuchcommand"], 127, "command_not_found"),
        (&["run", "--json", "--", "/etc/shadow"], 126, "command_hidden"),
        (&["run", "--json", "--read", "/nonexistent", "--", "true"], 125, "missing_path"),
        (&["run", "--json", "--workspace", "/nonexistent", "--", "true"], 125, "policy"),
    ] {
        let outcome = run(&mut sandbox(args));
        assert_eq!(outcome.code, Some(code), "{args:?}");
        let answer = outcome.json();
        assert_eq!(answer["error"]["kind"], kind, "{answer}");
        assert!(answer["error"]["message"].as_str().is_some_and(|text| !text.is_empty()));
        assert!(outcome.stderr.is_empty(), "{}", outcome.stderr);
        assert_eq!(outcome.text().lines().count(), 1);
    }
}
