//! A shrunk program answers as the one it came from.

use super::interpreter::run;
use super::{Data, Dice};
use crate::seccomp::bpf::{AND, Insn, JA, JEQ, JGE, JGT, LD, Program, RET, jump, stmt};
use crate::seccomp::shrink::shrink;

/// A random program of `len` instructions and some returns.
fn program(dice: &mut Dice, len: usize) -> Vec<Insn> {
    let mut insns = vec![stmt(LD, 16)];
    for at in 1..len {
        let room = (len - at - 1).min(255);
        let mut skip = || dice.roll(&[0, 0, 1, 2, 3, 9, 254, 255]).min(room as u8);
        let (jt, jf) = (skip(), skip());
        let k = dice.roll(&[0, 1, 2, 3, 7]);
        insns.push(match dice.roll(&[LD, LD, AND, JA, JEQ, JEQ, JEQ, JGT, JGE, RET]) {
            LD => stmt(LD, dice.roll(&[0, 16, 24])),
            JA => stmt(JA, u32::from(jt)),
            code @ (JEQ | JGT | JGE) => jump(code, k, jt, jf),
            code => stmt(code, k),
        });
    }
    insns.push(stmt(RET, 99));
    insns
}

#[test]
fn answers_stay() {
    let mut dice = Dice(0x1234_5678_9abc_def1);
    for round in 0..3000 {
        let insns = program(&mut dice, if round % 10 == 0 { 900 } else { 40 });
        let short = shrink(&insns);
        assert!(Program::new(short.clone()).is_ok(), "{insns:?}\n{short:?}");
        for _ in 0..20 {
            let mut word = || dice.roll(&[0u64, 1, 2, 3, 4, 6, 7, 8]);
            let data = Data { nr: word() as u32, arch: 0, args: [word(), word(), 0, 0, 0, 0] };
            let (long, short) = (run(&insns, &data), run(&short, &data));
            assert_eq!(long.value, short.value, "{data:?}");
        }
    }
}

#[test]
fn repetitions_go() {
    let long = [
        stmt(LD, 16),
        jump(JEQ, 1, 0, 1),
        stmt(RET, 5),
        stmt(JA, 1),
        stmt(RET, 8),
        stmt(LD, 16),
        jump(JEQ, 2, 0, 1),
        stmt(RET, 5),
        stmt(RET, 6),
    ];
    let short = [stmt(LD, 16), jump(JEQ, 1, 1, 0), jump(JEQ, 2, 0, 1), stmt(RET, 5), stmt(RET, 6)];
    assert_eq!(shrink(&long), short);
}

/// Six hundred returns lie between the first test and its target.
#[test]
fn far_targets_are_reached_by_steps() {
    let mut insns = vec![stmt(LD, 16), jump(JEQ, 9, 0, 1), stmt(JA, 1200)];
    insns.extend((0..600).flat_map(|k| [jump(JEQ, 1000 + k, 0, 1), stmt(RET, 10 + k)]));
    insns.extend([stmt(LD, 24), jump(JEQ, 3, 0, 1), stmt(RET, 1), stmt(RET, 2)]);
    let short = shrink(&insns);
    for (first, second) in [(9, 3), (9, 4), (1000, 3), (1599, 3), (5, 3), (5, 5)] {
        let data = Data { nr: 0, arch: 0, args: [first, second, 0, 0, 0, 0] };
        assert_eq!(run(&insns, &data).value, run(&short, &data).value);
    }
}

#[test]
fn masked_repetitions_go() {
    let masked =
        |value, answer| [stmt(LD, 16), stmt(AND, 7), jump(JEQ, value, 0, 1), stmt(RET, answer)];
    let long = [masked(1, 5).as_slice(), &masked(2, 6), &[stmt(RET, 8)]].concat();
    let short = shrink(&long);
    assert_eq!(short.iter().filter(|insn| insn.code == LD).count(), 1);
    assert_eq!(short.iter().filter(|insn| insn.code == AND).count(), 1);
}

/// A word under two masks is not the word under the first.
#[test]
fn masks_add_up() {
    let twice = [stmt(LD, 16), stmt(AND, 7), stmt(AND, 1), jump(JEQ, 1, 0, 1), stmt(RET, 5)];
    let once = [stmt(LD, 16), stmt(AND, 7), jump(JEQ, 2, 0, 1), stmt(RET, 6), stmt(RET, 8)];
    let long = [twice.as_slice(), &once].concat();
    let data = Data { nr: 0, arch: 0, args: [2, 0, 0, 0, 0, 0] };
    assert_eq!(run(&shrink(&long), &data).value, 6);
}

/// Targets around the end of a conditional jump's reach.
#[test]
fn reach_ends_where_the_kernel_says() {
    for gap in 245..265 {
        let mut insns = vec![stmt(LD, 16), jump(JEQ, 9, 0, 1), stmt(JA, gap)];
        insns.extend((0..gap).map(|_| stmt(AND, 3)));
        insns.extend([jump(JGT, 5, 0, 1), stmt(RET, 1), stmt(RET, 2)]);
        for first in [9, 7] {
            let data = Data { nr: 0, arch: 0, args: [first, 0, 0, 0, 0, 0] };
            assert_eq!(run(&insns, &data).value, run(&shrink(&insns), &data).value, "gap {gap}");
        }
    }
}
