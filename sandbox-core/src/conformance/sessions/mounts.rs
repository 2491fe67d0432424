//! Mounts: what lies where, what can be written, and what reaches the host.

use std::fs;

use super::sandbox::{only, probing};
use super::{Scene, WORK};
use crate::conformance::context::{all_refused, answers, at, ensure};
use crate::conformance::world::CANARY;
use crate::conformance::{Case, Verdict};
use crate::error::SandboxError;
use crate::mount::FilesystemAccess::{ReadOnly, ReadWrite};
use crate::mount::FilesystemMount;
use crate::path::SandboxPath;
use crate::size::ByteSize;

pub(super) const CASES: &[Case] = &[
    Case::session("sessions::mounts::what_is_read_only_cannot_be_written", read_only),
    Case::session("sessions::mounts::what_is_writable_reaches_the_host", read_write),
    Case::session("sessions::mounts::read_only_holds_inside_of_writable", nested),
    Case::session("sessions::mounts::a_file_can_be_mounted", file),
    Case::session("sessions::mounts::a_missing_source_is_an_error", missing),
    Case::session("sessions::mounts::odd_sources_and_targets_are_refused", odd_paths),
    Case::session("sessions::mounts::targets_are_normalised", normalised),
    Case::session("sessions::mounts::what_every_session_has_is_not_covered", covering),
    Case::session("sessions::mounts::copies_do_not_reach_the_host", copies),
    Case::session("sessions::mounts::scratch_lasts_and_is_its_own", scratch),
    Case::session("sessions::mounts::folders_in_memory_have_their_size", memory_size),
    Case::session("sessions::mounts::the_working_directory_is_mapped_once", working_directory),
    Case::session("sessions::mounts::a_mount_is_added_or_refused_without_harm", attached),
];

fn read_only(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.open(cx.spec()?.mount(FilesystemMount::bind(&cx.ro, "/seen", ReadOnly)?))?;
    sandbox.ask_from("/seen", &["read", "sub/file"])?.says(CANARY)?;
    let commands: [&[&str]; 7] = [
        &["put", "new", "x"],
        &["append", "file", "x"],
        &["truncate", "sub/file"],
        &["remove", "file"],
        &["rename", "file", "other"],
        &["mkdir", "folder"],
        &["symlink", "file", "link"],
    ];
    let result = sandbox.run(probing(&commands).cwd("/seen"))?;
    all_refused(&answers(&result, &commands)?)
}

fn read_write(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    sandbox.ask_one(&["put", "sub/new", "written inside"])?.allowed()?;
    sandbox.ask_one(&["remove", "file"])?.allowed()?;
    let seen = fs::read_to_string(cx.ws.join("sub/new"))?;
    ensure(seen == "written inside", || format!("the host has {seen:?}"))?;
    ensure(!cx.ws.join("file").exists(), || "the host still has what was removed".into())?;
    fs::write(cx.ws.join("later"), "written outside")?;
    sandbox.ask_one(&["read", "later"])?.says("written outside")
}

fn nested(cx: &Scene<'_>) -> Verdict {
    fs::create_dir(cx.ws.join("inner"))?;
    let spec = cx.spec()?.mount(FilesystemMount::bind(&cx.ro, "/desk/inner", ReadOnly)?);
    let sandbox = cx.open(spec)?;
    sandbox.ask_from("/desk/inner", &["read", "file"])?.says(CANARY)?;
    sandbox.ask_from("/desk/inner", &["put", "new", "x"])?.refused()?;
    sandbox.ask_from("/desk/inner", &["append", "file", "x"])?.refused()?;
    sandbox.ask_one(&["put", "new", "x"])?.allowed().map(drop)
}

fn file(cx: &Scene<'_>) -> Verdict {
    let spec = cx
        .spec()?
        .mount(FilesystemMount::bind(cx.ro.join("file"), "/given/read", ReadOnly)?)
        .mount(FilesystemMount::bind(cx.ws.join("file"), "/given/written", ReadWrite)?);
    let sandbox = cx.open(spec)?;
    let (read, written) = (sandbox.seen_at("/given/read")?, sandbox.seen_at("/given/written")?);
    sandbox.ask_one(&["read", &read])?.says(CANARY)?;
    sandbox.ask_one(&["append", &read, "x"])?.refused()?;
    sandbox.ask_one(&["append", &written, " and more"])?.allowed()?;
    let seen = fs::read_to_string(cx.ws.join("file"))?;
    ensure(seen == format!("{CANARY} and more"), || format!("the host has {seen:?}"))
}

fn missing(cx: &Scene<'_>) -> Verdict {
    let source = cx.ws.join("not/there");
    for mount in [
        FilesystemMount::bind(&source, "/given", ReadWrite)?,
        FilesystemMount::overlay(&source, "/given")?,
    ] {
        let made = cx.try_open(cx.spec()?.mount(mount))?.map(drop);
        ensure(matches!(made, Err(SandboxError::MissingPath { .. })), || format!("{made:?}"))?;
        ensure(!cx.ws.join("not").exists(), || "the folder was made in silence".into())?;
    }
    Ok(())
}

/// By the constructor, and when a mount is read from a file.
fn odd_paths(cx: &Scene<'_>) -> Verdict {
    let up = at(&cx.ws, "../outside");
    for path in ["relative", "./here", "", "~/home", "..", "a\0b", "/a/../b", &up] {
        let by_hand = FilesystemMount::bind(path, "/given", ReadOnly).is_ok()
            || FilesystemMount::overlay(path, "/given").is_ok()
            || FilesystemMount::scratch(path).is_ok();
        let kind = serde_json::json!({"kind": "bind", "source": path, "target": "/given"});
        let target = serde_json::json!({"kind": "scratch", "target": path});
        let read = [kind, target].map(serde_json::from_value::<FilesystemMount>);
        let taken = by_hand || read.iter().any(Result::is_ok);
        ensure(!taken, || format!("{path:?} is taken for a path"))?;
    }
    // And what is no odd path is one.
    cx.sandbox()?.ask_one(&["read", "file"])?.says(CANARY)
}

fn normalised(cx: &Scene<'_>) -> Verdict {
    for written in ["//given/./a", "/given/a/", "/given/b/../a"] {
        let target = SandboxPath::from_user(written, "/".as_ref())?;
        ensure(target.as_path().as_os_str() == "/given/a", || format!("{written}: {target}"))?;
        let spec = cx.bare()?.mount(FilesystemMount::bind(&cx.ro, target, ReadOnly)?);
        cx.open(spec)?.ask_from("/given/a", &["read", "file"])?.says(CANARY)?;
    }
    let mount = FilesystemMount::bind(&cx.ro, "/", ReadOnly)?;
    let made = cx.try_open(cx.bare()?.mount(mount))?.map(drop);
    let typed =
        matches!(made, Err(SandboxError::InvalidRequest(_) | SandboxError::Unsupported { .. }));
    ensure(typed, || format!("a mount at the root: {made:?}"))
}

fn covering(cx: &Scene<'_>) -> Verdict {
    for target in ["/mnt", "/mnt/memory", "/mnt/session", "/mnt/session/outputs/sub"] {
        let made = cx.try_open(cx.spec()?.mount(FilesystemMount::scratch(target)?))?.map(drop);
        let refused = matches!(made, Err(SandboxError::InvalidRequest(_)));
        ensure(refused, || format!("a mount at {target}: {made:?}"))?;
    }
    Ok(())
}

fn copies(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.open(cx.copying()?)?;
    sandbox.ask_one(&["read", "sub/file"])?.says(CANARY)?;
    sandbox.ask_one(&["put", "file", "changed"])?.allowed()?;
    sandbox.ask_one(&["put", "new", "new"])?.allowed()?;
    sandbox.ask_one(&["remove", "sub/file"])?.allowed()?;
    sandbox.ask_one(&["read", "file"])?.says("changed")?;
    sandbox.ask_one(&["exists", "sub/file"])?.refused()?;
    let host = fs::read_to_string(cx.ws.join("file"))?;
    let other = cx.ws.join("sub/file").exists() && !cx.ws.join("new").exists();
    ensure(host == CANARY && other, || format!("changes reached the host: {host:?}"))
}

fn scratch(cx: &Scene<'_>) -> Verdict {
    let spec = || Verdict::Ok(cx.bare()?.mount(FilesystemMount::scratch(WORK)?));
    let (one, other) = (cx.open(spec()?)?, cx.open(spec()?)?);
    one.ask_one(&["put", "file", "kept"])?.allowed()?;
    one.ask_one(&["read", "file"])?.says("kept")?;
    other.ask_one(&["exists", "file"])?.refused()
}

fn memory_size(cx: &Scene<'_>) -> Verdict {
    let size = Some(ByteSize::from_mib(2));
    let sandbox = cx.open(cx.bare()?.mount(FilesystemMount::tmpfs(WORK, size)?))?;
    sandbox.ask_one(&["put", "file", "kept"])?.allowed()?;
    sandbox.ask_one(&["grow", "big", "8"])?.refused()?;
    sandbox.ask_one(&["remove", "big"])?.allowed()?;
    sandbox.ask_one(&["grow", "small", "1"])?.allowed()?;
    sandbox.ask_one(&["read", "file"])?.says("kept")
}

/// The folder has a folder of the mount's own name in it, and one of the mount's own path.
fn working_directory(cx: &Scene<'_>) -> Verdict {
    for (folder, text) in [("desk", "once"), ("desk/desk", "twice")] {
        fs::create_dir(cx.ws.join(folder))?;
        fs::write(cx.ws.join(folder).join("which"), text)?;
    }
    let sandbox = cx.sandbox()?;
    sandbox.ask_from("/desk/desk", &["read", "which"])?.says("once")?;
    sandbox.ask_from("/desk/desk/desk", &["read", "which"])?.says("twice")?;
    sandbox.ask_from("/desk/sub", &["read", "file"])?.says(CANARY)?;
    for wrong in ["/desk/not-there", "/desk/file"] {
        let result = sandbox.attempt(probing(&[&["put", "it-ran", "x"]]).cwd(wrong))?;
        ensure(result.is_err(), || format!("a command ran in {wrong}: {result:?}"))?;
    }
    Ok(())
}

/// What runs sees it too; a refusal changes nothing.
fn attached(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    sandbox.start_beating("beats")?;
    let missing = FilesystemMount::bind(cx.ws.join("not-there"), "/late", ReadOnly)?;
    let refused = cx.wait(cx.backend.attach_filesystem(&sandbox.id, missing))?;
    ensure(refused.is_err(), || "a folder that is not there was mounted".into())?;
    let mount = FilesystemMount::bind(&cx.ro, "/late", ReadOnly)?;
    let attached = cx.wait(cx.backend.attach_filesystem(&sandbox.id, mount.clone()))?;
    sandbox.works()?;
    cx.beats(&cx.ws.join("beats"))?;
    cx.offered(attached)?;
    let commands: [&[&str]; 2] = [&["read", "file"], &["put", "new", "x"]];
    let mut seen = answers(&sandbox.run(probing(&commands).cwd("/late"))?, &commands)?;
    seen.remove(1).refused()?;
    only(seen)?.says(CANARY)?;
    let again = cx.wait(cx.backend.attach_filesystem(&sandbox.id, mount.clone()))?;
    ensure(matches!(again, Err(SandboxError::AlreadyExists { .. })), || format!("{again:?}"))?;
    let known = cx.wait(cx.backend.get(&sandbox.id))??.mounts;
    ensure(known.contains(&mount), || format!("the session lists {known:?}"))
}
