//! What a payload sees mounted is what was built, and nothing of the root that was left.

use std::error::Error;

use sandbox_core::{ExecRequest, Policy};
use sandbox_linux::{TierChoice, backend_with};

/// Mount points that may be written to, beside the workspace.
const WRITABLE: &[&str] = &["/dev/pts", "/dev/shm", "/tmp", "/var/tmp"];

/// A mount as `/proc/self/mountinfo` shows it: where, and whether it can be written to.
fn mounts(listed: &str) -> Vec<(String, bool)> {
    let mount = |line: &str| {
        let mut fields = line.split(' ').skip(4);
        let (point, options) = (fields.next()?, fields.next()?);
        Some((point.to_owned(), options.split(',').any(|option| option == "rw")))
    };
    listed.lines().filter_map(mount).collect()
}

#[test]
fn only_private_places_and_the_workspace_are_writable() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir_in("/var/tmp")?;
    let workspace = folder.path().to_str().ok_or("a name in UTF-8")?.to_owned();
    let home = std::env::var("HOME").unwrap_or_default();
    let policy = Policy::workspace(folder.path())?.build()?;
    let request = ExecRequest::new("cat").arg("/proc/self/mountinfo");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let backend = backend_with(TierChoice::Namespaces)?;
    let result = runtime.block_on(backend.run(&policy, &request))?.check()?;
    let seen = mounts(&result.stdout.text());
    assert!(seen.iter().any(|(point, writable)| *point == workspace && *writable));
    for (point, writable) in &seen {
        let allowed = WRITABLE.contains(&&**point) || *point == workspace || *point == home;
        assert!(!writable || allowed, "{point} is writable: {seen:#?}");
    }
    let mut points: Vec<&str> = seen.iter().map(|(point, _)| point.as_str()).collect();
    points.sort_unstable();
    let count = points.len();
    points.dedup();
    assert_eq!(points.len(), count, "something is mounted twice: {seen:#?}");
    Ok(())
}

/// Root's own folders are mounted with their owner mapped to the payload, which then owns what is
/// closed to everybody else.
#[test]
fn roots_closed_files_are_hidden_in_roots_folders() -> Result<(), Box<dyn Error>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    // Not in /tmp: every folder around it must be root's alone.
    let folder = tempfile::tempdir_in("/var/lib")?;
    let workspace = std::fs::canonicalize(folder.path())?;
    let secret = workspace.join("secret");
    std::fs::write(&secret, "secret")?;
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    std::fs::set_permissions(&workspace, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let policy = Policy::read_only().write(&workspace)?.hide(&secret)?.build()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for choice in [TierChoice::Auto, TierChoice::Namespaces] {
        let request = ExecRequest::new("cat").arg(&secret);
        let result =
            runtime.block_on(async { backend_with(choice)?.run(&policy, &request).await })?;
        assert!(result.stdout.bytes.is_empty() && !result.exit.success(), "{choice:?}");
    }
    Ok(())
}
