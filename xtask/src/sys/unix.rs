//! Users, modes and process groups.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};

use rustix::process::{Pid, Signal, geteuid, kill_process_group};

pub(crate) fn is_root() -> bool {
    geteuid().is_root()
}

pub(crate) fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Gives `path` to a user id and the group of the same number.
pub(crate) fn give_to(path: &Path, id: u32) -> io::Result<()> {
    chown(path, Some(id), Some(id))
}

pub(crate) fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// Makes the command the leader of a process group, so that [`end`] reaches all of it.
pub(crate) fn lead_group(command: &mut Command) {
    command.process_group(0);
}

/// Ends the child and, if it leads a group, whatever it has started there.
pub(crate) fn end(child: &mut Child) -> io::Result<()> {
    // A child that leads no group makes this fail with ESRCH, and then it is ended by itself.
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    child.kill()
}
