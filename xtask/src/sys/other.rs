//! Where there are no Unix users, modes or process groups.

use std::io;
use std::path::Path;
use std::process::{Child, Command};

pub(crate) fn is_root() -> bool {
    false
}

pub(crate) fn is_executable(file: &Path) -> bool {
    file.is_file()
}

pub(crate) fn give_to(_path: &Path, _id: u32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn set_mode(_path: &Path, _mode: u32) -> io::Result<()> {
    Ok(())
}

pub(crate) fn lead_group(_command: &mut Command) {}

pub(crate) fn end(child: &mut Child) -> io::Result<()> {
    child.kill()
}
