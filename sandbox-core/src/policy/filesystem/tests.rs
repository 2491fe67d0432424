use std::path::Path;

use proptest::prelude::*;

use super::*;

fn path(text: &str) -> SandboxPath {
    SandboxPath::new(text).unwrap()
}

fn decide(policy: &FilesystemPolicy, text: &str) -> Option<(String, Rights)> {
    let decided = policy.decide(Path::new(text));
    decided.map(|(rule, grant)| (rule.as_path().display().to_string(), grant.rights))
}

#[test]
fn the_most_specific_rule_decides() {
    let mut policy = FilesystemPolicy::default();
    policy.add(path("/a"), Rights::READ_ONLY);
    policy.add(path("/a/b"), Rights::READ_WRITE);
    policy.add(path("/a/b/c"), Rights::empty());
    policy.add(path("/a/b/c/d"), Rights::READ_ONLY);
    assert_eq!(decide(&policy, "/a/x"), Some(("/a".into(), Rights::READ_ONLY)));
    assert_eq!(decide(&policy, "/a/b"), Some(("/a/b".into(), Rights::READ_WRITE)));
    assert_eq!(decide(&policy, "/a/b/x/y"), Some(("/a/b".into(), Rights::READ_WRITE)));
    assert_eq!(decide(&policy, "/a/b/c/x"), Some(("/a/b/c".into(), Rights::empty())));
    assert_eq!(decide(&policy, "/a/b/c/d/e"), Some(("/a/b/c/d".into(), Rights::READ_ONLY)));
    assert_eq!(decide(&policy, "/ab"), None);
    assert_eq!(decide(&policy, "/"), None);
}

#[test]
fn of_two_rules_for_one_path_both_must_grant() {
    for (first, second, both) in [
        (Rights::READ_WRITE, Rights::READ_ONLY, Rights::READ_ONLY),
        (Rights::READ_ONLY, Rights::READ_WRITE, Rights::READ_ONLY),
        (Rights::READ_WRITE, Rights::empty(), Rights::empty()),
        (Rights::empty(), Rights::READ_WRITE, Rights::empty()),
        (Rights::READ | Rights::LIST, Rights::LIST | Rights::WRITE, Rights::LIST),
    ] {
        let mut policy = FilesystemPolicy::default();
        policy.add(path("/a"), first);
        policy.add(path("/a"), second);
        assert_eq!(policy.decide(Path::new("/a")).unwrap().1.rights, both);
    }
}

/// A preset knows nothing of what its user wants with a folder; but what it hides stays hidden.
#[test]
fn a_presets_grant_gives_way_and_its_hiding_does_not() {
    for swapped in [false, true] {
        let mut policy = FilesystemPolicy::default();
        let add = |policy: &mut FilesystemPolicy, preset: bool| match preset {
            true => {
                policy.add_optional(path("/cache"), Rights::READ_ONLY);
                policy.add_optional(path("/keys"), Rights::empty());
            }
            false => {
                policy.add(path("/cache"), Rights::READ_WRITE);
                policy.add(path("/keys"), Rights::READ_WRITE);
            }
        };
        add(&mut policy, swapped);
        add(&mut policy, !swapped);
        let cache = policy.decide(Path::new("/cache")).unwrap().1;
        assert_eq!(cache, Grant { rights: Rights::READ_WRITE, optional: false });
        assert!(policy.decide(Path::new("/keys")).unwrap().1.rights.is_empty());
    }
}

#[test]
fn hidden_paths_may_be_missing_and_granted_ones_not() {
    let mut policy = FilesystemPolicy::default();
    policy.add(path("/a"), Rights::empty());
    policy.add(path("/b"), Rights::READ_ONLY);
    policy.add_optional(path("/c"), Rights::READ_ONLY);
    let optional: Vec<bool> = policy.rules().map(|(_, grant)| grant.optional).collect();
    assert_eq!(optional, [true, false, true]);
}

#[test]
fn a_private_directory_that_was_asked_for_stays_asked_for() {
    let mut policy = FilesystemPolicy::default();
    policy.add_private(path("/tmp"));
    policy.add_private_unless_covered(path("/tmp"));
    assert_eq!(policy.private_places().next().unwrap().1, Private::Always);
}

#[test]
fn rules_inside_of_what_the_kernel_shows_are_refused() {
    for text in ["/proc", "/proc/1/root", "/sys/fs/cgroup", "/dev", "/dev/kvm"] {
        let mut policy = FilesystemPolicy::default();
        policy.add(path(text), Rights::READ_ONLY);
        assert!(matches!(policy.check(), Err(FilesystemError::KernelInterface { .. })), "{text}");
        let mut policy = FilesystemPolicy::default();
        policy.add_private(path(text));
        assert!(policy.check().is_err(), "{text}");
    }
    let mut policy = FilesystemPolicy::default();
    for text in ["/", "/process", "/system", "/devices", "/srv/proc"] {
        policy.add(path(text), Rights::READ_ONLY);
    }
    assert!(policy.check().is_ok());
}

#[test]
fn rights_have_names() {
    assert_eq!(Rights::empty().name(), "hidden");
    assert_eq!(Rights::READ_ONLY.name(), "read_only");
    assert_eq!(Rights::READ_WRITE.name(), "read_write");
    assert_eq!((Rights::READ | Rights::DELETE).name(), "read+delete");
}

proptest! {
    /// The rule that decides is an ancestor, and no other rule lies between.
    #[test]
    fn no_rule_is_passed_over(rules in prop::collection::btree_set("(/[ab]){1,4}", 0..6), asked in "(/[ab]){1,5}") {
        let mut policy = FilesystemPolicy::default();
        for rule in &rules {
            policy.add(path(rule), Rights::READ_ONLY);
        }
        let best = rules.iter().filter(|rule| Path::new(&asked).starts_with(rule)).max_by_key(|r| r.len());
        prop_assert_eq!(decide(&policy, &asked).map(|(rule, _)| rule), best.cloned());
    }
}
