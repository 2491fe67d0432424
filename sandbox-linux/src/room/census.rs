//! How many processes a sandbox has, counted in its own `/proc`.
//!
//! Control groups count too, but not every caller can make one. The sandbox's `/proc` shows its
//! processes and no others. Our own are left out: the first one, the helpers, which are its
//! children, and the process of a command that has not come yet.

use std::ffi::OsStr;
use std::io::Read as _;

use cap_std::fs::Dir;
use sandbox_core::{Result, SandboxError};

use super::Room;

impl Room {
    /// How many processes of commands there are.
    ///
    /// # Errors
    /// The sandbox is gone, or has no `/proc`.
    pub(super) fn processes(&self) -> Result<u64> {
        let failed = || SandboxError::io("counting the processes of the sandbox");
        let root = Dir::from_std_file(self.root()?.into());
        let processes = root.open_dir("proc").map_err(failed())?;
        let waiting = u64::from(self.state().spare.is_some());
        let mut count = 0;
        for entry in processes.entries().map_err(failed())? {
            let name = entry.map_err(failed())?.file_name();
            count += u64::from(is_counted(&processes, &name));
        }
        Ok(count.saturating_sub(waiting))
    }
}

/// Whether a name is a process, and not one of ours.
fn is_counted(processes: &Dir, name: &OsStr) -> bool {
    let Some(number) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
        return false;
    };
    let mut stat = String::new();
    let read = processes.open_dir(name).and_then(|it| it.open("stat"));
    // One that has ended meanwhile is none.
    let Ok(_) = read.and_then(|mut file| file.read_to_string(&mut stat)) else { return false };
    number != 1 && parent(&stat).is_some_and(|parent| parent != 1)
}

/// The parent that a process's line tells (proc_pid_stat(5)): the second word behind its name, which
/// stands in brackets and may hold whatever the process likes.
fn parent(stat: &str) -> Option<u32> {
    let (_, tail) = stat.rsplit_once(')')?;
    tail.split_whitespace().nth(1)?.parse().ok()
}
