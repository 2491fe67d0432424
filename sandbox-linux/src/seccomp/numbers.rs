//! Names of system calls to their numbers, for either architecture on any host.

use super::spec::Arch;

/// The number of the call `name`, or `None` where `arch` has no such call.
pub(super) fn number(arch: Arch, name: &str) -> Option<u32> {
    let id = match arch {
        Arch::X86_64 => name.parse::<syscalls::x86_64::Sysno>().ok()?.id(),
        Arch::Aarch64 => name.parse::<syscalls::aarch64::Sysno>().ok()?.id(),
    };
    u32::try_from(id).ok()
}
