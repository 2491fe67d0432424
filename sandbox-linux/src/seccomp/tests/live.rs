//! A thread puts a filter on itself, and the kernel answers.
//!
//! Filters belong to threads and are inherited by what a thread starts, so neither the test
//! program nor its other tests notice.

use std::process::Command;

use super::PLAIN;
use super::sys::{attach, errno, i386_getpid};
use crate::seccomp::{FilterSpec, Network, Scope, compile};

/// Runs `work` on a thread that is confined by the filter for `spec`.
fn confined<T: Send>(spec: FilterSpec, work: impl FnOnce() -> T + Send) -> T {
    let program = compile(&spec).expect("a filter");
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            attach(&program);
            work()
        });
        thread.join().expect("the confined thread ends well")
    })
}

const HIGH: u64 = 1 << 32;

#[test]
fn the_kernel_refuses() {
    confined(FilterSpec { scope: Scope::Shared, ..PLAIN }, || {
        assert_eq!(errno(libc::SYS_socket, [2, 1, 0, 0]), libc::EACCES);
        assert_eq!(errno(libc::SYS_socket, [HIGH | 2, HIGH | 1, 0, 0]), libc::EACCES);
        assert_eq!(errno(libc::SYS_socket, [40, 1, 0, 0]), libc::EAFNOSUPPORT);
        assert_eq!(errno(libc::SYS_unshare, [1 << 40 | 0x1000_0000, 0, 0, 0]), libc::EPERM);
        assert_eq!(errno(libc::SYS_clone, [0x1000_0011, 0, 0, 0]), libc::EPERM);
        assert_eq!(errno(libc::SYS_ioctl, [0, HIGH | 0x5412, 0, 0]), libc::EPERM);
        assert_eq!(errno(libc::SYS_clone3, [0, 0, 0, 0]), libc::ENOSYS);
        assert_eq!(errno(libc::SYS_fchmodat, [u64::MAX, 0, 0o4755, 0]), libc::EPERM);
        assert_eq!(errno(libc::SYS_setpriority, [0, 1, 5, 0]), libc::EPERM);
        assert_eq!(errno(libc::SYS_keyctl, [0, 0, 0, 0]), libc::ENOSYS);
        assert_eq!(errno(0x4000_0000 | libc::SYS_getpid, [0; 4]), libc::ENOSYS);
        assert_eq!(errno(9999, [0; 4]), libc::ENOSYS);
    });
}

#[test]
fn the_kernel_lets_through() {
    confined(FilterSpec { network: Network::Host, ..PLAIN }, || {
        assert_eq!(errno(libc::SYS_socket, [2, 1, 0, 0]), 0);
        assert_eq!(errno(libc::SYS_socket, [16, 3, 0, 0]), 0);
        assert_eq!(errno(libc::SYS_fchmodat, [u64::MAX, 0, 0o755, 0]), libc::EFAULT);
        assert_eq!(errno(libc::SYS_unshare, [0x200, 0, 0, 0]), 0);
        assert_eq!(errno(libc::SYS_personality, [0xffff_ffff, 0, 0, 0]), 0);
    });
}

/// The i386 entry, which exists whatever the program was compiled for.
#[test]
fn the_other_entry_is_shut() {
    assert_eq!(confined(PLAIN, i386_getpid), -libc::ENOSYS);
}

/// What a shell, threads and children of an interpreter need.
#[test]
fn programs_work() {
    let sh = "set -e; echo a | (cat; ls / >/dev/null) | tr a b; \
              d=$(mktemp -d); cd $d; touch f; chmod 755 f; ln f g; mkdir h; mv f h; rm -r $d";
    let python = "import asyncio, multiprocessing, threading, subprocess, socket\n\
                  async def f():\n    p = await asyncio.create_subprocess_exec('true')\n    \
                  assert await p.wait() == 0\n\
                  asyncio.run(f())\n\
                  threading.Thread(target=print).start()\n\
                  if __name__ == '__main__':\n    \
                  with multiprocessing.Pool(2) as p: assert p.map(abs, [-1]) == [1]\n\
                  socket.socketpair(); socket.getaddrinfo('127.0.0.1', 80); socket.if_nameindex()";
    for (program, args) in [("sh", ["-c", sh]), ("python3", ["-c", python])] {
        let output = confined(PLAIN, || Command::new(program).args(args).output());
        match output {
            Ok(output) => assert!(output.status.success(), "{program}: {output:?}"),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                use std::io::Write as _;
                let _ = writeln!(std::io::stderr(), "skipped: no {program} here");
            }
            Err(error) => panic!("{program}: {error}"),
        }
    }
}
