//! Builds the static helper, `src/init`, and compiles the system-call filters; leaves both where
//! the library embeds them.
//!
//! The helper is a program for the target, without a standard library, so it is compiled by a
//! direct call of the compiler: no other package, no network, the same under check, clippy and doc.
//! It is linked by rust-lld where the toolchain has it, else by the system's linkers. For targets
//! other than Linux the file is empty and nothing uses it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[allow(dead_code, unreachable_pub, unused_imports, reason = "the library uses the rest")]
#[allow(clippy::upper_case_acronyms, reason = "the names of errors, public in the library")]
#[path = "src/seccomp/mod.rs"]
mod seccomp;

fn main() {
    println!("cargo::rerun-if-changed=src/init");
    println!("cargo::rerun-if-changed=src/seccomp");
    println!("cargo::rerun-if-changed=build.rs");
    let variable = |name: &str| env::var(name).unwrap_or_default();
    let arch = variable("CARGO_CFG_TARGET_ARCH");
    let folder = PathBuf::from(variable("OUT_DIR"));
    filters(&folder, &arch);
    let out = folder.join("sandbox-init");
    if variable("CARGO_CFG_TARGET_OS") != "linux" || !["x86_64", "aarch64"].contains(&&*arch) {
        fs::write(&out, []).expect("OUT_DIR can be written");
        return;
    }
    let mut failures = String::new();
    for linker in linkers(&arch) {
        match build(&out, &linker) {
            Ok(()) => return,
            Err(failure) => failures.push_str(&format!("\n{}: {failure}", linker.join(" "))),
        }
    }
    panic!("the static helper could not be built with any linker:{failures}");
}

/// Compiles every filter of the target, if this host has the compiler of their rules.
fn filters(folder: &Path, arch: &str) {
    let arch = match arch {
        "x86_64" => Some(seccomp::Arch::X86_64),
        "aarch64" => Some(seccomp::Arch::Aarch64),
        _ => None,
    };
    let specs = arch.into_iter().flat_map(seccomp::FilterSpec::all);
    let mut list = String::new();
    for (place, spec) in specs.enumerate() {
        let program = seccomp::compile(&spec).map(|program| program.to_bytes());
        let name = format!("filter-{place}");
        fs::write(folder.join(&name), program.unwrap_or_default()).expect("OUT_DIR can be written");
        list.push_str(&format!("include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}\")),\n"));
    }
    fs::write(folder.join("filters.rs"), format!("&[{list}]")).expect("OUT_DIR can be written");
}

/// The linkers to try, each as compiler flags.
fn linkers(arch: &str) -> Vec<Vec<String>> {
    let flags = |linker: &str, flavor: &str, prefix: &str| {
        let argument = |text: &str| format!("-Clink-arg={prefix}{text}");
        let mut all = vec![format!("-Clinker={linker}"), format!("-Clinker-flavor={flavor}")];
        all.extend(["-nostdlib", "-static"].map(|text| format!("-Clink-arg={text}")));
        all.extend(["--gc-sections", "--build-id=none", "-znoseparate-code"].map(argument));
        all
    };
    vec![
        flags("rust-lld", "ld.lld", ""),
        flags("ld.lld", "ld.lld", ""),
        flags(&format!("{arch}-linux-gnu-ld"), "ld", ""),
        flags("ld", "ld", ""),
        flags("cc", "gcc", "-Wl,"),
    ]
}

fn build(out: &PathBuf, linker: &[String]) -> Result<(), String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(rustc);
    command
        .args([
            "--edition=2024",
            "--crate-type=bin",
            "--crate-name=sandbox_init",
            "--cap-lints=allow",
        ])
        .arg(format!("--target={}", env::var("TARGET").unwrap_or_default()))
        .args(["-Copt-level=s", "-Cpanic=abort", "-Crelocation-model=static", "-Cstrip=symbols"])
        .args(["-Ctarget-feature=+crt-static", "-Coverflow-checks=off", "-Cdebug-assertions=off"])
        .args(linker)
        .arg("-o")
        .arg(out)
        .arg("src/init/main.rs");
    // What a user's build is wrapped in is not meant for this program.
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"]
    {
        command.env_remove(name);
    }
    let ran = command.output().map_err(|error| error.to_string())?;
    if ran.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&ran.stderr).into_owned())
}
