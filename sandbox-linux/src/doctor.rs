//! Tries each mechanism.
use sandbox_core::doctor::Check;

/// Every mechanism, tried.
#[must_use]
pub fn checks() -> Vec<Check> {
    Vec::new()
}
