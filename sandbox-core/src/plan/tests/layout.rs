//! From rules to places.

use super::*;

#[test]
fn places_come_parents_first_and_say_what_they_are() {
    let policy = empty().write("/home/me/repo").unwrap().read("/home/me").unwrap();
    let plan = plan(&machine(), policy.hide("/home/me/.ssh").unwrap().read("/etc/passwd").unwrap());
    let plan = plan.unwrap();
    assert_eq!(
        places(&plan),
        [
            "/etc/passwd read_only",
            "/home/me read_only",
            "/home/me/.ssh hidden",
            "/home/me/repo read_write",
        ]
    );
    assert!(!plan.places[0].directory && plan.places[1].directory);
}

#[test]
fn what_the_surroundings_give_is_left_out() {
    let policy =
        empty().read("/home").unwrap().read("/home/me").unwrap().hide("/srv/data").unwrap();
    assert_eq!(places(&plan(&machine(), policy).unwrap()), ["/home read_only"]);
}

#[test]
fn a_repetition_below_another_rule_stays() {
    let policy =
        empty().read("/home").unwrap().write("/home/me").unwrap().read("/home/me/repo").unwrap();
    assert_eq!(
        places(&plan(&machine(), policy).unwrap()),
        ["/home read_only", "/home/me read_write", "/home/me/repo read_only",]
    );
}

#[test]
fn links_are_resolved_and_shown() {
    let plan = plan(&machine(), empty().read("/bin").unwrap()).unwrap();
    assert_eq!(places(&plan), Vec::<String>::new(), "/bin is /usr/bin, below /usr");
    assert_eq!(*plan.links, BTreeMap::from([("/bin".into(), "usr/bin".into())]));
}

#[test]
fn a_link_inside_of_a_shown_folder_needs_no_other() {
    let mut files = machine();
    files.add("/srv/link -> data");
    let policy = empty().read("/srv").unwrap().write("/srv/link").unwrap();
    let plan = plan(&files, policy).unwrap();
    assert_eq!(places(&plan), ["/srv read_only", "/srv/data read_write"]);
    assert!(plan.links.is_empty());
}

#[test]
fn two_names_of_one_folder_are_one_place_and_the_stricter_wins() {
    let mut files = machine();
    files.add("/alias -> /srv/data");
    for (one, other) in [("/srv/data", "/alias"), ("/alias", "/srv/data")] {
        let policy = empty().write(one).unwrap().read(other).unwrap();
        assert_eq!(places(&plan(&files, policy).unwrap()), ["/srv/data read_only"]);
    }
}

#[test]
fn missing_paths_are_errors_unless_they_are_optional() {
    let message = refusal(plan(&machine(), empty().read("/srv/gone").unwrap()));
    assert!(message.starts_with("the policy names /srv/gone, which cannot be opened"), "{message}");
    let mut policy = empty();
    policy.filesystem.add_optional(SandboxPath::new("/srv/gone").unwrap(), Rights::READ_ONLY);
    assert!(plan(&machine(), policy).is_ok());
}

#[test]
fn absent_hidden_names_are_kept_where_they_could_be_made() {
    let policy = empty().write("/home/me/repo").unwrap().read("/srv").unwrap();
    let policy = policy.hide("/home/me/repo/.env").unwrap().hide("/home/me/repo/a/b").unwrap();
    let plan = plan(&machine(), policy.hide("/srv/x").unwrap().hide("/gone/y").unwrap()).unwrap();
    assert_eq!(*plan.absent, [Path::new("/home/me/repo/.env"), Path::new("/home/me/repo/a/b")]);
}

/// Whoever owns a closed directory can open it.
#[test]
fn a_hidden_path_behind_a_closed_door_hides_the_door() {
    let mut files = machine();
    files.add("/home/me/repo/vault!");
    let policy = empty().write("/home/me/repo").unwrap().hide("/home/me/repo/vault/key/x").unwrap();
    let plan = plan(&files, policy).unwrap();
    assert_eq!(places(&plan), ["/home/me/repo read_write", "/home/me/repo/vault hidden"]);
    assert!(plan.absent.is_empty());
}

#[test]
fn a_hidden_path_that_cannot_be_is_no_error() {
    let mut files = machine();
    files.add("/home/me/repo/loop -> loop");
    for hidden in ["/home/me/repo/loop", "/home/me/repo/run.sh/x"] {
        let policy = empty().write("/home/me/repo").unwrap().hide(hidden).unwrap();
        assert_eq!(
            places(&plan(&files, policy).unwrap()),
            ["/home/me/repo read_write"],
            "{hidden}"
        );
    }
}

#[test]
fn private_directories_lie_in_order() {
    let policy = empty().private("/tmp").unwrap().write("/home/me/repo").unwrap();
    let policy =
        policy.hide("/home").unwrap().private("/home/me").unwrap().private("/tmp/x").unwrap();
    assert_eq!(
        places(&plan(&machine(), policy).unwrap()),
        ["/home/me private", "/home/me/repo read_write", "/tmp private", "/tmp/x private",]
    );
}

#[test]
fn hiding_below_a_private_directory_changes_nothing() {
    let policy = empty().private("/home/me").unwrap().hide("/home/me/.ssh").unwrap();
    assert_eq!(places(&plan(&machine(), policy).unwrap()), ["/home/me private"]);
}

#[test]
fn a_private_directory_can_lie_in_a_hidden_one() {
    let policy = empty().read("/home").unwrap().hide("/home/me").unwrap();
    let policy = policy.private("/home/me/repo").unwrap();
    assert_eq!(
        places(&plan(&machine(), policy).unwrap()),
        ["/home read_only", "/home/me hidden", "/home/me/repo private",]
    );
}

#[test]
fn a_rule_for_the_same_path_replaces_a_private_directory() {
    let policy = empty().private("/tmp").unwrap().write("/tmp").unwrap();
    assert_eq!(places(&plan(&machine(), policy).unwrap()), ["/tmp read_write"]);
}

#[test]
fn a_private_home_gives_way_to_a_rule_around_it() {
    let home = SandboxPath::new("/home/me").unwrap();
    let mut policy = empty().read("/").unwrap();
    policy.filesystem.add_private_unless_covered(home.clone());
    assert_eq!(places(&plan(&machine(), policy).unwrap()), ["/ read_only"]);
    let mut policy = empty().write("/home/me/repo").unwrap();
    policy.filesystem.add_private_unless_covered(home);
    assert_eq!(
        places(&plan(&machine(), policy).unwrap()),
        ["/home/me private", "/home/me/repo read_write",]
    );
}

#[test]
fn a_home_that_is_closed_or_odd_is_left_out() {
    let mut files = machine();
    files.add("/root!");
    files.add("/h -> /proc/1");
    for home in ["/root/x", "/h"] {
        let mut policy = empty();
        policy.filesystem.add_private_unless_covered(SandboxPath::new(home).unwrap());
        assert_eq!(places(&plan(&files, policy).unwrap()), Vec::<String>::new(), "{home}");
    }
}

#[test]
fn a_private_directory_is_a_directory_and_leaves_no_stub() {
    let message = refusal(plan(&machine(), empty().private("/etc/passwd").unwrap()));
    assert!(message.contains("is a file"), "{message}");
    let policy = || empty().write("/home/me/repo").unwrap();
    let message = refusal(plan(&machine(), policy().private("/home/me/repo/new").unwrap()));
    assert!(message.contains("make it first"), "{message}");
    let policy = empty().read("/home").unwrap().private("/home/new").unwrap();
    assert_eq!(places(&plan(&machine(), policy).unwrap()), ["/home read_only"]);
}

#[test]
fn the_root_can_be_granted_and_its_parts_hidden() {
    let policy = empty().read("/").unwrap().hide("/home").unwrap().private("/tmp").unwrap();
    assert_eq!(
        places(&plan(&machine(), policy).unwrap()),
        ["/ read_only", "/home hidden", "/tmp private",]
    );
}
