//! Runs a list of system calls. This is all the intelligence that the confined side has.

use super::abi::{Call, Failure, List};
use super::raw;

/// Runs a list to its end.
///
/// A call whose error is tolerated counts as done. When a tolerated error was to be remembered (an
/// exec that found nothing), the list's end is a failure with the gravest of them: a permission
/// that was refused says more than a file that was not there.
///
/// # Safety
/// The list and everything it points to was made by the host library for this process.
pub unsafe fn run(which: u32, list: &List) -> Result<(), Failure> {
    const ENOENT: i32 = 2;
    let mut remembered: Option<Failure> = None;
    let mut step = 0;
    while step < list.count {
        // SAFETY: the host laid `count` calls out at `address`.
        let call = unsafe { &*(list.address as *const Call).add(step as usize) };
        // SAFETY: as above.
        let result = unsafe { make(call) };
        let errno = if result < 0 && result > -4096 { -result as i32 } else { 0 };
        let failure = Failure { list: which, step: step as u32, errno };
        step += 1;
        if errno == 0 {
            if call.result != 0 {
                // SAFETY: the host reserved four bytes for the result.
                unsafe { (call.result as *mut i32).write_unaligned(result as i32) };
            }
        } else if tolerated(call, errno) {
            step += u64::from(call.skip);
            let graver = remembered.is_none_or(|before| before.errno == ENOENT);
            if call.remembered != 0 && graver {
                remembered = Some(failure);
            }
        } else {
            return Err(failure);
        }
    }
    remembered.map_or(Ok(()), Err)
}

fn tolerated(call: &Call, errno: i32) -> bool {
    let mut at = 0;
    while at < call.tolerated.len() {
        if i32::from(call.tolerated[at]) == errno {
            return true;
        }
        at += 1;
    }
    false
}

/// # Safety
/// As [`run`].
unsafe fn make(call: &Call) -> i64 {
    let mut arguments = call.arguments;
    let mut at = 0;
    while at < 6 {
        if call.stored & (1 << at) != 0 {
            // SAFETY: a marked argument is the address of a stored result.
            arguments[at] = unsafe { (arguments[at] as *const i32).read_unaligned() } as i64 as u64;
        }
        at += 1;
    }
    // SAFETY: the host vouches for the list.
    unsafe { raw::syscall(call.number, arguments) }
}
