//! The orders before the start: what can be done ahead, then the start itself.
//!
//! A helper may be born before anybody knows what it will run. It makes what takes the kernel long
//! meanwhile, and is otherwise as fresh as any. The start brings its descriptors along, and since
//! the helper has none but the control socket, the kernel puts them right where they belong.

use core::mem::{MaybeUninit, size_of};

use super::abi::{Request, fd, request};
use super::exit;
use super::raw::{nr, syscall};

/// A step of `OWN_STEPS` that failed, and its error.
type Failed = (u32, i32);

/// The most descriptors that one message carries (`SCM_MAX_FD`).
const MOST: usize = 253;

/// `struct msghdr`.
#[repr(C)]
struct Message {
    name: [u64; 2],
    parts: u64,
    part_count: u64,
    control: u64,
    control_size: u64,
    flags: u64,
}

/// `struct cmsghdr` and the descriptors behind it.
#[repr(C, align(8))]
struct Rights {
    size: u64,
    level: i32,
    kind: i32,
    descriptors: [i32; MOST],
}

/// Obeys until the start, and tells how that went. Ends when the launcher did.
pub fn until_start() -> Result<(), Failed> {
    let mut ahead = Ok(());
    loop {
        let mut rights = MaybeUninit::<Rights>::uninit();
        let (order, carried) = receive(&mut rights);
        match order.kind {
            request::AHEAD => {
                drop_bounds();
                if order.value != 0 {
                    ahead = own_network(order.value as u64);
                }
            }
            // SAFETY: the kernel filled in as much as it says.
            request::START if unsafe { in_place(&rights, carried) } => return ahead,
            _ => exit(125),
        }
    }
}

/// Drops every capability that this kernel knows from the bounding set, which the payload inherits:
/// no exec gives it any of them. What this process holds it keeps. A caller without the right
/// to drop has nothing that an exec under `no_new_privs` could give.
fn drop_bounds() {
    const PR_CAPBSET_DROP: u64 = 24;
    const LAST: u64 = 63;
    for capability in 0..=LAST {
        // SAFETY: changes this process alone.
        let dropped = unsafe { syscall(nr::PRCTL, [PR_CAPBSET_DROP, capability, 0, 0, 0, 0]) };
        if dropped < 0 {
            return;
        }
    }
}

/// A network of our own, with nothing but a loopback.
fn own_network(flag: u64) -> Result<(), Failed> {
    const AF_INET: u64 = 2;
    const DATAGRAM_CLOEXEC: u64 = 0o2_000_002;
    const SIOCSIFFLAGS: u64 = 0x8914;
    const UP_AND_RUNNING: u64 = 0x41;
    let step = |step: u32, result: i64| {
        if result < 0 { Err((step, -result as i32)) } else { Ok(result as u64) }
    };
    // struct ifreq: the name in 16 bytes, then the flags.
    let interface = [u64::from_ne_bytes(*b"lo\0\0\0\0\0\0"), 0, UP_AND_RUNNING, 0, 0];
    let address = &raw const interface as u64;
    // SAFETY: moves this process alone.
    step(2, unsafe { syscall(nr::UNSHARE, [flag, 0, 0, 0, 0, 0]) })?;
    // SAFETY: a new descriptor.
    let socket = step(3, unsafe { syscall(nr::SOCKET, [AF_INET, DATAGRAM_CLOEXEC, 0, 0, 0, 0]) })?;
    // SAFETY: reads a value of this stack.
    step(3, unsafe { syscall(nr::IOCTL, [socket, SIOCSIFFLAGS, address, 0, 0, 0]) })?;
    super::close(socket as i32);
    Ok(())
}

/// The next order, and how many bytes of rights came with it.
fn receive(rights: &mut MaybeUninit<Rights>) -> (Request, u64) {
    const NO_CONTROL_LOST: u64 = 0x8;
    let mut order = Request { kind: 0, value: 0 };
    let size = size_of::<Request>() as u64;
    let part = [&raw mut order as u64, size];
    let mut message = Message {
        name: [0; 2],
        parts: &raw const part as u64,
        part_count: 1,
        control: rights.as_mut_ptr() as u64,
        control_size: size_of::<Rights>() as u64,
        flags: 0,
    };
    let address = &raw mut message as u64;
    // SAFETY: writes values of this stack and of the caller's, within their sizes.
    let read = unsafe { syscall(nr::RECVMSG, [fd::CONTROL as u64, address, 0, 0, 0, 0]) };
    if read != size as i64 || message.flags & NO_CONTROL_LOST != 0 {
        exit(125);
    }
    (order, message.control_size)
}

/// Whether the descriptors are where [`fd`] says: 0 to 2, and from the status pipe on.
///
/// # Safety
/// The first `carried` bytes were written by the kernel.
unsafe fn in_place(rights: &MaybeUninit<Rights>, carried: u64) -> bool {
    const HEADER: u64 = 16;
    let rights = rights.as_ptr();
    // SAFETY: the header is there, since that much was carried.
    if carried < HEADER || unsafe { ((*rights).level, (*rights).kind) } != (1, 1) {
        return false;
    }
    // SAFETY: as above.
    let count = unsafe { ((*rights).size - HEADER) / 4 };
    let mut expected = 0;
    for at in 0..count as usize {
        // SAFETY: the kernel wrote `count` of them.
        if unsafe { (*rights).descriptors[at] } != expected {
            return false;
        }
        expected += if expected == 2 { fd::STATUS - 2 } else { 1 };
    }
    expected > fd::RULESET
}
