//! Anonymous files.

use crate::seccomp::args::{Check, word};
use crate::seccomp::errno::Errno;
use crate::seccomp::ruling::Ruling;
use crate::seccomp::spec::{FilterSpec, Profile};

/// `MFD_NOEXEC_SEAL`, Linux 6.3.
const NOEXEC_SEAL: u64 = 0x8;

/// memfd_create: Landlock does not govern the execution of anonymous files, so the strict
/// profile wants them sealed against it.
pub(in crate::seccomp) fn memfd_create(spec: &FilterSpec, flags: u8) -> Ruling {
    match spec.profile {
        Profile::Strict => Ruling::of(
            "only sealed against execution",
            vec![Check::require(Errno::ENOSYS, [vec![word(flags).all_of(NOEXEC_SEAL)]])],
        ),
        Profile::Default | Profile::Debug => Ruling::Allow,
    }
}
