//! The story of `story.sh`: what a person or an agent does with sessions from begin to end, by
//! nothing but the command line.
#![cfg(target_os = "linux")]

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::job::{PATH, installed, on_each_backend, on_the_host};
use support::sessions::Sessions;
use support::{folder, run, skip};

/// In the binary, because tests run where their sources may not be.
const STORY: &str = include_str!("story.sh");

#[test]
fn a_session_tells_its_whole_story() {
    needs_launch!();
    needs_programs!("git");
    if installed("python3").is_none() {
        skip("no server is published: python3 is not installed");
    }
    // Only the namespace tier has copies.
    on_each_backend(|job| tell(if job.backend() == "landlock" { "plain" } else { "copied" }));
}

fn tell(name: &str) {
    let (sessions, place) = (Sessions::new(), folder());
    let repository = repository(place.path());
    symlink(support::binary(), place.path().join("sandbox")).expect("a link to the binary");
    let mut story = Command::new("/bin/sh");
    story.args(["-c", STORY, "story.sh", name]).arg(&repository);
    story.env("PATH", format!("{}:{PATH}", place.path().display()));
    story.env("XDG_STATE_HOME", sessions.state()).stdin(Stdio::null());
    let outcome = run(story.stdout(Stdio::piped()).stderr(Stdio::piped()));
    assert_eq!(outcome.code, Some(0), "{name}: {}", outcome.stderr);
    assert!(sessions.left().is_empty(), "{name}: {:?}", sessions.left());
}

/// A repository with one commit.
fn repository(place: &Path) -> PathBuf {
    let repository = fs::canonicalize(place).expect("a path").join("repository");
    fs::create_dir_all(repository.join("src")).expect("a folder");
    fs::write(repository.join("src/main.txt"), "one\n").expect("a file");
    let git = installed("git").expect("git");
    let folder = repository.to_str().expect("text");
    let author = ["-c", "user.name=A", "-c", "user.email=a@example.org"];
    for args in [&["init", "-q"][..], &["add", "."], &["commit", "-q", "-m", "first"]] {
        on_the_host(&git, &[&["-C", folder], &author[..], args].concat());
    }
    repository
}
