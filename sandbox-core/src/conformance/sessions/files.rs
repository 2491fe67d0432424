//! Calls on the files of a session agree with what its commands see, and stay in its folders.

use std::fs;
use std::os::unix::fs::symlink;

use super::{Sandbox, Scene};
use crate::conformance::context::{at, ensure};
use crate::conformance::world::CANARY;
use crate::conformance::{Case, Verdict};
use crate::error::SandboxError;
use crate::mount::FilesystemAccess::ReadOnly;
use crate::mount::FilesystemMount;
use crate::path::SandboxPath;
use crate::session::files::{Create, FileChange, FileError, Files, Kind, Overwrite};

pub(super) const CASES: &[Case] = &[
    Case::session("sessions::files::what_is_written_outside_is_seen_inside", written_outside),
    Case::session("sessions::files::what_is_written_inside_is_seen_outside", written_inside),
    Case::session("sessions::files::lists_and_kinds_agree", listed),
    Case::session("sessions::files::moving_and_removing_agree", moved),
    Case::session("sessions::files::changes_are_watched", watched),
    Case::session("sessions::files::copies_are_reached_and_the_host_is_not", copies),
    Case::session("sessions::files::the_places_of_every_session_are_reached", own_places),
    Case::session("sessions::files::read_only_holds_for_calls_too", read_only),
    Case::session("sessions::files::planted_links_lead_nowhere", links),
    Case::session("sessions::files::paths_out_of_the_session_are_refused", outside),
];

const MUCH: u64 = 1 << 20;

impl Sandbox<'_> {
    fn files(&self) -> Verdict<Files> {
        let files = self.scene.wait(self.scene.backend.files(&self.id))?;
        self.scene.offered(files)
    }
}

fn path(text: &str) -> Verdict<SandboxPath> {
    Ok(SandboxPath::new(text)?)
}

fn ok<T>(result: Result<T, FileError>) -> Verdict<T> {
    Ok(result.map_err(SandboxError::from)?)
}

fn written_outside(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    let files = sandbox.files()?;
    ok(files.make_dir(&path("/desk/folder")?))?;
    ok(files.write(&path("/desk/folder/new")?, b"from outside", Create::New, None))?;
    sandbox.ask_one(&["read", "folder/new"])?.says("from outside")?;
    // What was made outside belongs to the session.
    sandbox.ask_one(&["append", "folder/new", ", and inside"])?.allowed()?;
    ok(files.write(&path("/desk/folder/new")?, b"!", Create::Append, None))?;
    sandbox.ask_one(&["read", "folder/new"])?.says("from outside, and inside!")?;
    ok(files.write(&path("/desk/file")?, b"replaced", Create::Replace, None))?;
    sandbox.ask_one(&["read", "file"])?.says("replaced")?;
    let again = files.write(&path("/desk/file")?, b"x", Create::New, None);
    ensure(matches!(again, Err(FileError::Exists { .. })), || format!("{again:?}"))?;
    sandbox.ask_one(&["read", "file"])?.says("replaced")
}

fn written_inside(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    sandbox.ask_one(&["put", "new", "from inside"])?.allowed()?;
    let files = sandbox.files()?;
    let contents = ok(files.read(&path("/desk/new")?, MUCH))?;
    let whole = contents.bytes == b"from inside" && !contents.truncated;
    ensure(whole, || format!("{contents:?}"))?;
    let part = ok(files.read(&path("/desk/new")?, 4))?;
    ensure(part.bytes == b"from" && part.truncated, || format!("{part:?}"))?;
    sandbox.ask_one(&["remove", "new"])?.allowed()?;
    let gone = files.read(&path("/desk/new")?, MUCH);
    ensure(matches!(gone, Err(FileError::NotFound { .. })), || format!("{gone:?}"))
}

fn listed(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    let commands: [&[&str]; 3] =
        [&["symlink", "file", "link"], &["fifo", "pipe"], &["put", "new", "12345"]];
    for answer in sandbox.ask(&commands)? {
        answer.allowed()?;
    }
    let files = sandbox.files()?;
    let listing = ok(files.list(&path("/desk")?))?;
    let seen: Vec<_> =
        listing.entries.iter().map(|e| (e.name.to_string_lossy(), e.stat.kind)).collect();
    let expected = [
        ("file", Kind::File),
        ("link", Kind::Link),
        ("new", Kind::File),
        ("pipe", Kind::Special),
        ("sub", Kind::Folder),
    ];
    let same = expected.iter().map(|(name, kind)| ((*name).into(), *kind)).eq(seen.clone());
    ensure(same && !listing.truncated, || format!("{seen:?}"))?;
    sandbox.ask_one(&["list", "."])?.says("file link new pipe sub")?;
    let stat = ok(files.stat(&path("/desk/new")?))?;
    ensure(stat.size == 5 && stat.kind == Kind::File, || format!("{stat:?}"))?;
    // A pipe holds nobody up.
    let pipe = files.read(&path("/desk/pipe")?, MUCH);
    ensure(matches!(pipe, Err(FileError::WrongKind { .. })), || format!("{pipe:?}"))
}

fn moved(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    let files = sandbox.files()?;
    ok(files.move_to(&path("/desk/file")?, &path("/desk/sub/moved")?, Overwrite::No))?;
    sandbox.ask_one(&["read", "sub/moved"])?.says(CANARY)?;
    sandbox.ask_one(&["exists", "file"])?.refused()?;
    ok(files.move_to(&path("/desk/sub/moved")?, &path("/mnt/memory/moved")?, Overwrite::No))?;
    let memory = sandbox.seen_at(crate::MEMORY_MOUNT)?;
    sandbox.ask_one(&["read", &format!("{memory}/moved")])?.says(CANARY)?;
    let full = files.remove(&path("/desk/sub")?, false);
    ensure(full.is_err(), || "a folder with something in it was removed".into())?;
    sandbox.ask_one(&["exists", "sub/file"])?.allowed()?;
    ok(files.remove(&path("/desk/sub")?, true))?;
    sandbox.ask_one(&["exists", "sub"])?.refused()
}

fn watched(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    let files = sandbox.files()?;
    let work = path("/desk")?;
    let mut changes = ok(cx.wait(async { files.watch(&work) })?)?;
    sandbox.ask_one(&["put", "sub/new", "x"])?.allowed()?;
    let first = cx.wait(changes.next())?;
    let added = FileChange::Added(path("/desk/sub/new")?);
    ensure(first == Some(added), || format!("{first:?}"))
}

fn copies(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.open(cx.copying()?)?;
    sandbox.ask_one(&["put", "file", "changed inside"])?.allowed()?;
    sandbox.ask_one(&["remove", "sub/file"])?.allowed()?;
    let files = sandbox.files()?;
    let seen = ok(files.read(&path("/desk/file")?, MUCH))?.bytes;
    ensure(seen == b"changed inside", || format!("{:?}", seen.escape_ascii()))?;
    let gone = files.stat(&path("/desk/sub/file")?);
    ensure(matches!(gone, Err(FileError::NotFound { .. })), || format!("{gone:?}"))?;
    ok(files.write(&path("/desk/new")?, b"outside", Create::New, None))?;
    sandbox.ask_one(&["read", "new"])?.says("outside")?;
    let host = fs::read_to_string(cx.ws.join("file"))?;
    let same = host == CANARY && cx.ws.join("sub/file").exists() && !cx.ws.join("new").exists();
    ensure(same, || "a call on a copy reached the host".into())
}

fn own_places(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    let files = sandbox.files()?;
    for place in [crate::MEMORY_MOUNT, crate::OUTPUTS_MOUNT] {
        let inside = sandbox.seen_at(place)?;
        ok(files.write(&path(&format!("{place}/in"))?, b"given", Create::New, None))?;
        sandbox.ask_one(&["read", &format!("{inside}/in")])?.says("given")?;
        sandbox.ask_one(&["put", &format!("{inside}/out"), "taken"])?.allowed()?;
        let out = ok(files.read(&path(&format!("{place}/out"))?, MUCH))?.bytes;
        ensure(out == b"taken", || format!("{:?}", out.escape_ascii()))?;
    }
    Ok(())
}

fn read_only(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.open(cx.spec()?.mount(FilesystemMount::bind(&cx.ro, "/seen", ReadOnly)?))?;
    let files = sandbox.files()?;
    let seen = ok(files.read(&path("/seen/file")?, MUCH))?.bytes;
    ensure(seen == CANARY.as_bytes(), || format!("{:?}", seen.escape_ascii()))?;
    let (file, new) = (path("/seen/file")?, path("/seen/new")?);
    for (call, result) in [
        ("write", files.write(&new, b"x", Create::New, None)),
        ("replace", files.write(&file, b"x", Create::Replace, None)),
        ("append", files.write(&file, b"x", Create::Append, None)),
        ("make a folder", files.make_dir(&new)),
        ("move", files.move_to(&file, &new, Overwrite::No)),
        ("move out", files.move_to(&file, &path("/desk/out")?, Overwrite::No)),
        ("remove", files.remove(&file, false)),
    ] {
        ensure(is_refusal(&result), || format!("{call}: {result:?}"))?;
    }
    Ok(())
}

/// By the table of mounts, or by the system.
fn is_refusal(result: &Result<(), FileError>) -> bool {
    use std::io::ErrorKind::ReadOnlyFilesystem;
    match result {
        Err(FileError::Io { source, .. }) => source.kind() == ReadOnlyFilesystem,
        other => matches!(other, Err(FileError::ReadOnly { .. })),
    }
}

/// Links that a command has made: absolute and relative, to files and to folders on the way.
fn links(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    let secret = at(&cx.out, "file");
    let commands: [&[&str]; 4] = [
        &["symlink", &secret, "absolute"],
        &["symlink", "../outside/file", "relative"],
        &["symlink", "../outside/sub", "folder"],
        &["symlink", "loop", "loop"],
    ];
    for answer in sandbox.ask(&commands)? {
        answer.allowed()?;
    }
    // One that is there already is no different.
    symlink(&cx.out, cx.ws.join("planted"))?;
    let files = sandbox.files()?;
    for name in ["absolute", "relative", "folder/file", "loop", "planted/file"] {
        let link = path(&format!("/desk/{name}"))?;
        let read = files.read(&link, MUCH);
        ensure(read.is_err(), || format!("{name} was followed: {read:?}"))?;
        let append = files.write(&link, b"x", Create::Append, None);
        ensure(append.is_err(), || format!("{name} was followed by a write"))?;
    }
    let list = files.list(&path("/desk/planted")?);
    ensure(list.is_err(), || format!("a planted link was listed: {list:?}"))?;
    let into = files.write(&path("/desk/planted/new")?, b"x", Create::New, None);
    ensure(into.is_err(), || "a file was made behind a planted link".into())?;
    // Removing a link is about the link.
    ok(files.remove(&path("/desk/absolute")?, false))?;
    sandbox.ask_one(&["exists", "absolute"])?.refused()
}

fn outside(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    let files = sandbox.files()?;
    for text in ["/desk/../etc/passwd", "work/file", "/desk/./file", "/desk//file"] {
        ensure(SandboxPath::new(text).is_err(), || format!("{text:?} is taken for a path"))?;
    }
    for text in ["/etc/shadow", "/root", "/proc/1/environ", "/not-there", &at(&cx.out, "file")] {
        let read = files.read(&path(text)?, MUCH);
        let list = files.list(&path(text)?);
        ensure(read.is_err() && list.is_err(), || format!("{text}: {read:?}, {list:?}"))?;
        let write = files.write(&path(text)?.join("new")?, b"x", Create::New, None);
        ensure(write.is_err(), || format!("{text} was written to"))?;
    }
    Ok(())
}
