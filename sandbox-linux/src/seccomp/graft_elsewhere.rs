//! The rule compiler is a Linux crate; on other hosts the table can be read but not compiled.

use super::args::Check;
use super::bpf::Insn;
use super::error::FilterError;
use super::spec::Arch;

/// Always fails.
pub(super) fn leaf(
    _: Arch,
    call: &'static str,
    _: &[Check],
    _: u32,
) -> Result<Vec<Insn>, FilterError> {
    let source = std::io::Error::from(std::io::ErrorKind::Unsupported);
    Err(FilterError::Rules { call, source: source.into() })
}
