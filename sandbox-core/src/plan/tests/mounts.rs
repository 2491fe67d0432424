//! Sources of mounts that an earlier command may have bent.

use super::*;
use crate::mount::{FilesystemAccess, FilesystemMount};

fn bind(source: &str, target: &str, access: FilesystemAccess) -> FilesystemMount {
    FilesystemMount::bind(source, target, access).unwrap()
}

/// Where the sources of mounts lie, under a policy that grants nothing of theirs.
fn found(files: &Forged, mounts: &[FilesystemMount]) -> crate::Result<Vec<Option<PathBuf>>> {
    let policy = empty().read("/usr")?.build()?;
    sources(&policy, mounts, &[], &Host { variables: BTreeMap::new(), files })
}

fn furnished(files: &Forged, policy: PolicyBuilder, mounts: &[Mounted]) -> crate::Result<Plan> {
    let policy = policy.read("/usr")?.build()?;
    Plan::furnished(&policy, mounts, &Host { variables: BTreeMap::new(), files })
}

fn mounted(source: &str, target: &str, rights: Rights) -> Mounted {
    let shown = Shown::Host { source: source.into(), rights };
    Mounted { target: SandboxPath::new(target).unwrap(), shown }
}

#[test]
fn a_source_is_found_without_links() {
    let mut files = machine();
    files.add("/work -> /home/me/repo");
    let mounts = [bind("/work/src", "/a", FilesystemAccess::ReadWrite)];
    let scratch = FilesystemMount::scratch("/b").unwrap();
    let all = [mounts[0].clone(), scratch];
    assert_eq!(found(&files, &all).unwrap(), [Some("/home/me/repo/src".into()), None]);
    let none = found(&files, &[bind("/none", "/a", FilesystemAccess::ReadOnly)]);
    assert!(matches!(none, Err(SandboxError::MissingPath { .. })), "{none:?}");
}

#[test]
fn a_source_does_not_follow_a_link_that_another_mount_lets_commands_make() {
    let mut files = machine();
    files.add("/home/me/repo/out -> /home/me/.ssh");
    let inner = bind("/home/me/repo/out", "/a", FilesystemAccess::ReadOnly);
    let around = |access| bind("/home/me/repo", "/b", access);
    let open = [
        around(FilesystemAccess::ReadWrite),
        FilesystemMount::overlay("/home/me/repo", "/b").unwrap(),
    ];
    for around in open {
        for mounts in [[inner.clone(), around.clone()], [around.clone(), inner.clone()]] {
            let error = found(&files, &mounts).unwrap_err().to_string();
            assert!(error.contains("crosses the symbolic link /home/me/repo/out"), "{error}");
        }
    }
    let closed = [inner, around(FilesystemAccess::ReadOnly)];
    assert_eq!(found(&files, &closed).unwrap()[0], Some("/home/me/.ssh".into()));
}

#[test]
fn what_was_found_is_not_looked_up_again() {
    let mut files = machine();
    files.add("/work -> /home/me/repo");
    let over = [mounted("/work/src", "/a", Rights::READ_ONLY)];
    let message = refusal(furnished(&files, empty(), &over));
    assert!(message.contains("/work is a link"), "{message}");
}

#[test]
fn a_rule_does_not_follow_a_link_that_a_mount_lets_commands_make() {
    let mut files = machine();
    files.add("/home/me/repo/out -> /home/me/.ssh");
    let rule = || empty().read("/home/me/repo/out").unwrap();
    let open = [mounted("/home/me/repo", "/b", Rights::READ_WRITE)];
    let message = refusal(furnished(&files, rule(), &open));
    assert!(message.contains("crosses the symbolic link /home/me/repo/out"), "{message}");
    // Where a rule closes that part of the mount, nobody made it.
    let closing = rule().read("/home/me/repo/src").unwrap();
    files.add("/home/me/repo/src/out -> /home/me/.ssh");
    let inner = closing.read("/home/me/repo/src/out").unwrap();
    let message = refusal(furnished(&files, inner, &open));
    assert!(message.contains("crosses the symbolic link /home/me/repo/out"), "{message}");
    let inner = empty().read("/home/me/repo/src").unwrap().read("/home/me/repo/src/out").unwrap();
    furnished(&files, inner, &open).unwrap();
    furnished(&files, rule(), &[mounted("/home/me/repo", "/b", Rights::READ_ONLY)]).unwrap();
}

/// A session's mounts: a folder of its own, one that is copied on write, one of the host's.
fn of_session(own: &str) -> Vec<Mounted> {
    let at = |target: &str, shown| Mounted { target: SandboxPath::new(target).unwrap(), shown };
    let layers = Layers {
        root: "/state/layers".into(),
        frozen: vec![],
        upper: format!("/state/layers/{own}/upper").into(),
        work: format!("/state/layers/{own}/work").into(),
    };
    let source = PathBuf::from("/home/me/repo");
    vec![
        mounted("/home/me/repo/src", "/src", Rights::READ_ONLY),
        at("/mnt/memory", Shown::Own { source: format!("/state/{own}/memory").into() }),
        at("/work", Shown::Layered { source, layers }),
    ]
}

#[test]
fn a_fork_has_its_parents_plan_with_folders_of_its_own() {
    let files = machine();
    let hidden = || empty().hide("/home/me/repo/.env").unwrap();
    let (ours, theirs) = (of_session("parent"), of_session("fork"));
    let parent = furnished(&files, hidden(), &ours).unwrap();
    let fork = parent.with_folders_of(&ours, &theirs, &files).unwrap();
    let anew = furnished(&files, hidden(), &theirs).unwrap();
    assert_eq!(format!("{fork:?}"), format!("{anew:?}"));
    assert_ne!(format!("{fork:?}"), format!("{parent:?}"));
}

#[test]
fn what_differs_in_more_than_its_folders_is_no_fork() {
    let files = machine();
    let ours = of_session("parent");
    let parent = furnished(&files, empty(), &ours).unwrap();
    let others: [fn(&mut Vec<Mounted>); 6] = [
        |all| drop(all.pop()),
        |all| all[1].target = SandboxPath::new("/mnt/other").unwrap(),
        |all| all.swap(0, 1),
        |all| all[0] = mounted("/home/me/repo/src", "/src", Rights::READ_WRITE),
        |all| all[1].shown = all[0].shown.clone(),
        |all| {
            if let Shown::Layered { source, .. } = &mut all[2].shown {
                *source = "/home/me".into();
            }
        },
    ];
    for (number, change) in others.iter().enumerate() {
        let mut theirs = of_session("fork");
        change(&mut theirs);
        assert!(parent.with_folders_of(&ours, &theirs, &files).is_none(), "{number}");
    }
    // Meanwhile the parent has got other layers, or another folder.
    for at in [1, 2] {
        let mut meanwhile = ours.clone();
        meanwhile[at] = of_session("another")[at].clone();
        assert!(parent.with_folders_of(&meanwhile, &of_session("fork"), &files).is_none(), "{at}");
    }
    // A source leads elsewhere now.
    let mut bent = machine();
    bent.add("/home/me/repo -> /home/me/.ssh");
    assert!(parent.with_folders_of(&ours, &of_session("fork"), &bent).is_none());
}
