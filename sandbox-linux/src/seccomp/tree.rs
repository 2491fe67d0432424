//! A binary search over system call numbers, as BPF.
//!
//! The line of numbers is cut into segments of equal action. The search halves the list of
//! segments with one comparison each, so every number is decided after about log2(segments)
//! instructions. This matters before any call is made: on attach the kernel runs the filter once
//! for each number to learn which are always allowed, and a chain of comparisons makes that the
//! most expensive part of a launch.
//!
//! An action is a plain return, which sits in the tree, or a leaf program, which looks at
//! arguments. Leaf programs follow the tree, each once however many numbers lead to it.

use std::collections::BTreeMap;

use super::bpf::{Insn, JA, JGE, jump, stmt};

/// Where a number leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Return this value.
    Return(u32),
    /// Run the leaf program with this index.
    Leaf(usize),
}

/// Numbers from `first` up to the next segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) first: u32,
    pub(super) action: Action,
}

/// Cuts the numbers 0 to `u32::MAX` into segments; what `actions` does not name is `default`.
pub(super) fn segments(actions: &BTreeMap<u32, Action>, default: Action) -> Vec<Segment> {
    let mut cut = Vec::new();
    let mut next = 0;
    for (&number, &action) in actions {
        if number > next {
            extend(&mut cut, next, default);
        }
        extend(&mut cut, number, action);
        next = number + 1;
    }
    extend(&mut cut, next, default);
    cut
}

/// Starts a segment at `first`, unless the last one already does the same.
fn extend(cut: &mut Vec<Segment>, first: u32, action: Action) {
    if cut.last().is_none_or(|last| last.action != action) {
        cut.push(Segment { first, action });
    }
}

/// The search over `segments`, which start at number 0, with the accumulator holding the number;
/// then `leaves`, each of which ends in a return.
pub(super) fn emit(segments: &[Segment], leaves: &[Vec<Insn>]) -> Vec<Insn> {
    let mut tree = Tree { insns: Vec::new(), calls: Vec::new() };
    tree.node(segments);
    tree.append(leaves);
    tree.insns
}

struct Tree {
    insns: Vec<Insn>,
    /// Jumps still without a target: their place and the leaf they lead to.
    calls: Vec<(usize, usize)>,
}

impl Tree {
    fn node(&mut self, segments: &[Segment]) {
        if let [segment] = segments {
            return self.leaf(segment.action);
        }
        let (low, high) = segments.split_at(segments.len() / 2);
        match u8::try_from(size(low)) {
            Ok(skip) => self.insns.push(jump(JGE, high[0].first, skip, 0)),
            Err(_) => {
                // Too far for a conditional jump: step on a long one.
                self.insns.push(jump(JGE, high[0].first, 0, 1));
                self.insns.push(stmt(JA, distance(size(low))));
            }
        }
        self.node(low);
        self.node(high);
    }

    fn leaf(&mut self, action: Action) {
        match action {
            Action::Return(value) => self.insns.push(stmt(super::bpf::RET, value)),
            Action::Leaf(index) => {
                self.calls.push((self.insns.len(), index));
                self.insns.push(stmt(JA, 0));
            }
        }
    }

    fn append(&mut self, leaves: &[Vec<Insn>]) {
        let mut starts = Vec::with_capacity(leaves.len());
        for leaf in leaves {
            starts.push(self.insns.len());
            self.insns.extend_from_slice(leaf);
        }
        for &(at, leaf) in &self.calls {
            self.insns[at].k = distance(starts[leaf] - at - 1);
        }
    }
}

/// The instructions that [`Tree::node`] emits for `segments`.
fn size(segments: &[Segment]) -> usize {
    if segments.len() == 1 {
        return 1;
    }
    let (low, high) = segments.split_at(segments.len() / 2);
    let low = size(low);
    let branch = if u8::try_from(low).is_ok() { 1 } else { 2 };
    branch + low + size(high)
}

/// A program too long for this type is refused for its length afterwards.
fn distance(insns: usize) -> u32 {
    u32::try_from(insns).unwrap_or(u32::MAX)
}
