//! The orders before the start: what can be done ahead, then the start itself.
//!
//! A helper may be born before anybody knows what it will run. It makes what takes the kernel long
//! meanwhile, and is otherwise as fresh as any. The start brings its descriptors along, and since
//! the helper has none but the control socket, the kernel puts them right where they belong.

use core::mem::{MaybeUninit, size_of};

use super::abi::{INLINE, Request, egress, fd, request};
use super::raw::{nr, syscall};
use super::{exit, network};

/// A step of `OWN_STEPS` that failed, and its error.
pub type Failed = (u32, i32);

/// The longest filter: `BPF_MAXINSNS` instructions of eight bytes.
const LONGEST: usize = 4096 * 8;

/// `struct msghdr`.
#[repr(C)]
pub struct Message {
    pub name: [u64; 2],
    pub parts: u64,
    pub part_count: u64,
    pub control: u64,
    pub control_size: u64,
    pub flags: u64,
}

/// `struct cmsghdr` and the descriptors behind it.
#[repr(C, align(8))]
pub struct Rights {
    pub size: u64,
    pub level: i32,
    pub kind: i32,
    pub descriptors: [i32; egress::MOST],
}

/// Obeys until the start, and tells how that went. Ends when the launcher did.
pub fn until_start() -> Result<(), Failed> {
    let mut ahead = Ok(());
    loop {
        let mut rights = MaybeUninit::<Rights>::uninit();
        let mut filter = MaybeUninit::<[u8; LONGEST]>::uninit();
        let order = receive(&mut rights, &mut filter, false);
        match order.request.kind {
            request::AHEAD => {
                drop_bounds();
                ahead = prepare(&order, &filter);
            }
            // SAFETY: the kernel filled in as much as it says.
            request::START if unsafe { in_place(&rights, order.rights) } => return ahead,
            _ => exit(125),
        }
    }
}

/// Does the work ahead of the start in a helper that was forked: its bounding set it has from the
/// first process, which has dropped everything from it.
pub fn ahead() -> Result<(), Failed> {
    let mut rights = MaybeUninit::<Rights>::uninit();
    let mut filter = MaybeUninit::<[u8; LONGEST]>::uninit();
    let order = receive(&mut rights, &mut filter, false);
    if order.request.kind != request::AHEAD {
        exit(125);
    }
    prepare(&order, &filter)
}

/// Waits for the start, with a place for what is behind it; how much that is, in bytes.
pub fn start(attached: &mut MaybeUninit<[u8; INLINE]>) -> u64 {
    let mut is_soon = false;
    loop {
        let mut rights = MaybeUninit::<Rights>::uninit();
        let order = receive(&mut rights, attached, is_soon);
        is_soon = match order.request.kind {
            request::READY => !runs_on(order.request.value),
            // SAFETY: the kernel filled in as much as it says.
            request::START if unsafe { in_place(&rights, order.rights) } => return order.attached,
            _ => exit(125),
        };
    }
}

/// Whether this process runs on that processor.
fn runs_on(processor: i32) -> bool {
    let mut here = 0u32;
    // SAFETY: writes a value of this stack.
    unsafe { syscall(nr::GETCPU, [&raw mut here as u64, 0, 0, 0, 0, 0]) };
    here as i32 == processor
}

fn prepare(order: &Order, filter: &MaybeUninit<[u8; LONGEST]>) -> Result<(), Failed> {
    let value = order.request.value as u32;
    leave_keyring();
    network::make(value)?;
    let (instructions, count) = (filter.as_ptr() as u64, order.attached / 8);
    if value & egress::LISTENER == 0 {
        return attach(instructions, count, 0).map(drop);
    }
    network::lend(attach(instructions, count, NEW_LISTENER | WAIT_KILLABLE))
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

/// A session keyring of our own. Without keyrings there is nothing to leave, and over quota the
/// filter still refuses their use.
fn leave_keyring() {
    const KEYCTL_JOIN_SESSION_KEYRING: u64 = 1;
    // SAFETY: changes this process alone.
    unsafe { syscall(nr::KEYCTL, [KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0, 0]) };
}

/// `SECCOMP_FILTER_FLAG_NEW_LISTENER`: the result is a descriptor.
const NEW_LISTENER: u64 = 1 << 3;
/// `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`: no signal interrupts a call that is being answered.
const WAIT_KILLABLE: u64 = 1 << 5;

/// Attaches a filter of that many instructions to this process, and so to all that it starts.
fn attach(instructions: u64, count: u64, flags: u64) -> Result<u64, Failed> {
    const PR_SET_NO_NEW_PRIVS: u64 = 38;
    const SET_MODE_FILTER: u64 = 1;
    if count == 0 {
        return Ok(0);
    }
    // struct sock_fprog: the length, then the address.
    let program = [count, instructions];
    let address = &raw const program as u64;
    // SAFETY: changes this process alone, and reads what the host sent.
    step(4, unsafe { syscall(nr::PRCTL, [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0]) })?;
    // SAFETY: as above.
    step(4, unsafe { syscall(nr::SECCOMP, [SET_MODE_FILTER, flags, address, 0, 0, 0]) })
}

/// The result of a call, or the step that it was.
pub fn step(step: u32, result: i64) -> Result<u64, Failed> {
    if result < 0 { Err((step, -result as i32)) } else { Ok(result as u64) }
}

/// A request and what came with it, in bytes.
pub struct Order {
    pub request: Request,
    pub attached: u64,
    pub rights: u64,
}

/// Waits for one order; ends when the launcher did. One that comes soon from another processor is
/// awaited awake for a while: waking up takes longer than the host takes to send it.
fn receive<const SIZE: usize>(
    rights: &mut MaybeUninit<Rights>,
    attached: &mut MaybeUninit<[u8; SIZE]>,
    is_soon: bool,
) -> Order {
    const CUT: u64 = 0x20 | 0x8;
    const DONTWAIT: u64 = 0x40;
    const EAGAIN: i64 = -11;
    const LOOKS: u32 = 1000;
    let mut request = Request { kind: 0, value: 0 };
    let size = size_of::<Request>() as u64;
    let parts =
        [&raw mut request as u64, size, attached.as_mut_ptr() as u64, SIZE as u64];
    let mut message = Message {
        name: [0; 2],
        parts: &raw const parts as u64,
        part_count: 2,
        control: rights.as_mut_ptr() as u64,
        control_size: size_of::<Rights>() as u64,
        flags: 0,
    };
    let address = &raw mut message as u64;
    let mut looks = if is_soon { LOOKS } else { 0 };
    let read = loop {
        let flags = if looks > 0 { DONTWAIT } else { 0 };
        // SAFETY: writes values of this stack and of the caller's, within their sizes.
        let read = unsafe { syscall(nr::RECVMSG, [fd::CONTROL as u64, address, flags, 0, 0, 0]) };
        if read != EAGAIN || looks == 0 {
            break read;
        }
        looks -= 1;
        core::hint::spin_loop();
    };
    if read < size as i64 || message.flags & CUT != 0 {
        exit(125);
    }
    Order { request, attached: read as u64 - size, rights: message.control_size }
}

/// One order of few words, and the descriptor that came with it; -1 means none.
pub fn next() -> (Request, i32) {
    let mut rights = MaybeUninit::<Rights>::uninit();
    let mut attached = MaybeUninit::<[u8; LONGEST]>::uninit();
    let order = receive(&mut rights, &mut attached, false);
    const HEADER: u64 = 16;
    if order.rights <= HEADER {
        return (order.request, -1);
    }
    // SAFETY: the kernel wrote a header and a descriptor.
    (order.request, unsafe { (*rights.as_ptr()).descriptors[0] })
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
