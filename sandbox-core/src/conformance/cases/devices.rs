//! The devices that programs need are there, and no others.

use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};

use crate::capability::Feature::{FilesystemRead, FilesystemWrite};
use crate::conformance::context::{Context, all_allowed, all_refused, at};
use crate::conformance::{Case, Verdict};

pub(super) const CASES: &[Case] = &[
    Case::works("devices::null_takes_and_random_gives", needed),
    Case::promise("devices::no_other_device_can_be_opened", &[FilesystemRead], others),
    Case::promise("devices::none_can_be_made", &[FilesystemWrite], made),
    Case::promise("devices::kernel_settings_cannot_be_written", &[FilesystemWrite], settings),
];

/// What everybody may open.
const NEEDED: [&str; 9] =
    ["null", "zero", "full", "random", "urandom", "tty", "ptmx", "console", "stdin"];

fn needed(cx: &Context<'_>) -> Verdict {
    all_allowed(&cx.ask(
        cx.policy()?,
        &[
            &["write", "/dev/null", "x"],
            &["put", "/dev/null", "x"],
            &["read", "/dev/zero"],
            &["read", "/dev/urandom"],
            &["list", "/proc/self"],
            &["read", "/proc/self/status"],
        ],
    )?)
}

/// Whatever the caller itself can open, but for the needed ones.
fn others(cx: &Context<'_>) -> Verdict {
    // Without waiting: some devices block until there is something to read.
    let opens = |path: &std::path::Path| {
        File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path).is_ok()
    };
    let mut commands = vec![["open-write".to_owned(), "/dev/kmsg".to_owned()]];
    for entry in fs::read_dir("/dev")?.flatten() {
        let kind = entry.file_type()?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let device = kind.is_block_device() || kind.is_char_device();
        let terminal = name.starts_with("tty") || name.starts_with("vcs") || name == "hvc0";
        if device && !terminal && !NEEDED.contains(&name.as_str()) && opens(&entry.path()) {
            commands.push(["open-read".to_owned(), at(&entry.path(), "")]);
        }
    }
    let commands: Vec<&[String]> = commands.iter().map(|c| &c[..]).collect();
    all_refused(&cx.ask(cx.policy()?, &commands)?)
}

fn made(cx: &Context<'_>) -> Verdict {
    cx.ask_one(cx.policy()?, &["device", &at(&cx.ws, "node")])?.refused()
}

fn settings(cx: &Context<'_>) -> Verdict {
    all_refused(&cx.ask(
        cx.policy()?,
        &[
            &["open-write", "/proc/sys/kernel/core_pattern"],
            &["open-write", "/proc/sys/vm/drop_caches"],
            &["open-write", "/proc/sysrq-trigger"],
            &["open-write", "/sys/kernel/uevent_helper"],
            &["read", "/proc/kcore"],
        ],
    )?)
}
