//! What the caller says reaches the command verbatim: arguments, variables, directory.
#![cfg(unix)]

mod support;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use support::{folder, run, sandbox, shell};

#[test]
fn arguments_are_never_interpreted() {
    needs_launch!();
    let odd = ["--json", "-t", "", "a b", "$HOME", "*", "a\nb", "--", "-", "'\"\\"];
    let args = ["run", "--", "printf", "<%s>"].into_iter().chain(odd);
    let expected: String = odd.iter().map(|argument| format!("<{argument}>")).collect();
    let outcome = run(&mut sandbox(args));
    assert_eq!(outcome.text(), expected, "{}", outcome.stderr);
}

#[test]
fn the_separator_may_be_left_out() {
    needs_launch!();
    let outcome = run(&mut sandbox(["run", "printf", "<%s>", "--json", "--", "x"]));
    assert_eq!(outcome.text(), "<--json><--><x>", "{}", outcome.stderr);
}

#[test]
fn arguments_need_not_be_text() {
    needs_launch!();
    let name = OsStr::from_bytes(b"\xff\xfe\x01");
    let outcome = run(sandbox(["run", "--", "printf", "%s"]).arg(name));
    assert_eq!(outcome.stdout, b"\xff\xfe\x01", "{}", outcome.stderr);
}

#[test]
fn many_arguments_all_arrive() {
    needs_launch!();
    // Together 1.5 MB, more than half of what a process can be started with.
    let long = "x".repeat(100_000);
    let args = ["run", "--", "sh", "-c", "echo $# ${#15}", "sh"].iter().copied();
    let outcome = run(&mut sandbox(args.chain(std::iter::repeat_n(long.as_str(), 15))));
    assert_eq!((outcome.code, outcome.text()), (Some(0), "15 100000\n"), "{}", outcome.stderr);
}

#[test]
fn only_named_variables_arrive() {
    needs_launch!();
    let mut command = shell(
        &["--env", "PASSED", "--env", "SET=a=b\nc", "--env", "GROUP_*", "--env", "MISSING"],
        "env",
    );
    command.env("PASSED", "yes\nno").env("SECRET", "s").env("GROUP_A", "1");
    command.env("GROUP_TOKEN", "s");
    let outcome = run(&mut command);
    let text = outcome.text();
    assert!(text.contains("PASSED=yes\nno\n"), "{text}");
    assert!(text.contains("SET=a=b\nc\n"), "{text}");
    assert!(text.contains("GROUP_A=1\n"), "{text}");
    for name in ["SECRET", "GROUP_TOKEN", "MISSING"] {
        assert!(!text.contains(name), "{text}");
    }
}

#[test]
fn variables_need_not_be_text() {
    needs_launch!();
    let value = OsStr::from_bytes(b"ODD=\xff");
    let outcome =
        run(sandbox(["run", "--env"]).arg(value).args(["--", "sh", "-c", "printf %s \"$ODD\""]));
    assert_eq!(outcome.stdout, b"\xff", "{}", outcome.stderr);
}

#[test]
fn the_directory_is_the_workspace_or_the_current_one_or_the_root() {
    needs_launch!();
    let folder = folder();
    let path = folder.path().canonicalize().unwrap();
    let path = path.to_str().unwrap();
    let pwd = |options: &[&str], at: &str| {
        let args = ["run"].iter().chain(options).chain(&["--", "pwd"]).copied();
        let outcome = run(sandbox(args).current_dir(at));
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        outcome.text().trim_end().to_owned()
    };
    assert_eq!(pwd(&["--workspace", path], "/"), path);
    assert_eq!(pwd(&["--workspace", "."], path), path);
    assert_eq!(pwd(&[], "/usr/bin"), "/usr/bin");
    assert_eq!(pwd(&[], path), "/", "a directory that the sandbox does not show");
    assert_eq!(pwd(&["--read", "."], path), path);
    assert_eq!(pwd(&["--workspace", path, "--cwd", "/usr"], "/"), "/usr");
}

#[test]
fn a_deleted_current_directory_is_no_trouble_for_absolute_paths() {
    needs_launch!();
    let folder = folder();
    let gone = folder.path().join("gone");
    std::fs::create_dir(&gone).unwrap();
    let mut command = std::process::Command::new("/bin/sh");
    command.args(["-c", "rmdir ../gone && exec \"$@\"", "sh"]).arg(support::binary());
    command.args(["run", "--read", "/etc", "--", "pwd"]).current_dir(&gone);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let outcome = run(&mut command);
    assert_eq!((outcome.code, outcome.text()), (Some(0), "/\n"), "{}", outcome.stderr);
}

#[test]
fn rules_apply_to_odd_names() {
    needs_launch!();
    let folder = folder();
    let odd = folder.path().join(OsStr::from_bytes(b"a:b,c=\n\xff"));
    std::fs::create_dir(&odd).unwrap();
    std::fs::write(odd.join("file"), "seen").unwrap();
    let outcome =
        run(sandbox(["run", "--read"]).arg(&odd).args(["--", "cat"]).arg(odd.join("file")));
    assert_eq!((outcome.code, outcome.text()), (Some(0), "seen"), "{}", outcome.stderr);
}

#[test]
fn a_policy_file_and_options_on_top_of_it() {
    needs_launch!();
    let folder = folder();
    let file = folder.path().join("p.toml");
    let text = "[environment]\nset = { FROM = \"file\" }\n[limits]\nwall_time = \"200ms\"\n";
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let outcome = run(&mut shell(&["--policy", file], "echo $FROM; sleep 60"));
    assert_eq!((outcome.code, outcome.text()), (Some(124), "file\n"), "{}", outcome.stderr);
    let longer = ["--policy", file, "--wall", "20s", "--env", "FROM=option"];
    let outcome = run(&mut shell(&longer, "echo $FROM; sleep 0.4"));
    assert_eq!((outcome.code, outcome.text()), (Some(0), "option\n"), "{}", outcome.stderr);
}
