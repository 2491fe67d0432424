//! The subcommands that start nothing: doctor, policy, completions, man.
#![cfg(unix)]

mod support;

use std::fs;
use std::process::Command;

use serde_json::Value;
use support::{assert_refused, folder, run, sandbox};

#[test]
fn doctor_says_the_same_to_people_and_programs() {
    let text = run(&mut sandbox(["doctor"]));
    let json = run(&mut sandbox(["doctor", "--json"]));
    assert_eq!(text.code, json.code);
    let answer = json.json();
    assert_eq!(answer["usable"], Value::Bool(text.code == Some(0)));
    for check in answer["checks"].as_array().unwrap() {
        assert!(text.text().contains(check["name"].as_str().unwrap()));
    }
    for (feature, _) in answer["features"].as_object().unwrap() {
        assert!(text.text().contains(feature), "{feature}");
    }
    assert!(!text.text().contains('\u{1b}'), "colours only on a terminal");
}

#[test]
fn init_writes_what_check_accepts() {
    let folder = folder();
    for preset in ["read-only", "workspace", "developer"] {
        let written = run(sandbox(["policy", "init", "--preset", preset]).current_dir(&folder));
        assert_eq!(written.code, Some(0));
        let file = folder.path().join("p.toml");
        std::fs::write(&file, &written.stdout).unwrap();
        let checked = run(sandbox(["policy", "check"]).arg(&file));
        assert_eq!(checked.code, Some(0), "{}", checked.stderr);
        assert!(checked.text().contains("is valid"));
        let checked = run(sandbox(["policy", "check", "--json"]).arg(&file));
        assert_eq!(checked.json()["enforcement"], "required");
    }
}

#[test]
fn check_refuses_what_run_would_refuse() {
    let folder = folder();
    let file = folder.path().join("p.json");
    std::fs::write(&file, r#"{"filesystem": {"read_only": ["relative"]}}"#).unwrap();
    let outcome = run(sandbox(["policy", "check"]).arg(&file));
    assert_refused(&outcome, 125, &["p.json:1:", "relative"]);
    let outcome = run(sandbox(["policy", "check", "--json"]).arg(&file));
    assert_eq!(outcome.json()["error"]["kind"], "policy");
}

#[test]
fn explain_starts_nothing_and_says_everything() {
    let folder = folder();
    let mark = folder.path().join("mark");
    let path = folder.path().to_str().unwrap();
    let args = ["policy", "explain", "--workspace", path, "--env", "TOLD=secret-value", "--json"];
    let command = ["--", "touch", mark.to_str().unwrap()];
    let outcome = run(&mut sandbox(args.into_iter().chain(command)));
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(!mark.exists());
    let answer = outcome.json();
    assert_eq!(answer["arguments"][0], "touch");
    let places = answer["places"].as_array().unwrap();
    assert!(places.iter().any(|place| place["rights"] == "read_write"), "{answer}");
    let names = answer["environment"].as_array().unwrap();
    assert!(names.contains(&Value::from("TOLD")));
    assert!(!outcome.text().contains("secret-value"));
    let text = run(&mut sandbox(args[..6].iter().copied().chain(command)));
    assert!(text.text().contains("read_write"), "{}", text.text());
}

#[test]
fn explain_refuses_what_run_would_refuse() {
    let outcome = run(&mut sandbox(["policy", "explain", "--", "nosuchcommand"]));
    assert_refused(&outcome, 127, &["nosuchcommand"]);
}

#[test]
fn the_schema_is_a_schema() {
    let schema = run(&mut sandbox(["policy", "schema"])).json();
    assert!(schema["properties"]["limits"].is_object());
}

#[test]
fn completions_name_the_options() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let outcome = run(&mut sandbox(["completions", shell]));
        assert_eq!(outcome.code, Some(0));
        assert!(outcome.text().contains("workspace"), "{shell}");
    }
}

#[test]
fn the_manual_is_printed_or_written() {
    let outcome = run(&mut sandbox(["man"]));
    assert!(outcome.text().contains(".TH sandbox"));
    let folder = folder();
    let pages = folder.path().join("new/man1");
    assert_eq!(run(sandbox(["man"]).arg(&pages)).code, Some(0));
    assert!(pages.join("sandbox-run.1").exists());
}

#[test]
fn a_page_that_nobody_reads_is_no_error() {
    let mut child = sandbox(["completions", "bash"]).spawn().unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut stderr).unwrap();
    support::wait(&mut child);
    assert_eq!(stderr, "");
}

/// Scripts and pages are made from the same definitions.
#[test]
fn shells_and_pages_know_the_options_of_the_network() {
    let says = |command: &mut Command, words: &[&str]| {
        let outcome = run(command);
        for word in words {
            assert!(outcome.text().replace('\\', "").contains(word), "{word}: {}", outcome.text());
        }
    };
    let options = ["allow-host", "net-log", "net-level", "limited", "credential"];
    says(&mut sandbox(["completions", "bash"]), &options);
    says(&mut sandbox(["completions", "zsh"]), &options);
    says(&mut sandbox(["run", "--help"]), &options);
    says(&mut sandbox(["session", "network", "--help"]), &["--allow", "--deny", "--set", "--log"]);
    let folder = folder();
    assert_eq!(run(sandbox(["man"]).arg(folder.path())).code, Some(0));
    let page = fs::read_to_string(folder.path().join("sandbox-run.1")).expect("the page");
    assert!(options.iter().all(|word| page.replace('\\', "").contains(word)), "{page}");
}
