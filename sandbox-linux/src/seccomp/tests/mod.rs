//! The filter is run in an interpreter, against a plain reading of the table; then a thread of
//! the test puts one on and looks.

mod interpreter;
mod shrink;
mod table;
mod tree;

#[cfg(target_os = "linux")]
mod agreement;
#[cfg(target_os = "linux")]
mod behaviour;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod live;
#[cfg(target_os = "linux")]
mod reference;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod sys;

use super::{Arch, FilterSpec, Metadata, Network, Profile, Scope};

/// What the kernel hands to a filter.
#[derive(Debug, Clone, Copy)]
struct Data {
    nr: u32,
    arch: u32,
    args: [u64; 6],
}

/// Every specification that compiles.
fn specs() -> Vec<FilterSpec> {
    let archs = [Arch::X86_64, Arch::Aarch64].into_iter();
    let mut specs: Vec<FilterSpec> = archs.flat_map(FilterSpec::all).collect();
    specs.retain(|spec| match spec.scope {
        Scope::Namespaced => spec.network != Network::Proxy,
        Scope::Shared => spec.profile != Profile::Debug,
    });
    specs
}

/// A small generator of numbers, so that all runs are alike.
struct Dice(u64);

impl Dice {
    fn roll<T: Copy>(&mut self, faces: &[T]) -> T {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        faces[(self.0 >> 11) as usize % faces.len()]
    }
}

/// The specification that most tests vary.
const PLAIN: FilterSpec = FilterSpec {
    arch: Arch::X86_64,
    scope: Scope::Namespaced,
    network: Network::None,
    profile: Profile::Default,
    metadata: Metadata::Allow,
};
