//! The suite of behaviours, for both tiers. Run it as root and as an ordinary user.

use std::process::ExitCode;

use sandbox_core::conformance::{self, Subject};
use sandbox_linux::{TierChoice, backend_with};

fn main() -> ExitCode {
    conformance::main(|| {
        vec![
            Subject::new("landlock", backend_with(TierChoice::Landlock)),
            Subject::new("namespaces", backend_with(TierChoice::Namespaces)),
        ]
    })
}
