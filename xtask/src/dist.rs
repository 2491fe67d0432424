//! `dist`: the release binary as it is given away, in `dist` in the target directory.
//!
//! On Linux it is a static, position independent executable: one file that runs on every
//! distribution, in an initramfs and in a container without a libc. The flags are passed for
//! an explicit target, since flags without one reach build scripts and procedural macros too,
//! which must be linked dynamically.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};

use crate::workspace::Workspace;

const STATIC: &str = r#"["-C", "target-feature=+crt-static", "-C", "relocation-model=pie"]"#;

pub(crate) fn run() -> Result<ExitCode> {
    let binary = build(&Workspace::locate()?)?;
    let size = fs::metadata(&binary)?.len();
    println!("{} ({:.2} MiB)", binary.display(), size as f64 / f64::from(1 << 20));
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn build(workspace: &Workspace) -> Result<PathBuf> {
    let triple = host_triple()?;
    let is_linux = triple.contains("-linux-");
    let mut command = workspace.cargo();
    command.args(["build", "--release", "--package", "sandbox-cli", "--target", &triple]);
    if is_linux {
        command.arg("--config").arg(format!("target.{triple}.rustflags={STATIC}"));
    }
    let status = command.status().context("run cargo build")?;
    ensure!(status.success(), "cargo build: {status}");
    let name = format!("sandbox{}", std::env::consts::EXE_SUFFIX);
    let built = workspace.target.join(&triple).join("release").join(&name);
    let bytes = fs::read(&built).with_context(|| format!("read {}", built.display()))?;
    ensure!(!is_linux || is_static(&bytes), "{} wants an interpreter", built.display());
    let dist = workspace.target.join("dist");
    fs::create_dir_all(&dist).with_context(|| format!("create {}", dist.display()))?;
    // Through a rename: a copy over a binary that is running fails.
    let (part, copy) = (dist.join(format!("{name}.part")), dist.join(&name));
    fs::copy(&built, &part).with_context(|| format!("copy to {}", part.display()))?;
    fs::rename(&part, &copy).with_context(|| format!("rename to {}", copy.display()))?;
    Ok(copy)
}

fn host_triple() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("run rustc -vV")?;
    let text = String::from_utf8(output.stdout).context("read what rustc says")?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(String::from).context("rustc names no host")
}

/// Whether a 64-bit little-endian ELF file has no program header of type PT_INTERP (elf(5)).
fn is_static(elf: &[u8]) -> bool {
    const PT_INTERP: u64 = 3;
    let number = |at: usize, width: usize| {
        let mut bytes = [0_u8; 8];
        bytes[..width].copy_from_slice(elf.get(at..at + width)?);
        Some(u64::from_le_bytes(bytes))
    };
    let scan = || {
        let (table, size, count) = (number(0x20, 8)?, number(0x36, 2)?, number(0x38, 2)?);
        let types: Option<Vec<u64>> = (0..count)
            .map(|index| number(usize::try_from(table + index * size).ok()?, 4))
            .collect();
        Some(!types?.contains(&PT_INTERP))
    };
    elf.starts_with(b"\x7fELF\x02\x01") && scan().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::is_static;

    fn elf(program_header: u8) -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01".to_vec();
        bytes.resize(64 + 56, 0);
        (bytes[0x20], bytes[0x36], bytes[0x38]) = (64, 56, 1);
        bytes[64] = program_header;
        bytes
    }

    #[test]
    fn an_interpreter_is_seen() {
        assert!(is_static(&elf(1)));
        assert!(!is_static(&elf(3)));
    }

    #[test]
    fn what_is_no_whole_elf_file_is_not_static() {
        assert!(!is_static(b"#!/bin/sh"));
        assert!(!is_static(&elf(1)[..66]));
        assert!(!is_static(&elf(1)[..20]));
    }
}
