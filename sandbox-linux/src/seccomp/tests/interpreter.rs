//! A machine for the part of classic BPF that filters use.

use super::Data;
use crate::seccomp::Insn;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The value returned.
    pub(super) value: u32,
    /// Instructions executed.
    pub(super) steps: usize,
    /// Whether arguments were looked at; the kernel caches answers that need none.
    pub(super) looked: bool,
}

/// Runs `insns` on `data`.
pub(super) fn run(insns: &[Insn], data: &Data) -> Outcome {
    let (mut at, mut acc, mut looked) = (0, 0, false);
    for steps in 1.. {
        let insn = insns[at];
        at += 1;
        let skip = |test: bool| usize::from(if test { insn.jt } else { insn.jf });
        match insn.code {
            0x20 => {
                looked |= insn.k >= 8;
                acc = word(data, insn.k);
            }
            0x54 => acc &= insn.k,
            0x05 => at += insn.k as usize,
            0x15 => at += skip(acc == insn.k),
            0x25 => at += skip(acc > insn.k),
            0x35 => at += skip(acc >= insn.k),
            0x06 => return Outcome { value: insn.k, steps, looked },
            code => panic!("instruction {code:#x} at {}", at - 1),
        }
    }
    unreachable!("jumps go forward")
}

/// The word at `offset` of a little-endian `struct seccomp_data`.
fn word(data: &Data, offset: u32) -> u32 {
    assert!(offset.is_multiple_of(4) && offset < 64, "load at {offset}");
    match offset {
        0 => data.nr,
        4 => data.arch,
        8 | 12 => 0,
        _ => {
            let arg = data.args[(offset as usize - 16) / 8];
            if offset.is_multiple_of(8) { arg as u32 } else { (arg >> 32) as u32 }
        }
    }
}
