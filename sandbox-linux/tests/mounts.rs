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
