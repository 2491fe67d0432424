//! The library's contenders, where there is no Linux: none.

use std::path::Path;

use anyhow::{Result, bail};

use super::contenders::Contender;

pub(super) fn open(name: &str, _: &Path) -> Result<Box<dyn Contender>> {
    bail!("{name} is a tier of Linux")
}

pub(super) fn session(_: &Path, _: Option<usize>) -> Result<Box<dyn Contender>> {
    bail!("sessions of Linux are measured on Linux")
}
