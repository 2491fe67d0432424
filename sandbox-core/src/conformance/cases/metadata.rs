//! Modes, owners, times and attributes of what is not writable stay.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::capability::Feature::{FileMetadata, Privileges};
use crate::conformance::context::{Context, all_refused, at, ensure};
use crate::conformance::{Case, Verdict};

pub(super) const CASES: &[Case] = &[
    Case::promise("metadata::modes_stay", &[FileMetadata], modes).gap(&["chmod", "mode"]),
    Case::promise("metadata::times_stay", &[FileMetadata], times).gap(&["utime", "times"]),
    Case::promise("metadata::attributes_stay", &[FileMetadata], attributes)
        .gap(&["xattr", "attribute"]),
    Case::promise("metadata::setuid_bits_are_refused", &[Privileges], setuid).gap(&["setuid"]),
    Case::promise("metadata::setuid_files_are_not_created", &[Privileges], setuid_create)
        .gap(&["setuid"]),
];

fn outside_workspace(cx: &Context<'_>) -> [String; 3] {
    [at(&cx.ro, "file"), at(&cx.ro, "sub"), at(&cx.out, "file")]
}

fn modes(cx: &Context<'_>) -> Verdict {
    for path in outside_workspace(cx) {
        cx.ask_one(cx.policy()?, &["chmod", &path, "777"])?.refused()?;
    }
    Ok(())
}

fn times(cx: &Context<'_>) -> Verdict {
    for path in outside_workspace(cx) {
        cx.ask_one(cx.policy()?, &["utimes", &path])?.refused()?;
    }
    Ok(())
}

fn attributes(cx: &Context<'_>) -> Verdict {
    for path in outside_workspace(cx) {
        cx.ask_one(cx.policy()?, &["setxattr", &path])?.refused()?;
    }
    Ok(())
}

/// A file with such a bit would act for its owner when somebody else runs it on the host.
fn setuid(cx: &Context<'_>) -> Verdict {
    let file = at(&cx.ws, "file");
    let answers = cx.ask(cx.policy()?, &[&["chmod", &file, "4755"], &["chmod", &file, "2755"]])?;
    let mode = fs::metadata(&file)?.permissions().mode();
    ensure(mode & 0o6000 == 0, || format!("the file has mode {mode:o} on the host"))?;
    all_refused(&answers)
}

fn setuid_create(cx: &Context<'_>) -> Verdict {
    let file = at(&cx.ws, "tool");
    cx.ask_one(cx.policy()?, &["create-mode", &file, "4755"])?;
    let mode = fs::metadata(&file).map_or(0, |found| found.permissions().mode());
    ensure(mode & 0o6000 == 0, || format!("the file has mode {mode:o} on the host"))
}
