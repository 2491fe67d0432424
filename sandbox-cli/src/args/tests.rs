//! From options to policies and requests.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use sandbox_core::policy::SyscallProfile;
use sandbox_core::{EnforcementLevel, ExecRequest, NetworkPolicy, Policy, Rights};

use super::{Cli, Command};
use crate::failure::Failure;

/// What `sandbox run OPTIONS -- true` comes to.
fn resolve(options: &[&str]) -> Result<(Policy, ExecRequest), Failure> {
    let line = ["sandbox", "run"].iter().chain(options).chain(&["--", "true"]);
    let Command::Run(args) = Cli::try_parse_from(line).expect("options that clap knows").command
    else {
        panic!("not run")
    };
    args.options.resolve(&args.command)
}

fn policy(options: &[&str]) -> Policy {
    resolve(options).expect("a policy").0
}

fn refusal(options: &[&str]) -> String {
    let failure = resolve(options).expect_err("a refusal");
    assert_eq!(failure.exit_code(), 125);
    failure.to_string()
}

fn rights(policy: &Policy, path: &str) -> Rights {
    policy.filesystem().decide(Path::new(path)).map_or(Rights::empty(), |(_, grant)| grant.rights)
}

#[test]
fn the_definitions_are_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn without_options_nothing_can_be_changed_or_reached() {
    let policy = policy(&[]);
    assert_eq!(rights(&policy, "/usr/bin/env"), Rights::READ_ONLY);
    assert_eq!(rights(&policy, "/srv"), Rights::empty());
    assert!(policy.network().is_denied());
    assert_eq!(policy.enforcement(), EnforcementLevel::Required);
    assert_eq!(policy.workspace_path(), None);
}

#[test]
fn a_workspace_alone_means_the_preset() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let policy = policy(&["--workspace", path]);
    assert_eq!(rights(&policy, path), Rights::READ_WRITE);
    assert_eq!(policy.workspace_path().unwrap().as_path(), folder.path());
}

#[test]
fn rules_are_made_absolute_and_added() {
    let current = std::env::current_dir().unwrap();
    let policy = policy(&["--read", "a/../b", "--write", "/srv/w", "--deny", "/srv/w/./d/"]);
    assert_eq!(rights(&policy, current.join("b").to_str().unwrap()), Rights::READ_ONLY);
    assert_eq!(rights(&policy, "/srv/w/x"), Rights::READ_WRITE);
    assert_eq!(rights(&policy, "/srv/w/d/x"), Rights::empty());
}

#[test]
fn every_limit_has_its_option() {
    let policy = policy(&[
        "--wall",
        "1m30s",
        "--cpu-time",
        "10s",
        "--cpus",
        "1.5",
        "--memory",
        "512M",
        "--pids",
        "128",
        "--open-files",
        "64",
        "--file-size",
        "1K",
        "--disk",
        "96M",
        "--output",
        "64M",
        "--idle",
        "250ms",
    ]);
    let limits = policy.limits();
    assert_eq!(limits.wall_time.unwrap().duration(), Duration::from_secs(90));
    assert_eq!(limits.cpu_time.unwrap().duration(), Duration::from_secs(10));
    assert_eq!(limits.cpu_count, Some(1.5));
    assert_eq!(limits.memory.unwrap().bytes(), 512 << 20);
    assert_eq!((limits.processes, limits.open_files), (Some(128), Some(64)));
    assert_eq!(limits.file_size.unwrap().bytes(), 1024);
    assert_eq!(limits.disk.unwrap().bytes(), 96 << 20);
    assert_eq!(limits.output.unwrap().bytes(), 64 << 20);
    assert_eq!(limits.idle.unwrap().duration(), Duration::from_millis(250));
}

#[test]
fn words_stand_for_the_librarys_values() {
    let policy =
        policy(&["--net", "unrestricted", "--syscalls", "strict", "--enforcement", "best-effort"]);
    assert_eq!(policy.network(), &NetworkPolicy::Unrestricted);
    assert_eq!(policy.syscalls(), SyscallProfile::Strict);
    assert_eq!(policy.enforcement(), EnforcementLevel::BestEffort);
}

#[test]
fn variables_are_passed_by_the_policy_and_set_by_the_request() {
    let (policy, request) =
        resolve(&["--env", "PASSED", "--env", "SET=a=b", "--env", "EMPTY="]).unwrap();
    let passed: Vec<_> = policy.environment().passed().collect();
    assert!(passed.contains(&"PASSED") && !passed.contains(&"SET"));
    let value = |name: &str| request.variables().get(&OsString::from(name)).cloned();
    assert_eq!(value("SET"), Some("a=b".into()));
    assert_eq!(value("EMPTY"), Some("".into()));
    assert_eq!(value("PASSED"), None);
}

#[test]
fn the_current_directory_is_only_a_preference() {
    let (_, request) = resolve(&[]).unwrap();
    assert_eq!(request.working_directory(), None);
    assert_eq!(request.preferred_directory(), std::env::current_dir().ok().as_deref());
    let (_, request) = resolve(&["--cwd", "/usr"]).unwrap();
    assert_eq!(request.working_directory(), Some(Path::new("/usr")));
    let folder = tempfile::tempdir().unwrap();
    let (_, request) = resolve(&["--workspace", folder.path().to_str().unwrap()]).unwrap();
    assert_eq!((request.working_directory(), request.preferred_directory()), (None, None));
}

#[test]
fn options_replace_and_add_to_a_policy_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.toml");
    let text = "[filesystem]\nread_only = [\"/srv/a\"]\n[limits]\nprocesses = 5\nopen_files = 9\n";
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let loaded = policy(&["--policy", file, "--pids", "7", "--write", "/srv/b"]);
    assert_eq!((loaded.limits().processes, loaded.limits().open_files), (Some(7), Some(9)));
    assert_eq!(rights(&loaded, "/srv/a"), Rights::READ_ONLY);
    assert_eq!(rights(&loaded, "/srv/b"), Rights::READ_WRITE);
    let message = refusal(&["--policy", file, "--write", "/srv/a"]);
    assert!(message.contains("--write /srv/a has no effect"), "{message}");
    let path = folder.path().to_str().unwrap();
    let loaded = policy(&["--policy", file, "--workspace", path]);
    assert_eq!(loaded.workspace_path().unwrap().as_path(), folder.path());
}

#[test]
fn what_contradicts_itself_is_refused_by_name() {
    for (options, says) in [
        (&["--policy", "p", "--preset", "read-only"][..], "--policy and --preset"),
        (&["--preset", "developer"], "--preset developer needs a folder"),
        (&["--preset", "read-only", "--workspace", "/usr"], "--workspace and --preset read-only"),
        (&["--read", "/a", "--deny", "/a/"], "--read and --deny both name /a"),
        (&["--workspace", "/usr", "--read", "/usr"], "--workspace and --read both name /usr"),
        (&["--read", "/etc/shadow"], "--read /etc/shadow has no effect"),
    ] {
        let message = refusal(options);
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn one_path_twice_in_one_option_is_no_contradiction() {
    let policy = policy(&["--read", "/srv/a", "--read", "/srv/a/", "--deny", "/srv/a/b"]);
    assert_eq!(rights(&policy, "/srv/a"), Rights::READ_ONLY);
}

#[test]
fn hosts_are_listed_and_added_to_the_policys() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.toml");
    let with = |network: &str, options: &[&str]| {
        std::fs::write(&file, format!("preset = \"read_only\"\n{network}")).unwrap();
        resolve(&[&["--policy", file.to_str().unwrap()], options].concat())
    };
    let listed = |found: Result<(Policy, ExecRequest), Failure>| match found.unwrap().0.network() {
        NetworkPolicy::Limited { allowed_hosts, .. } => {
            allowed_hosts.iter().map(ToString::to_string).collect::<Vec<_>>()
        }
        NetworkPolicy::Unrestricted => vec!["everything".into()],
    };
    let limited = "[network]\nmode = \"limited\"\nallowed_hosts = [\"a.org\"]";
    let open = "[network]\nmode = \"unrestricted\"";
    let more = ["--allow-host", "b.org:*", "--allow-host", "A.org"];
    assert_eq!(listed(resolve(&more)), ["b.org:*", "a.org"]);
    assert_eq!(listed(with("", &more)), ["b.org:*", "a.org"]);
    assert_eq!(listed(with(limited, &more)), ["a.org", "b.org:*"]);
    assert_eq!(listed(with(limited, &["--net", "limited"])), ["a.org"]);
    assert_eq!(listed(with(limited, &["--net", "none"])), [""; 0]);
    assert_eq!(listed(with(limited, &["--net", "open"])), ["everything"]);
    let narrowed = ["--net", "limited", "--allow-host", "b.org"];
    assert_eq!(listed(with(open, &narrowed)), ["b.org"]);
    let refused = with(open, &more).expect_err("a refusal").to_string();
    assert!(refused.contains("has the whole network"), "{refused}");
    let refused = with(open, &["--net", "limited"]).expect_err("a refusal").to_string();
    assert!(refused.contains("lists no host"), "{refused}");
}
