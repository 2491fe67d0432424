//! `--setup`: installs what the cells need, after printing what that is.
//!
//! Only what is missing is installed, which on a prepared machine is nothing and takes no time.
//! The command is printed before it runs; a user who is not root gets it to run by hand.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use super::console::Console;
use crate::{sys, workspace};

/// A command and the Debian package that brings it.
struct Need {
    command: &'static str,
    package: &'static str,
}

#[rustfmt::skip]
const NEEDS: &[Need] = &[
    Need { command: "bwrap", package: "bubblewrap" },
    Need { command: "curl", package: "curl" },
    Need { command: "gcc", package: "gcc" },
    // It belongs to what libc6-dev depends on, which has no command itself.
    Need { command: "gencat", package: "libc6-dev" },
    Need { command: "git", package: "git" },
    Need { command: "infocmp", package: "ncurses-bin" },
    Need { command: "java", package: "default-jdk-headless" },
    Need { command: "less", package: "less" },
    Need { command: "make", package: "make" },
    Need { command: "node", package: "nodejs" },
    Need { command: "ps", package: "procps" },
    Need { command: "python3", package: "python3" },
    Need { command: "setpriv", package: "util-linux" },
    Need { command: "ssh", package: "openssh-client" },
];

/// Package managers that are known by name only.
const OTHERS: &[&str] = &["dnf", "apk", "pacman", "zypper"];

pub(super) fn run(console: &Console) -> Result<()> {
    if std::env::consts::OS == "linux" {
        system_packages(console)?;
    }
    cargo_deny(console)
}

fn system_packages(console: &Console) -> Result<()> {
    let missing = missing(|command| workspace::on_path(command).is_some());
    if missing.is_empty() {
        console.line("setup: every system package is there");
        return Ok(());
    }
    if workspace::on_path("apt-get").is_none() {
        let other = OTHERS.iter().find(|name| workspace::on_path(name).is_some());
        let manager = other.unwrap_or(&"the system's package manager");
        bail!("install these with {manager}, under whatever names it has: {}", missing.join(" "));
    }
    let install = [&["apt-get", "install", "--yes", "--no-install-recommends"], &missing[..]];
    let install = install.concat();
    let update = ["apt-get", "update"];
    console.line(&format!("setup: {} && {}", update.join(" "), install.join(" ")));
    ensure!(sys::is_root(), "only root can install packages; run the commands above as root");
    execute(&update)?;
    execute(&install)
}

/// The packages whose command is not there.
fn missing(is_there: impl Fn(&str) -> bool) -> Vec<&'static str> {
    NEEDS.iter().filter(|need| !is_there(need.command)).map(|need| need.package).collect()
}

/// cargo-deny goes where cargo looks for its subcommands; building it takes a few minutes.
fn cargo_deny(console: &Console) -> Result<()> {
    if workspace::on_path("cargo-deny").is_some() {
        console.line("setup: cargo-deny is there");
        return Ok(());
    }
    let install = ["cargo", "install", "cargo-deny", "--locked"];
    console.line(&format!("setup: {}", install.join(" ")));
    execute(&install)
}

fn execute(words: &[&str]) -> Result<()> {
    let status = Command::new(words[0])
        .args(&words[1..])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        // Standard output may be the place of the results.
        .stdout(std::io::stderr())
        .status()
        .with_context(|| format!("run {}", words[0]))?;
    ensure!(status.success(), "{}: {status}", words.join(" "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::missing;

    #[test]
    fn only_what_is_missing_is_installed() {
        assert_eq!(
            missing(|command| command != "bwrap" && command != "ps"),
            ["bubblewrap", "procps"]
        );
        assert!(missing(|_| true).is_empty());
    }
}
