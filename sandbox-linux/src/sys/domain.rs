//! Entering a domain: the calls of a process that confines itself, or is about to execute.
//!
//! They run between fork and exec as well, where nothing may allocate or lock: raw calls on what
//! was compiled before.

use std::borrow::Cow;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;

use super::call;

/// Everything that a process needs to confine itself.
#[derive(Debug)]
pub(crate) struct Domain {
    /// Resource, soft, hard.
    pub(crate) rlimits: Vec<(u32, u64, u64)>,
    /// The CPUs to run on, as bits.
    pub(crate) affinity: Option<u64>,
    pub(crate) ruleset: Option<OwnedFd>,
    /// The filter, as the kernel reads it.
    pub(crate) filter: Cow<'static, [u8]>,
}

/// Has a command enter the domain before it executes, with a session and no descriptors but its
/// streams.
pub(crate) fn before_exec(command: &mut Command, domain: Arc<Domain>) {
    const CLOSE_RANGE_CLOEXEC: u64 = 4;
    let prepare = move || {
        made(libc::SYS_setsid, [0; 6])?;
        made(libc::SYS_umask, [0o022, 0, 0, 0, 0, 0])?;
        made(libc::SYS_personality, [0; 6])?;
        // Not closed yet: the parent waits on one of them for the exec.
        let rest = [3, u64::from(u32::MAX), CLOSE_RANGE_CLOEXEC, 0, 0, 0];
        made(libc::SYS_close_range, rest)?;
        domain.enter()
    };
    // SAFETY: the closure makes system calls alone; the numbers and the filter that it reads were
    // made before the fork.
    unsafe { command.pre_exec(prepare) };
}

impl Domain {
    /// Confines the calling thread, and what it starts. The order is the argument: what needs a
    /// right comes before the right is given up, and the filter comes last.
    ///
    /// # Errors
    /// The first call that failed; those before it stay in force.
    pub(crate) fn enter(&self) -> io::Result<()> {
        for &(resource, soft, hard) in &self.rlimits {
            let limit = [soft, hard];
            let address = (&raw const limit) as u64;
            made(libc::SYS_prlimit64, [0, u64::from(resource), address, 0, 0, 0])?;
        }
        if let Some(cpus) = self.affinity {
            made(libc::SYS_sched_setaffinity, [0, 8, (&raw const cpus) as u64, 0, 0, 0])?;
        }
        give_up()?;
        if let Some(ruleset) = &self.ruleset {
            let file = ruleset.as_raw_fd() as u64;
            made(libc::SYS_landlock_restrict_self, [file, 0, 0, 0, 0, 0])?;
        }
        const SET_MODE_FILTER: u64 = 1;
        // struct sock_fprog: the length, then the address.
        let program = [(self.filter.len() / 8) as u64, self.filter.as_ptr() as u64];
        let address = (&raw const program) as u64;
        made(libc::SYS_seccomp, [SET_MODE_FILTER, 0, address, 0, 0, 0]).map(drop)
    }
}

/// Gives up every capability and every way to one.
fn give_up() -> io::Result<()> {
    /// NOROOT, NO_SETUID_FIXUP, KEEP_CAPS off, NO_CAP_AMBIENT_RAISE, each locked.
    const SECUREBITS: u64 = 0b1110_1111;
    const LAST_CAPABILITY: u64 = 63;
    const KEYCTL_JOIN_SESSION_KEYRING: u64 = 1;
    let option = |option: i32, value: u64| [option as u64, value, 0, 0, 0, 0];
    // Only with a right that is given up here could these make a difference.
    let _ = made(libc::SYS_prctl, option(libc::PR_SET_SECUREBITS, SECUREBITS));
    for capability in 0..=LAST_CAPABILITY {
        if made(libc::SYS_prctl, option(libc::PR_CAPBSET_DROP, capability)).is_err() {
            break;
        }
    }
    // Without keyrings there is nothing to leave, and the filter refuses their use.
    let _ = made(libc::SYS_keyctl, [KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0, 0]);
    let clear = option(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as u64);
    made(libc::SYS_prctl, clear)?;
    // Header: the version, this thread. Sets: effective, permitted, inheritable, twice.
    let (header, sets) = ([0x2008_0522u32, 0], [0u32; 6]);
    let addresses = [(&raw const header) as u64, (&raw const sets) as u64];
    made(libc::SYS_capset, [addresses[0], addresses[1], 0, 0, 0, 0])?;
    made(libc::SYS_prctl, option(libc::PR_SET_NO_NEW_PRIVS, 1)).map(drop)
}

fn made(number: libc::c_long, arguments: [u64; 6]) -> io::Result<i64> {
    match call(number, arguments) {
        result if result < 0 => Err(io::Error::from_raw_os_error(-result as i32)),
        result => Ok(result),
    }
}
