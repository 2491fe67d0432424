//! Programs that know of no proxy reach what is listed and are told at once what is not.
//!
//! Each is given the same addresses and prints a line for each. What a word means: `name`, there is
//! no such name; `access`, permission denied; `refused`; `reset`. A time that ran out is another
//! word, which nobody expects.

use std::fs;
use std::process::Command;

use super::harness::Tested;
use super::world::{Means, World};
use crate::support::job::{PATH, installed};

/// What is reached by them.
pub(crate) const RULES: &[&str] =
    &["web.test", "*.wild.test", "six.test", "four.test:8080", "ssh.test:22", "*.rebind.test:80"];

/// Pages, and what a program gets.
const PAGES: &[(&str, &str)] = &[
    ("http://web.test/", "ok web.test /"),
    ("http://WEB.Test./", "ok web.test. /"),
    ("http://a.b.wild.test/", "ok a.b.wild.test /"),
    ("http://tcp.wild.test/", "ok tcp.wild.test /"),
    ("http://six.test/", "ok six.test /"),
    ("http://four.test:8080/", "ok four.test:8080 /"),
    ("http://unlisted.test/", "name"),
    ("http://exfil-one.unlisted.test/", "name"),
    ("http://exfil-two.web.test/", "name"),
    ("http://wild.test/", "name"),
    ("http://1.2.3.4/", "access"),
    ("http://169.254.169.254/", "access"),
    ("http://[2a00:bad::1]/", "access"),
    ("http://web.test:81/", "refused"),
    ("http://web.test:8080/", "reset"),
    ("http://private.rebind.test/", "reset"),
];

/// The same with TLS.
const SECURE_PAGES: &[(&str, &str)] = &[
    ("https://web.test/", "ok web.test /"),
    ("https://a.b.wild.test/", "ok a.b.wild.test /"),
    ("https://exfil-three.unlisted.test/", "name"),
    ("https://web.test:8443/", "refused"),
];

/// Whether a program is there.
pub(crate) fn needs(program: &str) -> Tested {
    match installed(program) {
        Some(_) => Ok(()),
        None => Err(format!("{program} is in none of {PATH}")),
    }
}

/// Has a program ask for pages; each line has to be the one that is expected.
#[track_caller]
fn try_pages(world: &World, means: Means, words: &[&str], pages: &[(&str, &str)]) {
    let is_possible =
        |(url, _): &&(&str, &str)| world.has_v6 || !(url.contains('[') || url.contains("six.test"));
    let (urls, expected): (Vec<_>, Vec<_>) = pages.iter().filter(is_possible).copied().unzip();
    let outcome = world.run(means, RULES, &[words, &urls].concat());
    let lines: Vec<&str> = outcome.text().lines().collect();
    assert_eq!(lines.len(), urls.len(), "{lines:?} {}", outcome.stderr);
    let told = urls.iter().zip(&lines).zip(&expected);
    let wrong: Vec<_> = told.filter(|((_, told), expected)| told != expected).collect();
    assert!(wrong.is_empty(), "((page, what came), what was expected): {wrong:#?}");
}

fn both() -> Vec<(&'static str, &'static str)> {
    [PAGES, SECURE_PAGES].concat()
}

/// A client's source, in the folder that sandboxes can read; its path.
fn source(world: &World, name: &str, text: &str) -> String {
    let path = world.path(name);
    // Another test may be reading the same.
    if !path.exists() {
        fs::write(&path, text).expect("a client's source");
    }
    path.to_str().expect("a path in UTF-8").into()
}

fn authority(world: &World, variable: &str) -> String {
    format!("{variable}={}", world.path("ca.pem").display())
}

pub(crate) fn curl(world: &World, means: Means) -> Tested {
    needs("curl")?;
    let script = include_str!("clients/client.sh");
    let trust = authority(world, "CURL_CA_BUNDLE");
    try_pages(world, means, &["env", &trust, "sh", "-c", script, "sh"], &both());
    Ok(())
}

pub(crate) fn python(world: &World, means: Means) -> Tested {
    needs("python3")?;
    let trust = authority(world, "SSL_CERT_FILE");
    let client = source(world, "client.py", include_str!("clients/client.py"));
    try_pages(world, means, &["env", &trust, "python3", &client], &both());
    Ok(())
}

pub(crate) fn node(world: &World, means: Means) -> Tested {
    needs("node")?;
    let trust = authority(world, "NODE_EXTRA_CA_CERTS");
    let client = source(world, "client.mjs", include_str!("clients/client.mjs"));
    let bare = [
        ("tcp://ssh.test:22", "ok SSH-2.0-Internet_1.0"),
        ("tcp://unlisted.test:22", "name"),
        ("tcp://web.test:22", "reset"),
        ("tcp://web.test:23", "refused"),
    ];
    let pages = [&both()[..], &bare].concat();
    try_pages(world, means, &["env", &trust, "node", &client], &pages);
    Ok(())
}

pub(crate) fn java(world: &World, means: Means) -> Tested {
    needs("java")?;
    let client = source(world, "Client.java", include_str!("clients/Client.java"));
    let authority = world.path("ca.pem");
    let authority = authority.to_str().expect("a path in UTF-8");
    let newer = [
        ("new:http://web.test/", "ok web.test /"),
        ("new:https://web.test/", "ok web.test /"),
        ("new:http://exfil-four.unlisted.test/", "name"),
    ];
    let pages = [&both()[..], &newer].concat();
    // The compiler to one thread and no second round: this program is short.
    let words = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", &client, authority];
    try_pages(world, means, &words, &pages);
    Ok(())
}

pub(crate) fn static_c(world: &World, means: Means) -> Tested {
    needs("gcc")?;
    let client = source(world, "client.c", include_str!("clients/client.c"));
    let program = world.path(&format!("client-{}", means.word()));
    let mut gcc = Command::new("gcc");
    let built = gcc.args(["-static", "-w", "-o"]).arg(&program).arg(&client).output();
    let built = built.expect("gcc starts");
    if !built.status.success() {
        return Err(String::from_utf8_lossy(&built.stderr).into_owned());
    }
    try_pages(world, means, &[program.to_str().expect("a path in UTF-8")], PAGES);
    Ok(())
}
