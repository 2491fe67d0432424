//! Files must not come out set-user-ID, set-group-ID or as devices: on the host such a file
//! would outlive the run with powers that the payload never had.

use crate::seccomp::args::{Check, Rule, word};
use crate::seccomp::errno::Errno;
use crate::seccomp::ruling::Ruling;
use crate::seccomp::spec::{FilterSpec, Metadata};

/// `S_ISUID | S_ISGID`.
const SET_ID: u64 = 0o6000;
/// `O_CREAT | __O_TMPFILE`: only these make open(2) look at its mode.
const WILL_CREATE: u64 = 0o100 | 0o20_000_000;
/// `S_IFMT`.
const FILE_TYPE: u64 = 0o170_000;
/// Regular (also spelled 0), FIFO and socket; what is left are devices and whiteouts.
const PLAIN_TYPES: [u64; 4] = [0, 0o100_000, 0o010_000, 0o140_000];

const NO_SET_ID: &str = "no set-user-ID or set-group-ID bit";

/// chmod and kin, with the mode at `mode`.
pub(in crate::seccomp) fn chmod(spec: &FilterSpec, mode: u8) -> Ruling {
    match spec.metadata {
        Metadata::Allow => creat(spec, mode),
        Metadata::Refuse => Ruling::Fail(Errno::EPERM),
    }
}

/// Calls that always create something, with the mode at `mode`.
pub(in crate::seccomp) fn creat(_: &FilterSpec, mode: u8) -> Ruling {
    Ruling::of(NO_SET_ID, vec![plain_mode(mode)])
}

/// open and openat, with the flags at `flags` and the mode behind them.
pub(in crate::seccomp) fn open(_: &FilterSpec, flags: u8) -> Ruling {
    let rules = [vec![word(flags).none_of(WILL_CREATE)], vec![word(flags + 1).none_of(SET_ID)]];
    Ruling::of(NO_SET_ID, vec![Check::require(Errno::EPERM, rules)])
}

/// mknod and mknodat, with the mode and type at `mode`.
pub(in crate::seccomp) fn mknod(_: &FilterSpec, mode: u8) -> Ruling {
    let types: [Rule; 4] = PLAIN_TYPES.map(|kind| vec![word(mode).bits(FILE_TYPE, kind)]);
    let checks = vec![Check::require(Errno::EPERM, types), plain_mode(mode)];
    Ruling::of("files, FIFOs and sockets, no devices and no set-ID bit", checks)
}

fn plain_mode(mode: u8) -> Check {
    Check::require(Errno::EPERM, [vec![word(mode).none_of(SET_ID)]])
}
