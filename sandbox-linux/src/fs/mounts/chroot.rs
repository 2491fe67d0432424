//! A caller in a chroot, whose `/` is a folder and not a mount.
//!
//! Neither the propagation of mounts can be changed there nor the root be replaced. But joining the
//! mount namespace that one is in already leads to its root; so the helper goes there for these two
//! steps, and comes back in between, because the policy's paths mean the caller's root. It only ever
//! leaves its own copy of the namespace, and takes the caller's root along.

use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};

use crate::program::{Phase, Program, Slot};

/// Whether `/` is anything but the root of a mount.
pub(super) fn chrooted() -> bool {
    let at: BorrowedFd<'_> = CWD;
    let seen = statx(at, "/", AtFlags::NO_AUTOMOUNT, StatxFlags::empty());
    seen.is_ok_and(|seen| !seen.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Goes to the root of the mount namespace; what leads there, and what leads back.
pub(super) fn leave(program: &mut Program) -> (Slot, Slot) {
    let (namespace, folder) = (program.slot(), program.slot());
    let (slash, name) = (program.text("/"), program.text("/proc/self/ns/mnt"));
    let at = libc::AT_FDCWD;
    let flags = libc::O_PATH | libc::O_CLOEXEC;
    let arguments = [at.into(), slash.into(), flags.into(), 0.into()];
    program
        .call(Phase::Setup, "keep the caller's root", libc::SYS_openat, &arguments)
        .store(folder);
    let flags = libc::O_RDONLY | libc::O_CLOEXEC;
    let arguments = [at.into(), name.into(), flags.into(), 0.into()];
    program
        .call(Phase::Setup, "find the mount namespace", libc::SYS_openat, &arguments)
        .store(namespace);
    leave_by(program, namespace);
    (namespace, folder)
}

/// Goes to the root of the mount namespace.
pub(super) fn leave_by(program: &mut Program, namespace: Slot) {
    let arguments = [namespace.into(), libc::CLONE_NEWNS.into()];
    program.setup("go to the root of all mounts", libc::SYS_setns, &arguments);
}

/// Makes the caller's root the root again.
pub(super) fn come_back(program: &mut Program, folder: Slot) {
    let dot = program.text(".");
    program.setup("go to the caller's root", libc::SYS_fchdir, &[folder.into()]);
    program.setup("make it the root again", libc::SYS_chroot, &[dot.into()]);
}
