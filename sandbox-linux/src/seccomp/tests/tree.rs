//! The search finds the segment of every number, however long the jumps.

use std::collections::BTreeMap;

use super::Data;
use super::interpreter::run;
use crate::seccomp::bpf::{Program, RET, stmt};
use crate::seccomp::tree::{Action, emit, segments};

const DEFAULT: Action = Action::Return(u32::MAX);

/// A program for `actions` alone; it starts with the number loaded, as after the real preamble.
fn program(actions: &BTreeMap<u32, Action>) -> Program {
    let leaves = vec![vec![stmt(RET, 1_000_001)], vec![stmt(0x20, 16), stmt(RET, 1_000_002)]];
    let mut insns = vec![stmt(0x20, 0)];
    insns.append(&mut emit(&segments(actions, DEFAULT), &leaves));
    Program::new(insns).expect("a program that loads")
}

fn answer(program: &Program, nr: u32) -> u32 {
    run(program.instructions(), &Data { nr, arch: 0, args: [0; 6] }).value
}

fn expected(actions: &BTreeMap<u32, Action>, nr: u32) -> u32 {
    match actions.get(&nr).unwrap_or(&DEFAULT) {
        Action::Return(value) => *value,
        Action::Leaf(index) => 1_000_001 + *index as u32,
    }
}

#[test]
fn long_jumps_reach() {
    let actions: BTreeMap<_, _> = (0..1200)
        .filter(|nr| nr % 7 != 3)
        .map(|nr| match nr % 5 {
            0 => (nr, Action::Leaf((nr % 2) as usize)),
            _ => (nr, Action::Return(nr * 3 + 1)),
        })
        .collect();
    let program = program(&actions);
    for nr in (0..1300).chain([u32::MAX, 1 << 30, 1 << 31]) {
        assert_eq!(answer(&program, nr), expected(&actions, nr), "number {nr}");
    }
}

#[test]
fn neighbours_merge() {
    let same = Action::Return(7);
    let actions = BTreeMap::from([(2, same), (3, same), (4, DEFAULT), (9, same)]);
    let firsts: Vec<_> = segments(&actions, DEFAULT).iter().map(|s| s.first).collect();
    assert_eq!(firsts, [0, 2, 4, 9, 10]);
    assert_eq!(segments(&BTreeMap::new(), DEFAULT).len(), 1);
    let program = program(&actions);
    for nr in 0..12 {
        assert_eq!(answer(&program, nr), expected(&actions, nr), "number {nr}");
    }
}

#[test]
fn programs_that_run_away_are_refused() {
    assert!(Program::new(vec![]).is_err());
    assert!(Program::new(vec![stmt(0x20, 0)]).is_err());
    assert!(Program::new(vec![stmt(0x05, 1), stmt(RET, 0)]).is_err());
    assert!(Program::new(vec![stmt(0x05, 0), stmt(RET, 0)]).is_ok());
    assert!(Program::new(vec![stmt(RET, 0); 4097]).is_err());
}
