//! `sandbox doctor`: what this machine can confine with.

use sandbox_core::SandboxCapabilities;

use crate::args::{BackendChoice, DoctorArgs};
use crate::failure::Failure;
use crate::output::{self, doctor::Diagnosis};
use crate::platform;

/// Tries every mechanism; succeeds if commands can be confined.
pub(super) fn doctor(args: &DoctorArgs) -> Result<i32, Failure> {
    // Where there is no backend, the checks say why.
    let capabilities = platform::backend(BackendChoice::Auto)
        .map_or_else(|_| SandboxCapabilities::default(), |backend| backend.capabilities());
    let diagnosis = Diagnosis::new(platform::checks(), capabilities);
    if args.json {
        output::print_json(&diagnosis)?;
    } else {
        output::print(&diagnosis.text())?;
    }
    Ok(i32::from(!diagnosis.usable()))
}
