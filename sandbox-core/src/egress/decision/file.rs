//! A file that decisions are written to, out of the reach of what they are about.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use crate::error::{Result, SandboxError};
use crate::path::quoted;
use crate::plan::{Content, Plan};
use crate::policy::filesystem::Rights;

/// Opens a file for [`Log::write_to`](super::Log::write_to), at its end; it is made if it is missing.
///
/// # Errors
/// [`SandboxError::InvalidRequest`] for a file that lies where commands of `plan` may write, whatever
/// a narrower rule says of the file itself; the system's refusal.
///
/// # Security
/// It is opened with the rights of this process. A file with a second name inside of the sandbox is
/// not told from any other.
pub fn open(path: &Path, plan: &Plan) -> Result<File> {
    check(path, plan)?;
    let file = OpenOptions::new().append(true).create(true).open(path);
    let file = file.map_err(SandboxError::io(format!("opening the log {}", quoted(path))))?;
    // It may be a link that led nowhere before.
    check(path, plan)?;
    Ok(file)
}

/// Refuses a file that lies where commands of `plan` may write.
pub(crate) fn check(path: &Path, plan: &Plan) -> Result<()> {
    // What cannot be found has no writer inside, or cannot be opened.
    let Some(real) = real(path) else { return Ok(()) };
    let writable = plan.places.iter().filter(|place| {
        let of_host = place.content == Content::Host || place.source.is_some();
        of_host && place.rights.intersects(Rights::CHANGES)
    });
    match writable.map(|place| place.host()).find(|host| real.starts_with(host)) {
        None => Ok(()),
        Some(host) => Err(SandboxError::InvalidRequest(format!(
            "the log {} lies in {}, where the command may write: keep it elsewhere",
            quoted(path),
            quoted(host)
        ))),
    }
}

/// Where a path leads; the last part need not exist.
fn real(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok().or_else(|| {
        let absolute = std::path::absolute(path).ok()?;
        Some(absolute.parent()?.canonicalize().ok()?.join(absolute.file_name()?))
    })
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::exec::ExecRequest;
    use crate::plan::Host;
    use crate::policy::Policy;

    #[test]
    fn what_the_command_may_write_is_no_log_by_whatever_path() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let (inside, beside) = (root.join("inside"), root.join("beside"));
        fs::create_dir_all(inside.join("hidden")).unwrap();
        fs::create_dir(&beside).unwrap();
        symlink(&inside, beside.join("link")).unwrap();
        symlink(inside.join("new"), beside.join("file")).unwrap();
        let policy = Policy::builder().write(&inside).unwrap().read(&root).unwrap();
        let policy = policy.read("/bin").unwrap().read("/usr").unwrap().build().unwrap();
        let plan = Plan::new(&policy, &ExecRequest::new("/bin/sh"), &Host::current()).unwrap();
        for path in ["inside/log", "inside/hidden/log", "beside/link/log", "beside/file"] {
            let refused = open(&root.join(path), &plan);
            let said = refused.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(said.contains("where the command may write"), "{path}: {said:?}");
        }
        let log = beside.join("log");
        fs::write(&log, "before\n").unwrap();
        std::io::Write::write_all(&mut open(&log, &plan).unwrap(), b"after\n").unwrap();
        assert_eq!(fs::read_to_string(&log).unwrap(), "before\nafter\n");
    }
}
