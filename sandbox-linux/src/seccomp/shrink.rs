//! Makes a program shorter without changing its answers.
//!
//! To attach a filter the kernel translates every instruction to machine code, which costs more
//! than all the rest of the attaching; and rules that are compiled one by one and strung together
//! repeat themselves. Three things are taken out: jumps to jumps, loads of what the accumulator
//! already holds, and returns that another return within reach can stand for.
//!
//! Jumps lead forward only, and that makes two passes enough. The first goes forward and finds
//! out, for each instruction that can be reached, what the accumulator holds and which
//! instructions really follow. The second goes backward and writes; it always knows where the
//! targets of a jump have come to lie, and writes a stepping stone where one lies too far.

use std::collections::BTreeMap;

use super::bpf::{AND, Insn, JA, JEQ, JGE, JGT, LD, RET, jump, stmt};

/// The same program with fewer instructions; `insns` must be one that loads.
pub(super) fn shrink(insns: &[Insn]) -> Vec<Insn> {
    let follows = trace(insns);
    let mut writer = Writer { source: insns, ..Writer::default() };
    for (at, next) in follows.iter().enumerate().rev() {
        if let Some([yes, no]) = *next {
            writer.write(at, yes, no);
        }
    }
    writer.reversed.reverse();
    writer.reversed
}

/// What the accumulator holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    /// The word at this offset.
    Word(u32),
    /// The word at this offset under a mask.
    Masked(u32, u32),
    /// It depends on the way here.
    Various,
}

/// For each instruction that can be reached and is no jump by itself: what follows it, if a test
/// holds and if not.
fn trace(insns: &[Insn]) -> Vec<Option<[usize; 2]>> {
    let mut held = vec![None; insns.len()];
    let mut follows = vec![None; insns.len()];
    held[settle(insns, 0, Held::Various)] = Some(Held::Various);
    for (at, &insn) in insns.iter().enumerate() {
        let Some(before) = held[at] else { continue };
        let after = match (insn.code, before) {
            (LD, _) => Held::Word(insn.k),
            (AND, Held::Word(offset)) => Held::Masked(offset, insn.k),
            (AND, _) => Held::Various,
            _ => before,
        };
        let next = match insn.code {
            RET => [at; 2],
            JEQ | JGT | JGE => {
                [insn.jt, insn.jf].map(|skip| settle(insns, at + 1 + usize::from(skip), after))
            }
            _ => [settle(insns, at + 1, after); 2],
        };
        for to in next.into_iter().filter(|&to| to > at) {
            let here = held[to].get_or_insert(after);
            if *here != after {
                *here = Held::Various;
            }
        }
        follows[at] = Some(next);
    }
    follows
}

/// The first instruction from `at` on that does something, given what is held.
fn settle(insns: &[Insn], mut at: usize, held: Held) -> usize {
    loop {
        let insn = insns[at];
        let next = insns.get(at + 1).filter(|next| next.code == AND);
        at += match (insn.code, held) {
            (JA, _) => 1 + insn.k as usize,
            (LD, Held::Word(offset)) if insn.k == offset => 1,
            (LD, Held::Masked(offset, mask))
                if insn.k == offset && next.is_some_and(|next| next.k == mask) =>
            {
                2
            }
            _ => return at,
        };
    }
}

/// Further than a conditional jump leads, less the two stepping stones that one may need.
const FAR: usize = 253;

/// Writes the program from its end.
#[derive(Default)]
struct Writer<'a> {
    source: &'a [Insn],
    reversed: Vec<Insn>,
    /// Where instructions of the source have come to lie, counted from the end.
    places: BTreeMap<usize, usize>,
    /// Where the latest return of each value lies.
    returns: BTreeMap<u32, usize>,
}

impl Writer<'_> {
    fn write(&mut self, at: usize, yes: usize, no: usize) {
        let insn = self.source[at];
        let written = match insn.code {
            // Written where a jump wants it.
            RET => return,
            JEQ | JGT | JGE => {
                let (no, yes) = (self.within_reach(no), self.within_reach(yes));
                jump(insn.code, insn.k, self.skip(yes), self.skip(no))
            }
            _ => {
                self.adjoin(yes);
                insn
            }
        };
        self.places.insert(at, self.reversed.len());
        self.reversed.push(written);
    }

    /// The place of `target`, or of a stand-in for it, in reach of a conditional jump.
    fn within_reach(&mut self, target: usize) -> usize {
        match self.place(target) {
            Some(place) if self.reversed.len() - place <= FAR => place,
            _ => self.stand_in(target),
        }
    }

    /// Makes `target` or a stand-in for it the latest instruction written.
    fn adjoin(&mut self, target: usize) {
        if self.place(target).is_none_or(|place| place + 1 != self.reversed.len()) {
            self.stand_in(target);
        }
    }

    fn place(&self, target: usize) -> Option<usize> {
        match self.source[target] {
            Insn { code: RET, k, .. } => self.returns.get(&k).copied(),
            _ => self.places.get(&target).copied(),
        }
    }

    /// Writes the return that `target` is, or else a jump to it.
    fn stand_in(&mut self, target: usize) -> usize {
        let here = self.reversed.len();
        let insn = self.source[target];
        if insn.code == RET {
            self.returns.insert(insn.k, here);
            self.reversed.push(insn);
        } else {
            // Targets lie behind their jumps, so that this one has been written.
            let skip = here - self.places[&target] - 1;
            self.reversed.push(stmt(JA, u32::try_from(skip).unwrap_or(u32::MAX)));
        }
        here
    }

    /// The instructions to skip from the next one written to the one at `place`.
    fn skip(&self, place: usize) -> u8 {
        u8::try_from(self.reversed.len() - place - 1).unwrap_or(u8::MAX)
    }
}
