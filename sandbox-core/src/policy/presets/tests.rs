use std::fs;

use super::*;
use crate::policy::Policy;

/// A caller with these variables.
fn caller(variables: &[(&str, &str)]) -> Caller {
    let variables = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
    Caller { variables, directory: "/".into() }
}

fn built(builder: PolicyBuilder) -> Policy {
    builder.build().unwrap()
}

fn rights(policy: &Policy, path: &str) -> Option<Rights> {
    policy.filesystem().decide(Path::new(path)).map(|(_, grant)| grant.rights)
}

fn has_private(policy: &Policy, path: &str) -> bool {
    policy.filesystem().private_places().any(|(place, _)| place.as_path() == Path::new(path))
}

fn read_only_of(variables: &[(&str, &str)]) -> Policy {
    built(read_only(PolicyBuilder::default(), &caller(variables)))
}

fn developer_in(folder: &Path, variables: &[(&str, &str)]) -> Policy {
    let caller = caller(variables);
    let base = read_only(PolicyBuilder::default(), &caller);
    built(developer(workspace(base, folder, &caller).unwrap(), &caller))
}

/// A folder with its real name.
fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap();
    (folder, path)
}

#[test]
fn the_system_is_readable_and_its_secrets_are_not() {
    let policy = read_only_of(&[]);
    assert_eq!(rights(&policy, "/usr/bin/env"), Some(Rights::READ_ONLY));
    assert_eq!(rights(&policy, "/etc/passwd"), Some(Rights::READ_ONLY));
    for secret in ["/etc/shadow", "/etc/sudoers", "/etc/ssl/private/x", "/etc/ssh/ssh_host_rsa_key"]
    {
        assert_eq!(rights(&policy, secret), Some(Rights::empty()), "{secret}");
    }
    for path in ["/", "/home/x", "/root", "/var/lib", "/srv", "/proc", "/dev/kvm", "/run"] {
        assert_eq!(rights(&policy, path), None, "{path}");
    }
    assert!(has_private(&policy, "/tmp") && has_private(&policy, "/var/tmp"));
}

#[test]
fn credentials_are_hidden_however_home_is_written() {
    for home in ["/home/me", "/home/me/", "/home//me", "/home/me/.", "/home/you/../me"] {
        let policy = read_only_of(&[("HOME", home)]);
        assert_eq!(rights(&policy, "/home/me/.ssh/id"), Some(Rights::empty()), "{home}");
        assert!(has_private(&policy, "/home/me"), "{home}");
    }
}

#[test]
fn odd_homes_name_nothing() {
    for home in ["", "home", "../x", "/", "//", "/..", "/proc/self", "/dev", "/sys/x"] {
        let policy = read_only_of(&[("HOME", home)]);
        let private: Vec<_> =
            policy.filesystem().private_places().map(|(place, _)| place.to_string()).collect();
        assert_eq!(private, ["/tmp", "/var/tmp"], "{home}");
    }
}

#[test]
fn variables_that_name_credentials_hide_them() {
    let policy = read_only_of(&[
        ("KUBECONFIG", "/usr/k1:/usr/k2"),
        ("GNUPGHOME", "/usr/g/"),
        ("CARGO_HOME", "/usr/cargo"),
        ("NETRC", "/dev/null"),
        ("DOCKER_CONFIG", "relative"),
    ]);
    for path in ["/usr/k1", "/usr/k2", "/usr/g/key", "/usr/cargo/credentials.toml"] {
        assert_eq!(rights(&policy, path), Some(Rights::empty()), "{path}");
    }
    assert_eq!(rights(&policy, "/usr/cargo/bin"), Some(Rights::READ_ONLY));
}

#[test]
fn a_workspace_is_writable_and_the_directory_of_the_policy() {
    let (_guard, path) = folder();
    let caller = caller(&[("HOME", path.parent().unwrap().to_str().unwrap())]);
    let policy = built(workspace(PolicyBuilder::default(), &path, &caller).unwrap());
    assert_eq!(rights(&policy, path.to_str().unwrap()), Some(Rights::READ_WRITE));
    assert_eq!(policy.workspace_path().unwrap().as_path(), path);
}

#[test]
fn a_relative_workspace_is_the_callers() {
    let (_guard, path) = folder();
    fs::create_dir(path.join("repo")).unwrap();
    let caller = Caller { directory: path.clone(), ..caller(&[]) };
    for text in ["repo", "./repo/", "repo/../repo"] {
        let policy = built(workspace(PolicyBuilder::default(), Path::new(text), &caller).unwrap());
        assert_eq!(policy.workspace_path().unwrap().as_path(), path.join("repo"));
    }
}

#[test]
fn what_is_no_folder_is_no_workspace() {
    let (_guard, path) = folder();
    fs::write(path.join("file"), "").unwrap();
    std::os::unix::fs::symlink("/", path.join("root")).unwrap();
    let caller = caller(&[]);
    let refused = |folder: &Path| {
        workspace(PolicyBuilder::default(), folder, &caller).unwrap_err().to_string()
    };
    assert!(refused(&path.join("gone")).contains("create it first"));
    assert!(refused(&path.join("file")).contains("it is no folder"));
    assert!(refused(Path::new("/")).contains("the whole machine"));
    assert!(refused(&path.join("root")).contains("the whole machine"));
}

#[test]
fn a_workspace_that_is_the_home_directory_keeps_its_credentials_hidden() {
    let (_guard, path) = folder();
    let home = path.to_str().unwrap();
    let policy = developer_in(&path, &[("HOME", home)]);
    assert_eq!(rights(&policy, home), Some(Rights::READ_WRITE));
    assert_eq!(rights(&policy, &format!("{home}/.ssh")), Some(Rights::empty()));
    assert_eq!(rights(&policy, &format!("{home}/.cargo/credentials.toml")), Some(Rights::empty()));
}

#[test]
fn toolchains_are_readable() {
    let (_guard, path) = folder();
    let variables =
        [("HOME", "/home/me"), ("GOPATH", "/g1:/g2/"), ("JAVA_HOME", "/jdk"), ("CARGO_HOME", "/c")];
    let policy = developer_in(&path, &variables);
    for folder in
        ["/home/me/.rustup", "/home/me/.cargo/bin", "/g1", "/g2", "/jdk", "/c/bin", "/opt"]
    {
        assert_eq!(rights(&policy, folder), Some(Rights::READ_ONLY), "{folder}");
    }
    for secret in ["/home/me/.npmrc", "/home/me/.m2/settings.xml", "/c/credentials"] {
        assert_eq!(rights(&policy, secret), Some(Rights::empty()), "{secret}");
    }
    assert_eq!(rights(&policy, "/home/me/Documents"), None);
}

#[test]
fn a_variable_does_not_open_the_machine_or_the_home_directory() {
    let (_guard, path) = folder();
    for value in ["/", "/home", "/home/me", "/home/me/", "/home/you/../me", "/home/me/.", "/proc"] {
        let policy = developer_in(&path, &[("HOME", "/home/me"), ("JAVA_HOME", value)]);
        assert_eq!(rights(&policy, "/home/me/Documents/x"), None, "{value}");
        assert_eq!(rights(&policy, "/srv"), None, "{value}");
        assert_eq!(rights(&policy, "/proc/1"), None, "{value}");
    }
}

#[test]
fn a_variable_does_not_close_the_workspace() {
    let (_guard, path) = folder();
    for value in [path.clone(), path.join(".venv")] {
        let text = value.to_str().unwrap();
        let policy = developer_in(&path, &[("HOME", "/home/me"), ("VIRTUAL_ENV", text)]);
        assert_eq!(rights(&policy, text), Some(Rights::READ_WRITE), "{text}");
    }
}

#[test]
fn what_a_person_grants_is_not_taken_back_by_a_preset() {
    let (_guard, path) = folder();
    let caller = caller(&[("HOME", "/home/me")]);
    let base = workspace(PolicyBuilder::default(), &path, &caller).unwrap();
    let before = base.clone().write("/home/me/.npm").unwrap();
    let after = developer(base, &caller).write("/home/me/.npm").unwrap();
    for builder in [developer(before, &caller), after] {
        assert_eq!(rights(&built(builder), "/home/me/.npm"), Some(Rights::READ_WRITE));
    }
}

/// A repository with a worktree, as git lays them out.
fn worktree(base: &Path) -> (PathBuf, PathBuf) {
    let (common, tree) = (base.join("main/.git"), base.join("tree"));
    let own = common.join("worktrees/tree");
    for folder in
        [&own, &common.join("objects"), &common.join("refs"), &common.join("hooks"), &tree]
    {
        fs::create_dir_all(folder).unwrap();
    }
    fs::write(common.join("HEAD"), "ref: refs/heads/main\n").unwrap();
    fs::write(common.join("config"), "").unwrap();
    fs::write(own.join("gitdir"), format!("{}\n", tree.join(".git").display())).unwrap();
    fs::write(tree.join(".git"), format!("gitdir: {}\n", own.display())).unwrap();
    (common, tree)
}

#[test]
fn a_worktrees_common_directory_is_writable_but_for_what_runs() {
    let (_guard, base) = folder();
    let (common, tree) = worktree(&base);
    let policy = built(workspace(PolicyBuilder::default(), &tree, &caller(&[])).unwrap());
    let at = |tail: &str| rights(&policy, common.join(tail).to_str().unwrap());
    assert_eq!(at("objects/ab"), Some(Rights::READ_WRITE));
    assert_eq!(at("hooks/pre-commit"), Some(Rights::READ_ONLY));
    assert_eq!(at("config"), Some(Rights::READ_ONLY));
    assert_eq!(rights(&policy, base.join("main/src").to_str().unwrap()), None);
}

/// What an earlier command may have written into its workspace to be given more by the next run.
#[test]
fn a_pointer_that_is_not_returned_is_not_believed() {
    let (_guard, base) = folder();
    let (common, tree) = worktree(&base);
    let pointer = tree.join(".git");
    let granted = || git::common_directory(&tree);
    assert_eq!(granted(), Some(common.clone()));
    let keys = base.join("home/.ssh");
    fs::create_dir_all(&keys).unwrap();
    let aimed_at =
        |target: &Path| fs::write(&pointer, format!("gitdir: {}", target.display())).unwrap();
    for target in [keys, base.join("home"), common.clone(), PathBuf::from("/"), "/etc".into()] {
        aimed_at(&target);
        assert_eq!(granted(), None, "{target:?}");
    }
    aimed_at(&common.join("worktrees/tree"));
    assert_eq!(granted(), Some(common));
    // The pointer of another tree: what it names points back, but not here.
    let other = base.join("other");
    fs::create_dir_all(&other).unwrap();
    fs::copy(&pointer, other.join(".git")).unwrap();
    assert_eq!(git::common_directory(&other), None);
}

#[test]
fn what_does_not_look_like_a_repository_is_not_believed() {
    let (_guard, base) = folder();
    let (common, tree) = worktree(&base);
    let back = fs::read(common.join("worktrees/tree/gitdir")).unwrap();
    for own in ["home/worktrees/tree", "main/.git/elsewhere/tree"] {
        let own = base.join(own);
        fs::create_dir_all(&own).unwrap();
        fs::write(own.join("gitdir"), &back).unwrap();
        fs::write(tree.join(".git"), format!("gitdir: {}\n", own.display())).unwrap();
        assert_eq!(git::common_directory(&tree), None, "{own:?}");
    }
}

#[test]
fn a_repository_forged_inside_the_workspace_opens_nothing() {
    let (_guard, base) = folder();
    let tree = base.join("tree");
    let forged = tree.join("fake");
    fs::create_dir_all(forged.join("worktrees/tree")).unwrap();
    fs::create_dir_all(base.join("secret/objects")).unwrap();
    for name in ["HEAD", "objects", "refs"] {
        std::os::unix::fs::symlink(base.join("secret"), forged.join(name)).unwrap();
    }
    let back = format!("{}\n", tree.join(".git").display());
    fs::write(forged.join("worktrees/tree/gitdir"), back).unwrap();
    fs::write(tree.join(".git"), "gitdir: fake/worktrees/tree\n").unwrap();
    assert_eq!(git::common_directory(&tree), None);
}

#[test]
fn a_pointer_that_is_no_plain_file_is_not_read() {
    let (_guard, base) = folder();
    let (_, tree) = worktree(&base);
    let pointer = tree.join(".git");
    let text = fs::read(&pointer).unwrap();
    fs::remove_file(&pointer).unwrap();
    fs::write(tree.join("elsewhere"), &text).unwrap();
    std::os::unix::fs::symlink("elsewhere", &pointer).unwrap();
    assert_eq!(git::common_directory(&tree), None, "a link");
    fs::remove_file(&pointer).unwrap();
    fs::write(&pointer, [text, vec![b' '; 64 << 10], b"x".to_vec()].concat()).unwrap();
    assert!(git::common_directory(&tree).is_some(), "what follows the limit is not read");
    fs::write(&pointer, [0xff; 10]).unwrap();
    assert_eq!(git::common_directory(&tree), None, "no text");
}
