//! Program and table agree, for every number, architecture and specification.

use super::interpreter::{Outcome, run};
use super::reference::{judge, ruling, value};
use super::{Data, Dice, PLAIN, specs};
use crate::seccomp::args::{Cond, Test};
use crate::seccomp::ruling::Ruling;
use crate::seccomp::{
    Arch, Errno, FilterError, FilterSpec, Insn, Network, Profile, Program, Scope, Verdict, compile,
    describe, numbers,
};

/// Beyond the last number of either architecture.
const NUMBERS: std::ops::RangeInclusive<u32> = 0..=600;
/// The bit that marks x32 calls.
const X32: u32 = 0x4000_0000;
const AUDIT_I386: u32 = 0x4000_0003;
const AUDIT_ARM: u32 = 0x4000_0028;

fn program(spec: &FilterSpec) -> Program {
    compile(spec).unwrap_or_else(|error| panic!("{spec:?}: {error}"))
}

fn call(spec: &FilterSpec, nr: u32, args: [u64; 6]) -> Data {
    Data { nr, arch: spec.arch.audit(), args }
}

/// Values on both sides of each comparison of argument `arg`, some with high bits.
fn edges(ruling: &Ruling, arg: u8) -> Vec<u64> {
    let mut edges = vec![0, 1, u64::MAX, u64::from(u32::MAX), 1 << 32];
    let (Ruling::Checked { checks, .. } | Ruling::Asked { checks, .. }) = ruling else {
        return edges;
    };
    let conds = checks.iter().flat_map(|check| check.rules.iter().flatten());
    for Cond { test, .. } in conds.filter(|cond| cond.arg == arg) {
        let (mask, value) = match *test {
            Test::Is(v) | Test::IsNot(v) | Test::AtLeast(v) | Test::AtMost(v) => (v, v),
            Test::Bits { mask, value } => (mask, value),
        };
        for v in [value, value.wrapping_sub(1), value.wrapping_add(1), mask, !mask, value ^ mask] {
            edges.extend([v, v | 1 << 32, v ^ 1 << 63, v & 0xffff_ffff]);
        }
        edges.extend((0..64).map(|bit| 1 << bit).filter(|bit| mask & bit != 0));
    }
    edges
}

fn agree(spec: &FilterSpec, insns: &[Insn], expected: Option<&Ruling>, data: &Data) -> Outcome {
    let outcome = run(insns, data);
    assert_eq!(outcome.value, judge(spec, expected, data), "{spec:?} {data:x?}");
    outcome
}

#[test]
fn every_number_is_judged_as_the_table_says() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for spec in specs() {
        let program = program(&spec);
        for nr in NUMBERS {
            let expected = ruling(&spec, nr);
            let Some(ruling @ (Ruling::Checked { .. } | Ruling::Asked { .. })) = &expected else {
                for args in [[0; 6], [u64::MAX; 6]] {
                    let data = call(&spec, nr, args);
                    let outcome = agree(&spec, program.instructions(), expected.as_ref(), &data);
                    assert!(!outcome.looked && outcome.steps <= 20, "{data:x?} {outcome:?}");
                }
                continue;
            };
            let faces: [Vec<u64>; 6] = std::array::from_fn(|arg| edges(ruling, arg as u8));
            for _ in 0..800 {
                let args = std::array::from_fn(|arg| dice.roll(&faces[arg]));
                agree(&spec, program.instructions(), expected.as_ref(), &call(&spec, nr, args));
            }
        }
    }
}

#[test]
fn other_abis_find_no_calls() {
    let enosys = value(Some(Errno::ENOSYS));
    for spec in specs() {
        let program = program(&spec);
        let run = |data| run(program.instructions(), &data).value;
        for nr in NUMBERS {
            for high in [X32, 1 << 31, X32 | 1 << 31] {
                assert_eq!(run(call(&spec, nr | high, [0; 6])), enosys, "{nr:#x} | {high:#x}");
            }
            let own = spec.arch.audit();
            for arch in [AUDIT_I386, AUDIT_ARM, own ^ 1, own ^ 1 << 31, own ^ 1 << 30, 0] {
                assert_eq!(run(Data { nr, arch, args: [0; 6] }), enosys, "{nr} on {arch:#x}");
            }
        }
        for nr in [u32::MAX, u32::MAX - 1, i32::MAX as u32, X32 - 1] {
            assert_eq!(run(call(&spec, nr, [0; 6])), enosys);
        }
    }
}

#[test]
fn the_description_is_what_happens() {
    for spec in specs() {
        let program = program(&spec);
        for (name, verdict) in describe(&spec) {
            let nr = numbers::number(spec.arch, name).expect("described calls have a number");
            let outcome = run(program.instructions(), &call(&spec, nr, [0; 6]));
            match verdict {
                Verdict::Allow => assert_eq!((outcome.value, outcome.looked), (value(None), false)),
                Verdict::Errno(errno) => {
                    assert_eq!((outcome.value, outcome.looked), (value(Some(errno)), false));
                }
                Verdict::Checked(why) | Verdict::Asked(why) => {
                    assert!(outcome.looked && !why.is_empty(), "{name}");
                }
            }
        }
    }
}

/// The attach cost grows with both numbers, so growth should be noticed.
#[test]
fn programs_stay_small() {
    for spec in specs() {
        let program = program(&spec);
        assert!(program.len() <= 450, "{} instructions for {spec:?}", program.len());
        let deepest = NUMBERS
            .map(|nr| run(program.instructions(), &call(&spec, nr, [0; 6])))
            .filter(|outcome| !outcome.looked)
            .map(|outcome| outcome.steps)
            .max();
        assert!(deepest <= Some(16), "{deepest:?} steps for {spec:?}");
    }
}

#[test]
fn debugging_needs_namespaces() {
    let spec = FilterSpec { profile: Profile::Debug, scope: Scope::Shared, ..PLAIN };
    assert!(matches!(compile(&spec), Err(FilterError::DebugNeedsNamespaces)));
}

#[test]
fn a_proxy_needs_the_hosts_namespaces() {
    let spec = FilterSpec { network: Network::Proxy, ..PLAIN };
    assert!(matches!(compile(&spec), Err(FilterError::ProxyNeedsHost)));
}

#[test]
fn bytes_are_the_kernels_layout() {
    let program = program(&FilterSpec { arch: Arch::Aarch64, ..PLAIN });
    let bytes = program.to_bytes();
    assert_eq!((size_of::<Insn>(), bytes.len()), (8, program.len() * 8));
    let word = |at: usize| u32::from_ne_bytes([0, 1, 2, 3].map(|byte| bytes[at + byte]));
    for (at, insn) in program.instructions().iter().enumerate() {
        let head = [8 * at, 8 * at + 1].map(|byte| bytes[byte]);
        assert_eq!(u16::from_ne_bytes(head), insn.code);
        assert_eq!([bytes[8 * at + 2], bytes[8 * at + 3]], [insn.jt, insn.jf]);
        assert_eq!(word(8 * at + 4), insn.k);
    }
    // The first thing is the architecture.
    assert_eq!((bytes[0], word(4), word(12)), (0x20, 4, 0xc000_00b7));
}
