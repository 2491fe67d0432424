//! Plans laid out.

use sandbox_core::{Policy, PolicyBuilder};

use super::*;
use crate::forge::plan;

fn lay_out(policy: PolicyBuilder, entries: &[&str]) -> Result<Vec<Mount>, CompileError> {
    compile(&plan(policy, entries))
}

fn at<'a>(mounts: &'a [Mount], target: &str) -> Option<&'a MountContent> {
    mounts.iter().find(|mount| mount.target == Path::new(target)).map(|mount| &mount.content)
}

fn bound(source: &str, writable: bool, executable: bool) -> MountContent {
    MountContent::Bind { source: source.into(), writable, executable }
}

#[test]
fn places_become_mounts_parents_first() {
    let policy = Policy::builder().write("/w").unwrap().hide("/w/.ssh").unwrap();
    let policy = policy.hide("/w/.netrc").unwrap().read("/w/.ssh/known").unwrap();
    let policy = policy.private("/tmp").unwrap().private("/home/me").unwrap();
    let mounts = lay_out(policy, &["/w/.ssh/known", "/w/.netrc", "/tmp/"]).unwrap();
    let targets: Vec<_> = mounts.iter().map(|mount| mount.target.to_str().unwrap()).collect();
    let expected = ["/home/me", "/tmp", "/usr", "/w", "/w/.netrc", "/w/.ssh", "/w/.ssh/known"];
    assert_eq!(targets, expected);
    assert_eq!(at(&mounts, "/usr"), Some(&bound("/usr", false, true)));
    assert_eq!(at(&mounts, "/w"), Some(&bound("/w", true, true)));
    assert_eq!(at(&mounts, "/w/.netrc"), Some(&MountContent::EmptyFile));
    assert_eq!(at(&mounts, "/w/.ssh"), Some(&MountContent::EmptyFolder { mode: 0o111 }));
    assert_eq!(at(&mounts, "/tmp"), Some(&MountContent::Private { mode: 0o1777, size: None }));
    assert_eq!(at(&mounts, "/home/me"), Some(&MountContent::Private { mode: 0o777, size: None }));
}

#[test]
fn a_hidden_folder_cannot_be_entered() {
    let policy = Policy::builder().hide("/usr/secret").unwrap();
    let mounts = lay_out(policy, &["/usr/secret/"]).unwrap();
    assert_eq!(at(&mounts, "/usr/secret"), Some(&MountContent::EmptyFolder { mode: 0o100 }));
}

#[test]
fn rights_that_mounts_cannot_tell_apart_are_refused() {
    let grant = |rights| lay_out(Policy::builder().grant("/d", rights).unwrap(), &["/d/"]);
    let read = Rights::READ | Rights::LIST;
    assert_eq!(at(&grant(read).unwrap(), "/d"), Some(&bound("/d", false, false)));
    let write = Rights::READ_WRITE - Rights::EXECUTE;
    assert_eq!(at(&grant(write).unwrap(), "/d"), Some(&bound("/d", true, false)));
    for rights in [Rights::READ, Rights::READ_ONLY | Rights::WRITE, Rights::CHANGES] {
        let path = PathBuf::from("/d");
        assert_eq!(grant(rights), Err(CompileError::Rights { path, rights }));
    }
}

#[test]
fn what_cannot_be_kept_is_refused() {
    let absent = Policy::builder().write("/w").unwrap().hide("/w/.netrc").unwrap();
    let path = PathBuf::from("/w/.netrc");
    assert_eq!(lay_out(absent, &["/w/"]), Err(CompileError::Absent { path }));
    assert_eq!(lay_out(Policy::builder().read("/").unwrap(), &[]), Err(CompileError::Root));
}

#[test]
fn the_disk_limit_is_shared_out() {
    let policy = Policy::builder().private("/tmp").unwrap().private("/var/tmp").unwrap();
    let policy = policy.limits(|limits| limits.disk = Some("3M".parse().unwrap()));
    let mounts = lay_out(policy, &[]).unwrap();
    let expected = MountContent::Private { mode: 0o1777, size: Some(1 << 20) };
    assert_eq!(at(&mounts, "/tmp"), Some(&expected));
    assert_eq!(at(&mounts, "/var/tmp"), Some(&expected));
}

#[test]
fn links_are_mounted_twice_where_that_shows_nothing_more() {
    let policy = || Policy::builder().read("/bin").unwrap();
    let mounts = lay_out(policy(), &["/bin -> usr/bin"]).unwrap();
    assert_eq!(at(&mounts, "/bin"), Some(&bound("/usr/bin", false, true)));
    let chain = lay_out(policy(), &["/bin -> /b", "/b -> usr/../usr/bin"]).unwrap();
    assert_eq!(at(&chain, "/bin"), Some(&bound("/usr/bin", false, true)));
    let hidden = policy().hide("/usr/bin/secret").unwrap();
    let around = lay_out(hidden, &["/bin -> usr/bin", "/usr/bin/secret"]);
    assert_eq!(around, Err(CompileError::Link { path: "/bin".into() }));
}
