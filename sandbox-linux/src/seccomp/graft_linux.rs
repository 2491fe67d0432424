//! Argument checks to BPF, by `seccompiler`.
//!
//! Each check is compiled as a filter for one system call, of which we keep the part behind the
//! comparison of the number: classic BPF jumps forward by relative distances, so that part runs
//! anywhere. The parts of several checks are strung together by turning the "allow" of each but
//! the last into a jump to the next.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

use super::args::{Check, Cond, Rule, Sense, Test, Width};
use super::bpf::{Insn, JA, JEQ, LD, RET, RET_ALLOW, stmt};
use super::error::FilterError;
use super::spec::Arch;

/// Stands for the call in the one-call filters; the tree has done the real comparison.
const CALL: u32 = 0;
/// What `seccompiler` puts before the rules: three instructions to check the architecture, then
/// the number's load and comparison.
const PROLOGUE: usize = 5;

/// The leaf program that applies `checks` in order to the arguments of `call`, and returns `passed`
/// for those that pass all.
pub(super) fn leaf(
    arch: Arch,
    call: &'static str,
    checks: &[Check],
    passed: u32,
) -> Result<Vec<Insn>, FilterError> {
    let mut leaf = Vec::new();
    for (index, check) in checks.iter().enumerate() {
        let mut body = compile(arch, check)
            .map_err(|source| FilterError::Rules { call, source: source.into() })
            .and_then(|program| rules_of(call, &program))?;
        if index + 1 < checks.len() {
            chain(&mut body);
        } else {
            let allowed = body.iter_mut().filter(|insn| (insn.code, insn.k) == (RET, RET_ALLOW));
            allowed.for_each(|insn| insn.k = passed);
        }
        leaf.append(&mut body);
    }
    Ok(leaf)
}

fn compile(arch: Arch, check: &Check) -> Result<BpfProgram, BackendError> {
    let fail = SeccompAction::Errno(u32::from(check.errno.number()));
    let (otherwise, on_match) = match check.sense {
        Sense::Refuse => (SeccompAction::Allow, fail),
        Sense::Require => (fail, SeccompAction::Allow),
    };
    let rules = check.rules.iter().map(rule).collect::<Result<Vec<_>, _>>()?;
    let arch = match arch {
        Arch::X86_64 => TargetArch::x86_64,
        Arch::Aarch64 => TargetArch::aarch64,
    };
    let rules = BTreeMap::from([(i64::from(CALL), rules)]);
    SeccompFilter::new(rules, otherwise, on_match, arch)?.try_into()
}

fn rule(rule: &Rule) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(rule.iter().map(condition).collect::<Result<_, _>>()?)
}

fn condition(cond: &Cond) -> Result<SeccompCondition, BackendError> {
    let width = match cond.width {
        Width::Word => SeccompCmpArgLen::Dword,
        Width::Whole => SeccompCmpArgLen::Qword,
    };
    let (operator, value) = match cond.test {
        Test::Is(value) => (SeccompCmpOp::Eq, value),
        Test::IsNot(value) => (SeccompCmpOp::Ne, value),
        Test::AtLeast(value) => (SeccompCmpOp::Ge, value),
        Test::AtMost(value) => (SeccompCmpOp::Le, value),
        Test::Bits { mask, value } => (SeccompCmpOp::MaskedEq(mask), value),
    };
    SeccompCondition::new(cond.arg, width, operator, value)
}

/// The instructions behind the prologue, after a look that it is the prologue we know.
fn rules_of(call: &'static str, program: &BpfProgram) -> Result<Vec<Insn>, FilterError> {
    let insns: Vec<Insn> = program
        .iter()
        .map(|insn| Insn { code: insn.code, jt: insn.jt, jf: insn.jf, k: insn.k })
        .collect();
    match insns.split_at_checked(PROLOGUE) {
        Some((prologue, rules))
            if prologue.iter().map(|insn| insn.code).eq([LD, JEQ, RET, LD, JEQ])
                && (prologue[4].jt, prologue[4].k) == (0, CALL) =>
        {
            Ok(rules.to_vec())
        }
        _ => Err(FilterError::Rules { call, source: "unknown shape of filter".into() }),
    }
}

/// Makes the program go on behind its end where it would allow the call.
fn chain(body: &mut [Insn]) {
    let len = body.len();
    for (at, insn) in body.iter_mut().enumerate() {
        if (insn.code, insn.k) == (RET, RET_ALLOW) {
            // At most a few hundred instructions, as the whole program is checked to be.
            *insn = stmt(JA, u32::try_from(len - at - 1).unwrap_or(u32::MAX));
        }
    }
}
