//! The instructions of a seccomp program and the finished program.
//!
//! Classic BPF as seccomp accepts it (`linux/filter.h`, `kernel/seccomp.c`): jumps go forward
//! only, conditional jumps reach 255 instructions, unconditional ones any distance.

use super::errno::Errno;
use super::error::FilterError;

/// One instruction; laid out as the kernel's `struct sock_filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Insn {
    /// Operation.
    pub code: u16,
    /// Instructions to skip when a test holds.
    pub jt: u8,
    /// Instructions to skip when it does not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// Load a word of `struct seccomp_data`.
pub(super) const LD: u16 = 0x20;
/// Bitwise and with the operand.
pub(super) const AND: u16 = 0x54;
/// Jump by the operand.
pub(super) const JA: u16 = 0x05;
/// Jump if equal.
pub(super) const JEQ: u16 = 0x15;
/// Jump if greater, unsigned.
pub(super) const JGT: u16 = 0x25;
/// Jump if greater or equal, unsigned.
pub(super) const JGE: u16 = 0x35;
/// Return the operand.
pub(super) const RET: u16 = 0x06;

/// Offset of the system call number in `struct seccomp_data`.
pub(super) const DATA_NR: u32 = 0;
/// Offset of the audit architecture in `struct seccomp_data`.
pub(super) const DATA_ARCH: u32 = 4;

/// `SECCOMP_RET_ALLOW`.
pub(super) const RET_ALLOW: u32 = 0x7fff_0000;
/// `SECCOMP_RET_USER_NOTIF`.
pub(super) const RET_USER_NOTIF: u32 = 0x7fc0_0000;

/// `BPF_MAXINSNS`.
const MAX_LEN: usize = 4096;

/// The value to return for `errno` (`SECCOMP_RET_ERRNO`).
pub(super) fn ret_errno(errno: Errno) -> u32 {
    0x0005_0000 | u32::from(errno.number())
}

/// An instruction that does not branch on a test.
pub(super) const fn stmt(code: u16, k: u32) -> Insn {
    Insn { code, jt: 0, jf: 0, k }
}

/// A conditional jump.
pub(super) const fn jump(code: u16, k: u32, jt: u8, jf: u8) -> Insn {
    Insn { code, jt, jf, k }
}

/// A complete filter that the kernel will load: not too long, every jump lands inside, and it
/// cannot run off its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    insns: Vec<Insn>,
}

impl Program {
    pub(super) fn new(insns: Vec<Insn>) -> Result<Self, FilterError> {
        let len = insns.len();
        if len == 0 || len > MAX_LEN {
            return Err(FilterError::Length(len));
        }
        match (0..len).find(|&at| !flows_inside(&insns, at)) {
            Some(at) => Err(FilterError::Jump(at)),
            None => Ok(Self { insns }),
        }
    }

    /// The instructions in order; at most 4096, so a `sock_fprog` can count them.
    #[must_use]
    pub fn instructions(&self) -> &[Insn] {
        &self.insns
    }

    /// The number of instructions.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "an empty program cannot be made")]
    pub fn len(&self) -> usize {
        self.insns.len()
    }

    /// The program as the kernel reads it: eight bytes an instruction, native byte order.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.insns.len() * size_of::<Insn>());
        for insn in &self.insns {
            bytes.extend_from_slice(&insn.code.to_ne_bytes());
            bytes.extend_from_slice(&[insn.jt, insn.jf]);
            bytes.extend_from_slice(&insn.k.to_ne_bytes());
        }
        bytes
    }
}

/// Whether every successor of the instruction `at` exists.
fn flows_inside(insns: &[Insn], at: usize) -> bool {
    let insn = insns[at];
    let rest = insns.len() - at - 1;
    let reach = match insn.code {
        RET => return true,
        JA => insn.k as usize,
        JEQ | JGT | JGE => usize::from(insn.jt.max(insn.jf)),
        _ => 0,
    };
    reach < rest
}
