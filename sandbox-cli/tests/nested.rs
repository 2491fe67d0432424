//! A sandbox in a sandbox: the outer filter knows neither `clone3` nor `openat2` nor namespaces, as
//! the filters of container engines do not, and the Landlock tier works all the same.
#![cfg(target_os = "linux")]

mod support;

use support::{binary, run, sandbox};

#[test]
fn the_landlock_tier_works_inside() {
    needs_launch!();
    let own = binary().canonicalize().expect("the binary's path");
    let own = own.to_str().expect("a path in UTF-8");
    let outer = ["run", "--read", own, "--", own];
    let inner = ["run", "--backend", "landlock", "--", "sh", "-c", "echo inside; cat /etc/passwd"];
    let outcome = run(&mut sandbox(outer.into_iter().chain(inner)));
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.text().starts_with("inside\n"), "{}", outcome.text());
}

#[test]
fn namespaces_are_refused_inside_and_best_effort_says_what_is_lost() {
    needs_launch!();
    let own = binary().canonicalize().expect("the binary's path");
    let own = own.to_str().expect("a path in UTF-8");
    let outer = ["run", "--read", own, "--", own, "run"];
    let inner = ["--backend", "namespaces", "--", "true"];
    let outcome = run(&mut sandbox(outer.into_iter().chain(inner)));
    assert_eq!(outcome.code, Some(125), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("namespaces are refused"), "{}", outcome.stderr);
    let inner = ["--enforcement", "best-effort", "--json", "--", "true"];
    let outcome = run(&mut sandbox(outer.into_iter().chain(inner)));
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(outcome.json()["report"]["tier"], "landlock");
}
