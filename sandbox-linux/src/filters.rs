//! Filters that were compiled with this library: compiling one takes as long as a third of a launch.
//!
//! A filter depends on five closed questions, so there are few. build.rs runs the compiler of
//! [`seccomp`](crate::seccomp) over all of them; where it could not, on a host other than Linux,
//! the compiler runs when a filter is wanted.

use std::borrow::Cow;

use sandbox_core::{Result, SandboxError};

use crate::seccomp::{FilterSpec, compile};

/// The programs in the order of [`FilterSpec::all`]; empty where a specification has none.
static READY: &[&[u8]] = include!(concat!(env!("OUT_DIR"), "/filters.rs"));

/// The size of an instruction (`struct sock_filter`).
pub(crate) const INSTRUCTION: usize = 8;

/// The program for a specification, as the kernel reads it.
///
/// # Errors
/// As [`compile`].
pub(crate) fn filter(spec: &FilterSpec) -> Result<Cow<'static, [u8]>> {
    let place = FilterSpec::all(spec.arch).position(|known| known == *spec);
    match place.and_then(|place| READY.get(place)) {
        Some(program) if !program.is_empty() => Ok(Cow::Borrowed(program)),
        _ => match compile(spec) {
            Ok(program) => Ok(Cow::Owned(program.to_bytes())),
            Err(error) => Err(SandboxError::Launch {
                step: "compile the system-call filter".into(),
                source: std::io::Error::other(error),
            }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{READY, filter};
    use crate::seccomp::{Arch, FilterSpec, compile};

    #[test]
    fn each_is_what_the_compiler_makes_of_its_specification() {
        let arch = Arch::native().expect("a known processor");
        let mut ready = 0;
        for (place, spec) in FilterSpec::all(arch).enumerate() {
            let made = compile(&spec).map(|program| program.to_bytes());
            match filter(&spec) {
                Ok(program) => assert_eq!(program, made.expect("a program"), "{spec:?}"),
                Err(_) => assert!(made.is_err(), "{spec:?}"),
            }
            ready += usize::from(!READY[place].is_empty());
        }
        assert_eq!(ready, 24, "of 36, 12 have none");
    }
}
