//! ioctl(2): requests that reach further than the descriptor they are made on.
//!
//! Requests on devices are a matter of which devices the payload may open. What is refused here
//! works on descriptors that every payload has: a terminal, a directory opened for reading, a
//! namespace file, a socket. The kernel takes the request as 32 bits.

use crate::seccomp::args::{Check, Cond, Rule, word};
use crate::seccomp::errno::Errno;
use crate::seccomp::ruling::Ruling;
use crate::seccomp::spec::FilterSpec;

/// Single requests.
const REFUSED: [u64; 12] = [
    0x5412,      // TIOCSTI: types into the terminal
    0x541c,      // TIOCLINUX: pastes, and sets up consoles
    0x541d,      // TIOCCONS: takes the console's output
    0x541f,      // TIOCSSERIAL
    0x5423,      // TIOCSETD: loads line disciplines
    0x5437,      // TIOCVHANGUP
    0x5457,      // TIOCSLCKTRMIOS
    0x540c,      // TIOCEXCL: locks others out of the terminal
    1,           // FIBMAP
    0x4008_7602, // FS_IOC_SETVERSION
    0x4004_7602, // FS_IOC32_SETVERSION
    0x4004_7211, // FAT_IOCTL_SET_ATTRIBUTES
];

/// Bare numbers without size or direction, from and to.
const RANGES: [(u64, u64); 5] = [
    (0x4b00, 0x4bff), // KD*: keyboard maps, fonts and modes of the console
    (0x5600, 0x56ff), // VT_*: virtual terminals
    (0x8940, 0x8941), // SIOCGIFBR, SIOCSIFBR: bridges
    (0x8947, 0x89ff), // SIOC*: media, VLANs, bridges, bonds, namespaces of sockets, drivers' own
    (0xff01, 0xff0a), // PIDFD_GET_*_NAMESPACE
];

/// The type byte of a request.
const TYPE: u64 = 0xff00;

/// Types that are refused but for a few requests.
const TYPES: [(u64, &[u64]); 9] = [
    (0x2100, &[]),            // seccomp notifications
    (0x2400, &[]),            // performance events
    (0x5200, &[0x8004_5200]), // random: feeding the pool; but RNDGETENTCNT
    (0xaa00, &[]),            // userfaultfd
    (0xb700, &[]),            // NS_GET_*: descriptors of other namespaces
    (0xbc00, &[]),            // bcachefs: subvolumes by directory descriptor
    // btrfs makes subvolumes on a directory that was opened for reading. But FICLONE,
    // FICLONERANGE, FIDEDUPERANGE.
    (0x9400, &[0x4004_9409, 0x4020_940d, 0xc018_9436]),
    // Inode flags, encryption, ext4 surgery. But FS_IOC_GETFLAGS in both widths, FS_IOC_FIEMAP,
    // FS_IOC_MEASURE_VERITY.
    (0x6600, &[0x8008_6601, 0x8004_6601, 0xc020_660b, 0xc004_6686]),
    // Freezing, project quotas, XFS surgery. But FS_IOC_FSGETXATTR, XFS_IOC_DIOINFO.
    (0x5800, &[0x801c_581f, 0x800c_581e]),
];

/// ioctl(fd, request, ...), with the request at `request`.
pub(in crate::seccomp) fn ioctl(_: &FilterSpec, request: u8) -> Ruling {
    let arg = word(request);
    let mut rules = arg.one_of(&REFUSED);
    rules.extend(RANGES.map(|(from, to)| vec![arg.at_least(from), arg.at_most(to)]));
    // TUN*: network interfaces; their numbers lie above those of terminals in the same type.
    rules.push(vec![arg.bits(0xffc0, 0x54c0)]);
    rules.extend(TYPES.map(|(kind, allowed)| type_but(arg.bits(TYPE, kind), request, allowed)));
    Ruling::of(
        "no terminal input, inode flags, namespaces or file system surgery",
        vec![Check::refuse(Errno::EPERM, rules)],
    )
}

fn type_but(kind: Cond, request: u8, allowed: &[u64]) -> Rule {
    let mut rule = vec![kind];
    rule.extend(allowed.iter().map(|&known| word(request).is_not(known)));
    rule
}
