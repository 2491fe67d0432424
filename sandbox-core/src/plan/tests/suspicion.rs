//! Rules whose paths an earlier command may have bent.

use super::*;

/// The workspace, where an earlier command made `link`.
fn after(link: &str) -> (Forged, PolicyBuilder) {
    let mut files = machine();
    files.add(link);
    (files, empty().write("/home/me/repo").unwrap())
}

#[test]
fn a_grant_does_not_follow_a_link_that_a_command_could_have_made() {
    for target in ["/home/me/.ssh", "../.ssh", "/", "/srv/data", "src"] {
        let (files, policy) = after(&format!("/home/me/repo/build -> {target}"));
        for grant in [Rights::READ_ONLY, Rights::READ_WRITE, Rights::READ] {
            let policy = policy.clone().grant("/home/me/repo/build", grant).unwrap();
            let message = refusal(plan(&files, policy));
            assert!(message.contains("crosses the symbolic link /home/me/repo/build"), "{message}");
        }
    }
}

#[test]
fn nor_one_on_the_way() {
    let (files, policy) = after("/home/me/repo/out -> /home/me");
    let message = refusal(plan(&files, policy.read("/home/me/repo/out/.ssh").unwrap()));
    assert!(message.contains("crosses the symbolic link"), "{message}");
}

#[test]
fn nor_by_way_of_a_link_elsewhere() {
    let (mut files, policy) = after("/home/me/repo/out -> /home/me/.ssh");
    files.add("/alias -> /home/me/repo/out");
    let message = refusal(plan(&files, policy.read("/alias").unwrap()));
    assert!(message.contains("crosses the symbolic link /home/me/repo/out"), "{message}");
}

#[test]
fn a_private_directory_does_not_either() {
    let (files, policy) = after("/home/me/repo/cache -> /srv/data");
    let message = refusal(plan(&files, policy.private("/home/me/repo/cache").unwrap()));
    assert!(message.contains("crosses the symbolic link"), "{message}");
}

#[test]
fn a_presets_grant_is_left_out_instead() {
    let (files, mut policy) = after("/home/me/repo/.venv -> /home/me/.ssh");
    let path = SandboxPath::new("/home/me/repo/.venv").unwrap();
    policy.filesystem.add_optional(path, Rights::READ_ONLY);
    assert_eq!(places(&plan(&files, policy).unwrap()), ["/home/me/repo read_write"]);
}

#[test]
fn links_where_nothing_can_be_made_are_followed() {
    let mut files = machine();
    files.add("/work -> /home/me/repo");
    files.add("/home/me/repo/ro/in -> ../src");
    let policy = empty().write("/work").unwrap().read("/home/me/repo/ro").unwrap();
    let plan = plan(&files, policy.grant("/home/me/repo/ro/in", Rights::READ).unwrap()).unwrap();
    assert_eq!(
        places(&plan),
        ["/home/me/repo read_write", "/home/me/repo/ro read_only", "/home/me/repo/src read",]
    );
}

#[test]
fn hiding_follows_every_link() {
    let (files, policy) = after("/home/me/repo/.env -> src");
    let plan = plan(&files, policy.hide("/home/me/repo/.env").unwrap()).unwrap();
    assert_eq!(places(&plan), ["/home/me/repo read_write", "/home/me/repo/src hidden"]);
}

#[test]
fn a_grant_does_not_lead_into_a_hidden_place_by_a_link() {
    let mut files = machine();
    files.add("/share -> /home/me/.ssh");
    files.add("/key -> /home/me/.ssh/id");
    for name in ["/share", "/key"] {
        let policy = empty().hide("/home/me/.ssh").unwrap().write(name).unwrap();
        let message = refusal(plan(&files, policy));
        assert!(message.contains("which is hidden"), "{message}");
        let mut policy = empty().hide("/home/me/.ssh").unwrap();
        policy.filesystem.add_optional(SandboxPath::new(name).unwrap(), Rights::READ_ONLY);
        assert_eq!(places(&plan(&files, policy).unwrap()), Vec::<String>::new());
    }
}

#[test]
fn a_grant_inside_a_hidden_place_by_its_own_name_is_meant() {
    let mut files = machine();
    files.add("/var/home -> /home");
    for name in ["/home/me/.ssh/id", "/var/home/me/.ssh/id"] {
        let policy = empty().read("/home").unwrap();
        let policy = policy.hide("/home/me/.ssh").unwrap().hide("/var/home/me/.ssh").unwrap();
        let plan = plan(&files, policy.read(name).unwrap()).unwrap();
        assert!(places(&plan).contains(&"/home/me/.ssh/id read_only".into()), "{name}");
    }
}

#[test]
fn a_link_into_what_the_kernel_shows_is_refused() {
    let mut files = machine();
    files.add("/init -> /proc/1");
    files.add("/nothing -> /dev/null");
    for name in ["/init", "/nothing"] {
        let message = refusal(plan(&files, empty().read(name).unwrap()));
        assert!(message.contains("what the kernel shows"), "{message}");
    }
    assert!(empty().read("/proc/1").unwrap().build().is_err());
}

/// The kernel would refuse it; so must a plan, in finite time.
#[test]
fn a_loop_is_an_error() {
    let (files, policy) = after("/home/me/repo/loop -> loop/x");
    assert!(plan(&files, policy.read("/home/me/repo/loop").unwrap()).is_err());
}
