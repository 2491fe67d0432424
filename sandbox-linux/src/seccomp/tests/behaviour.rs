//! What the filter does, in the words of those who rely on it: numbers are the kernel's, written
//! out, so that a wrong constant in a guard shows.

use super::interpreter::run;
use super::reference::{ASK, value};
use super::{Data, PLAIN};
use crate::seccomp::Errno::{
    self, EACCES, EAFNOSUPPORT, EINVAL, ENOPROTOOPT, ENOSYS, EOPNOTSUPP, EPERM, EPROTONOSUPPORT,
};
use crate::seccomp::{Arch, FilterSpec, Metadata, Network, Profile, Scope, compile, numbers};

const HIGH: u64 = 1 << 32;

const OFFLINE: FilterSpec = FilterSpec { scope: Scope::Shared, ..PLAIN };
const ONLINE: FilterSpec = FilterSpec { network: Network::Host, ..OFFLINE };
const PROXIED: FilterSpec = FilterSpec { network: Network::Proxy, ..OFFLINE };
const STRICT: FilterSpec = FilterSpec { profile: Profile::Strict, ..PLAIN };
const DEBUG: FilterSpec = FilterSpec { profile: Profile::Debug, ..PLAIN };
const FROZEN: FilterSpec = FilterSpec { metadata: Metadata::Refuse, ..OFFLINE };

/// Asserts the answer to one call on each architecture that has it.
#[track_caller]
fn expect(spec: FilterSpec, name: &str, args: &[u64], answer: u32) {
    for arch in [Arch::X86_64, Arch::Aarch64] {
        let spec = FilterSpec { arch, ..spec };
        let Some(nr) = numbers::number(arch, name) else { continue };
        let mut all = [0; 6];
        all[..args.len()].copy_from_slice(args);
        let data = Data { nr, arch: arch.audit(), args: all };
        let program = compile(&spec).expect("a filter");
        let outcome = run(program.instructions(), &data);
        assert_eq!(outcome.value, answer, "{name} {args:x?} under {spec:?}");
    }
}

#[track_caller]
fn passes(spec: FilterSpec, name: &str, args: &[u64]) {
    expect(spec, name, args, value(None));
}

#[track_caller]
fn fails(spec: FilterSpec, name: &str, args: &[u64], errno: Errno) {
    expect(spec, name, args, value(Some(errno)));
}

#[test]
fn terminals_and_files_by_ioctl() {
    for request in [0x5412, HIGH | 0x5412, 0x541c, 0x541d, 0x5423, 0x4b4e, 0x5606, 0x4004_54ca] {
        fails(PLAIN, "ioctl", &[0, request], EPERM);
    }
    for request in [0x4008_6602, 0x4004_6602, 0x401c_5820, 0xc004_5877, 0x800c_6613, 0x4008_7602] {
        fails(PLAIN, "ioctl", &[0, request], EPERM);
    }
    for request in [0xb701, 0xb702, 0xff01, 0xff0a, 0xc050_2100, 0x5000_940e, 0x894c, 1] {
        fails(PLAIN, "ioctl", &[0, request], EPERM);
    }
    let terminal = [0x5401, 0x5402, 0x5403, 0x5413, 0x5414, 0x540e, 0x5410, 0x540f, 0x5421];
    let others = [0x541b, 0x5450, 0x5451, 0x8004_5430, 0x4004_5431, 0x5441, 0x802c_542a, 0x5422];
    let files = [0x8008_6601, 0xc020_660b, 0x801c_581f, 0x4004_9409, 0x8912, 0x8927, 0x1272];
    for request in terminal.into_iter().chain(others).chain(files) {
        passes(PLAIN, "ioctl", &[0, request]);
    }
}

#[test]
fn namespaces() {
    for flag in [0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x2000_0000, 1 << 30] {
        for flags in [flag, flag | 17, flag | HIGH, flag | 1 << 40] {
            fails(PLAIN, "clone", &[flags], EPERM);
            fails(PLAIN, "unshare", &[flags], EPERM);
        }
    }
    fails(PLAIN, "unshare", &[0x80], EPERM);
    fails(PLAIN, "clone", &[0x8011], EPERM);
    // fork, vfork and a thread of glibc
    for flags in [0x120_0011, 0x4111, 0x3d_0f00, 0x80] {
        passes(PLAIN, "clone", &[flags]);
    }
    for flags in [0x200, 0x400, 0x4_0000] {
        passes(PLAIN, "unshare", &[flags]);
    }
}

#[test]
fn set_id_bits() {
    for mode in [0o4755, 0o2755, 0o6000, HIGH | 0o4755, 0x1_0000 | 0o2000] {
        fails(PLAIN, "chmod", &[0, mode], EPERM);
        fails(PLAIN, "fchmodat2", &[0, 0, mode], EPERM);
        fails(PLAIN, "creat", &[0, mode], EPERM);
        fails(PLAIN, "mkdirat", &[0, 0, mode], EPERM);
        fails(PLAIN, "mknodat", &[0, 0, 0o100_000 | mode], EPERM);
        for flags in [0o101, 0o20_200_002, HIGH | 0o100] {
            fails(PLAIN, "open", &[0, flags, mode], EPERM);
            fails(PLAIN, "openat", &[0, 0, flags, mode], EPERM);
        }
        // Without O_CREAT the mode is whatever the register held.
        passes(PLAIN, "openat", &[0, 0, 0o2_000_000, mode]);
    }
    passes(PLAIN, "chmod", &[0, 0o1777]);
    passes(PLAIN, "openat", &[0, 0, 0o101, 0o666]);
    passes(PLAIN, "mkdir", &[0, 0o777]);
    fails(FROZEN, "chmod", &[0, 0o644], EPERM);
}

#[test]
fn device_nodes() {
    for kind in [0o020_000, 0o060_000, 0o020_000 | HIGH, 0o040_000] {
        fails(PLAIN, "mknod", &[0, kind | 0o600], EPERM);
        fails(PLAIN, "mknodat", &[0, 0, kind | 0o600], EPERM);
    }
    for kind in [0, 0o100_000, 0o010_000, 0o140_000] {
        passes(PLAIN, "mknodat", &[0, 0, kind | 0o600]);
    }
}

#[test]
fn socket_families() {
    for family in (0..48).filter(|family| ![1, 2, 10, 16].contains(family)) {
        for spec in [PLAIN, OFFLINE, ONLINE] {
            fails(spec, "socket", &[family, 1, 0], EAFNOSUPPORT);
            fails(spec, "socket", &[family | HIGH, 3, 0], EAFNOSUPPORT);
        }
    }
    for family in [1, 2, 10, 16, HIGH | 2] {
        passes(PLAIN, "socket", &[family, 2 | 0o2_004_000, 0]);
        fails(OFFLINE, "socket", &[family, 2, 0], EACCES);
    }
    fails(ONLINE, "socket", &[1, 1, 0], EACCES);
    passes(ONLINE, "socket", &[2, 2, 17]);
}

#[test]
fn socket_types_and_protocols() {
    for (family, kind) in [(2, 3), (10, 3), (2, 10), (2, 5), (1, 3), (2, HIGH | 0o2_000_003)] {
        fails(PLAIN, "socket", &[family, kind, 0], EPERM);
    }
    for protocol in [1, 33, 132, 136, 262, HIGH | 136, 255] {
        fails(PLAIN, "socket", &[2, 2, protocol], EPROTONOSUPPORT);
        fails(ONLINE, "socket", &[10, 1, protocol], EPROTONOSUPPORT);
    }
    for protocol in [4, 6, 9, 15, 16, 17] {
        fails(PLAIN, "socket", &[16, 3, protocol], EPROTONOSUPPORT);
    }
    for (family, kind, protocol) in [(2, 1, 6), (10, 2, 17), (16, 3, 0), (1, 5, 0), (1, 1, 0)] {
        passes(PLAIN, "socket", &[family, kind, protocol]);
    }
}

#[test]
fn socket_pairs() {
    for kind in [1, 5, 1 | 0o2_000_000] {
        passes(PLAIN, "socketpair", &[1, kind]);
        passes(OFFLINE, "socketpair", &[1, kind]);
    }
    passes(PLAIN, "socketpair", &[1, 2]);
    // A raw pair is a datagram pair.
    for kind in [2, 3, HIGH | 2] {
        fails(ONLINE, "socketpair", &[1, kind], EACCES);
    }
    fails(PLAIN, "socketpair", &[30, 1], EAFNOSUPPORT);
}

#[test]
fn a_proxys_client_has_sockets_of_tcp_alone_and_does_not_make_them() {
    for (family, protocol) in [(2, 0), (2, 6), (10, 0), (10, 6), (HIGH | 2, HIGH | 6)] {
        for flags in [0, 0o2_000_000, 0o4_000, HIGH] {
            expect(PROXIED, "socket", &[family, 1 | flags, protocol], ASK);
        }
        for kind in [2, 3, 4, 5, 6, 10, 2 | 0o2_004_000] {
            fails(PROXIED, "socket", &[family, kind, protocol], EACCES);
        }
        // UDP, IP in IP, DCCP, SCTP, UDP-Lite, SMC, multipath TCP.
        for protocol in [17, 4, 33, 132, 136, 256, 262, HIGH | 262] {
            fails(PROXIED, "socket", &[family, 1, protocol], EPROTONOSUPPORT);
        }
    }
    for family in [1, 16] {
        fails(PROXIED, "socket", &[family, 1, 0], EACCES);
    }
    // Packets, vsock, the kernel's ciphers, Bluetooth, SMC, XDP.
    for family in [0, 17, 40, 38, 31, 43, 44] {
        fails(PROXIED, "socket", &[family, 1, 0], EAFNOSUPPORT);
    }
    passes(PROXIED, "socketpair", &[1, 1]);
    fails(PROXIED, "socketpair", &[1, 2], EACCES);
    fails(PROXIED, "socketpair", &[2, 1], EAFNOSUPPORT);
}

#[test]
fn a_proxys_client_has_no_visitors_and_keeps_its_way() {
    for name in ["bind", "listen"] {
        fails(PROXIED, name, &[0, 1], EACCES);
        passes(ONLINE, name, &[0, 1]);
        passes(PLAIN, name, &[0, 1]);
    }
    for (level, option) in [(1, 25), (1, 62), (0, 4), (41, 57), (41, 6)] {
        fails(PROXIED, "setsockopt", &[0, level, option | HIGH], EPERM);
        passes(ONLINE, "setsockopt", &[0, level, option]);
    }
    passes(PROXIED, "setsockopt", &[0, 6, 1]);
    passes(PROXIED, "connect", &[0]);
    fails(PROXIED, "io_uring_setup", &[0], ENOSYS);
}

#[test]
fn connecting_by_other_means() {
    let fast = 0x2000_0000 | 0x4000;
    let hosted = FilterSpec { network: Network::Host, ..PLAIN };
    for spec in [ONLINE, OFFLINE, PROXIED, hosted] {
        fails(spec, "sendto", &[0, 0, 0, fast], EOPNOTSUPP);
        fails(spec, "sendmsg", &[0, 0, fast | HIGH], EOPNOTSUPP);
        fails(spec, "sendmmsg", &[0, 0, 0, fast], EOPNOTSUPP);
        fails(spec, "setsockopt", &[0, 6, 30], ENOPROTOOPT);
        passes(spec, "sendmsg", &[0, 0, 0x4000]);
    }
    passes(PLAIN, "sendto", &[0, 0, 0, fast]);
}

#[test]
fn socket_options() {
    for (level, option) in [(1, 50), (1, 52), (0, 64), (0, 200), (41, 64), (41, 65), (41, 200)] {
        fails(PLAIN, "setsockopt", &[0, level, option], EPERM);
        fails(PLAIN, "setsockopt", &[0, level | HIGH, option | HIGH], EPERM);
    }
    fails(PLAIN, "setsockopt", &[0, 6, 31], ENOPROTOOPT);
    for (level, option) in [(1, 2), (1, 15), (6, 1), (41, 26), (41, 66), (41, 67), (0, 24), (1, 26)]
    {
        passes(PLAIN, "setsockopt", &[0, level, option]);
    }
    fails(STRICT, "setsockopt", &[0, 1, 26], EPERM);
}

#[test]
fn options_about_oneself() {
    for option in [35, 57, 62, 67, HIGH | 35] {
        fails(PLAIN, "prctl", &[option], EPERM);
    }
    fails(PLAIN, "prctl", &[0x1234_5678], EINVAL);
    for option in [1, 4, 15, 22, 36, 38, 47, 59, 0x5356_4d41, 0x5961_6d61] {
        passes(PLAIN, "prctl", &[option]);
    }
    fails(STRICT, "prctl", &[59], EPERM);
    fails(PLAIN, "seccomp", &[1, 8], EPERM);
    fails(PLAIN, "seccomp", &[HIGH | 1, HIGH | 9], EPERM);
    passes(PLAIN, "seccomp", &[1, 1]);
    passes(PLAIN, "seccomp", &[2, 0]);
    fails(PLAIN, "personality", &[0x40_0000], EPERM);
    fails(PLAIN, "personality", &[HIGH | 0x4_0000], EPERM);
    passes(DEBUG, "personality", &[0x4_0000]);
    passes(PLAIN, "personality", &[0xffff_ffff]);
    passes(PLAIN, "personality", &[u64::MAX]);
    fails(STRICT, "personality", &[8], EPERM);
}

#[test]
fn others_priorities_and_limits() {
    for name in ["sched_setaffinity", "sched_setparam", "sched_setscheduler"] {
        fails(OFFLINE, name, &[77, 0], EPERM);
        passes(OFFLINE, name, &[0, 0]);
        passes(PLAIN, name, &[77, 0]);
    }
    for policy in [1, 2, 6, 7, 0x4000_0001, HIGH | 1] {
        fails(PLAIN, "sched_setscheduler", &[0, policy], EPERM);
    }
    passes(PLAIN, "sched_setscheduler", &[0, 0x4000_0003]);
    for args in [[0, 77], [1, 77], [2, 0], [HIGH | 2, 0]] {
        fails(ONLINE, "setpriority", &args, EPERM);
        passes(PLAIN, "setpriority", &args);
    }
    passes(ONLINE, "setpriority", &[HIGH, HIGH]);
    fails(ONLINE, "ioprio_set", &[1, 77], EPERM);
    fails(ONLINE, "ioprio_set", &[3, 0], EPERM);
    passes(ONLINE, "ioprio_set", &[1, 0]);
    fails(ONLINE, "prlimit64", &[77, 7, 0x1000, 0], EPERM);
    fails(ONLINE, "prlimit64", &[77, 7, HIGH, 0], EPERM);
    passes(ONLINE, "prlimit64", &[77, 7, 0, 0x1000]);
    passes(ONLINE, "prlimit64", &[HIGH, 7, 0x1000, 0]);
}

#[test]
fn what_the_scope_leaves_in_reach() {
    for name in ["shmget", "semget", "msgget", "mq_open"] {
        passes(PLAIN, name, &[]);
        fails(ONLINE, name, &[], ENOSYS);
    }
    for name in ["setxattr", "fremovexattr", "setxattrat"] {
        passes(PLAIN, name, &[]);
        fails(OFFLINE, name, &[], EOPNOTSUPP);
    }
    for name in ["utimensat", "fchownat", "lchown", "futimesat"] {
        passes(OFFLINE, name, &[]);
        fails(FROZEN, name, &[], EPERM);
    }
}

#[test]
fn profiles() {
    for name in ["ptrace", "process_vm_readv", "kcmp"] {
        passes(DEBUG, name, &[]);
        fails(PLAIN, name, &[], EPERM);
        fails(STRICT, name, &[], EPERM);
    }
    for name in ["io_setup", "execveat", "remap_file_pages"] {
        passes(PLAIN, name, &[]);
        fails(STRICT, name, &[], ENOSYS);
    }
    passes(PLAIN, "memfd_create", &[0, 1]);
    fails(STRICT, "memfd_create", &[0, 1], ENOSYS);
    passes(STRICT, "memfd_create", &[0, 9]);
}
