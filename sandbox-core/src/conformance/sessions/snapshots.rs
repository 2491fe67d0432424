//! Copies of folders: states that are kept and gone back to, forks, changes that are applied.

use std::fs;

use super::sandbox::probing;
use super::{Sandbox, Scene};
use crate::conformance::context::ensure;
use crate::conformance::world::CANARY;
use crate::conformance::{Case, Verdict, sys};
use crate::error::SandboxError;
use crate::ids::SnapshotName;
use crate::mount::{FilesystemAccess, FilesystemMount};
use crate::session::{ChangeKind, Labels};

pub(super) const CASES: &[Case] = &[
    Case::session("sessions::snapshots::a_state_is_gone_back_to", restored),
    Case::session("sessions::snapshots::names_are_checked", names),
    Case::session("sessions::snapshots::a_restore_that_fails_loses_nothing", failed_restore),
    Case::session("sessions::snapshots::without_copies_they_work_or_are_refused", without_copies),
    Case::session("sessions::snapshots::forks_go_their_own_ways", forks),
    Case::session("sessions::snapshots::forks_have_no_processes", fork_processes),
    Case::session("sessions::snapshots::forks_outlive_their_parent", orphaned_forks),
    Case::session("sessions::snapshots::changes_are_listed", listed),
    Case::session("sessions::snapshots::changes_are_applied", applied),
    Case::session("sessions::snapshots::conflicts_write_nothing", conflicts),
    Case::session("sessions::snapshots::changes_are_discarded", discarded),
];

pub(super) fn name(text: &str) -> Verdict<SnapshotName> {
    Ok(SnapshotName::new(text).map_err(SandboxError::from)?)
}

impl Sandbox<'_> {
    fn snapshot(&self, text: &str) -> Verdict {
        let (scene, name) = (self.scene, name(text)?);
        let made = scene.wait(scene.backend.snapshot(&self.id, &name))?;
        scene.offered(made).map(drop)
    }

    fn restore(&self, text: &str) -> Verdict<Result<(), SandboxError>> {
        self.scene.wait(self.scene.backend.restore(&self.id, &name(text)?))
    }

    /// Writes a file in the workspace.
    fn put(&self, file: &str, text: &str) -> Verdict {
        self.ask_one(&["put", file, text])?.allowed().map(drop)
    }

    fn holds(&self, file: &str, text: &str) -> Verdict {
        self.ask_one(&["read", file])?.says(text)
    }

    fn fork(&self, count: usize) -> Verdict<Vec<Self>> {
        let scene = self.scene;
        let forks = scene.wait(scene.backend.fork(&self.id, count))?;
        let made = scene.offered(forks)?;
        ensure(made.len() == count, || format!("{} forks were made", made.len()))?;
        Ok(made.into_iter().map(|fork| Self { scene, id: fork.id }).collect())
    }
}

fn restored(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.open(cx.copying()?)?;
    sandbox.put("file", "one")?;
    sandbox.put("extra", "one")?;
    sandbox.snapshot("first state")?;
    sandbox.put("file", "two")?;
    sandbox.ask_one(&["remove", "extra"])?.allowed()?;
    sandbox.ask_one(&["remove", "sub/file"])?.allowed()?;
    sandbox.snapshot("second")?;
    sandbox.put("file", "three")?;
    sandbox.put("third", "x")?;
    sandbox.restore("second")??;
    sandbox.holds("file", "two")?;
    sandbox.ask_one(&["list", "."])?.says("file sub")?;
    sandbox.restore("first state")??;
    sandbox.holds("file", "one")?;
    sandbox.holds("extra", "one")?;
    sandbox.holds("sub/file", CANARY)?;
    // The later one is still there.
    sandbox.restore("second")??;
    sandbox.holds("file", "two")?;
    let known = cx.wait(cx.backend.snapshots(&sandbox.id))??;
    let names: Vec<_> = known.iter().map(|snapshot| snapshot.name.as_str()).collect();
    ensure(names == ["first state", "second"], || format!("{names:?}"))?;
    ensure(fs::read_to_string(cx.ws.join("file"))? == CANARY, || "the host has changed".into())
}

fn names(cx: &Scene<'_>) -> Verdict {
    let long = "a".repeat(101);
    for text in
        ["", ".", "..", "../a", "a/b", "a\\b", "-a", " a", "a\n", "a\0b", ".a", "a:b", &long]
    {
        let read = serde_json::from_value::<SnapshotName>(text.into());
        let taken = SnapshotName::new(text).is_ok() || read.is_ok();
        ensure(!taken, || format!("{text:?} is taken for a name"))?;
    }
    let sandbox = cx.open(cx.copying()?)?;
    sandbox.snapshot("vor dem Ümbau 1")?;
    let again = cx.wait(cx.backend.snapshot(&sandbox.id, &name("vor dem Ümbau 1")?))?;
    ensure(matches!(again, Err(SandboxError::AlreadyExists { .. })), || format!("{again:?}"))?;
    let unknown = sandbox.restore("other")?;
    ensure(matches!(unknown, Err(SandboxError::NotFound { .. })), || format!("{unknown:?}"))
}

fn failed_restore(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.open(cx.copying()?)?;
    sandbox.put("file", "precious")?;
    sandbox.snapshot("kept")?;
    sandbox.put("new", "precious too")?;
    ensure(sandbox.restore("unknown")?.is_err(), || "what is unknown was gone back to".into())?;
    sandbox.holds("file", "precious")?;
    sandbox.holds("new", "precious too")?;
    sandbox.restore("kept")??;
    sandbox.holds("file", "precious")?;
    sandbox.ask_one(&["exists", "new"])?.refused()
}

/// Folders of the host that are written directly are gone back to where the backend keeps copies of
/// them; it says so where it does not. There is nothing to apply or discard.
fn without_copies(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    let (id, kept) = (&sandbox.id, name("kept")?);
    let typed = |call: &str, result: Result<(), SandboxError>| {
        let is = matches!(
            result,
            Err(SandboxError::InvalidRequest(_) | SandboxError::Unsupported { .. })
        );
        ensure(is, || format!("{call} without copies: {result:?}"))
    };
    let snapshot = cx.wait(cx.backend.snapshot(id, &kept))?;
    sandbox.put("file", "written")?;
    typed("applying", cx.wait(cx.backend.apply(id))?.map(drop))?;
    typed("discarding", cx.wait(cx.backend.discard(id))?)?;
    sandbox.holds("file", "written")?;
    match snapshot {
        Ok(_) => cx.wait(cx.backend.restore(id, &kept))??,
        refused => return typed("a snapshot", refused.map(drop)),
    }
    sandbox.holds("file", CANARY)
}

fn forks(cx: &Scene<'_>) -> Verdict {
    let parent = cx.open(cx.copying()?.label("of", "the suite"))?;
    parent.put("file", "common")?;
    let made = parent.fork(2)?;
    let (left, right) = (&made[0], &made[1]);
    let known = cx.wait(cx.backend.get(&left.id))??;
    ensure(known.parent.as_ref() == Some(&parent.id), || format!("{:?}", known.parent))?;
    let labels = Labels::from([("of".into(), "the suite".into())]);
    ensure(known.labels == labels, || format!("{:?}", known.labels))?;
    left.holds("file", "common")?;
    left.put("file", "left")?;
    parent.put("file", "parent")?;
    parent.put("later", "x")?;
    right.holds("file", "common")?;
    right.ask_one(&["exists", "later"])?.refused()?;
    left.holds("file", "left")?;
    parent.holds("file", "parent")?;
    let all = cx.wait(cx.backend.list(&labels))??.len();
    ensure(all == 3, || format!("{all} sessions are listed"))?;
    ensure(fs::read_to_string(cx.ws.join("file"))? == CANARY, || "the host has changed".into())
}

/// The parent's process goes on in the parent, and is neither in the fork nor reached from it.
fn fork_processes(cx: &Scene<'_>) -> Verdict {
    let seen = FilesystemMount::bind(&cx.ws, "/seen", FilesystemAccess::ReadWrite)?;
    let parent = cx.open(cx.copying()?.mount(seen))?;
    let task = parent.start(probing(&[&["beat", "beats", &cx.token]]).cwd("/seen"))?;
    cx.beats(&cx.ws.join("beats"))?;
    let running = sys::processes_named(&cx.token).len();
    let fork = parent.fork(1)?.remove(0);
    fork.holds("file", CANARY)?;
    let tasks = cx.wait(fork.tasks()?.list(&fork.id))??;
    ensure(tasks.is_empty(), || format!("the fork has tasks: {tasks:?}"))?;
    let unknown = cx.wait(fork.tasks()?.kill(&fork.id, task))?;
    ensure(unknown.is_err(), || "the fork reaches its parent's task".into())?;
    let now = sys::processes_named(&cx.token).len();
    ensure(now == running, || format!("{running} processes became {now}"))?;
    cx.beats(&cx.ws.join("beats"))?;
    fork.terminate()?;
    cx.beats(&cx.ws.join("beats"))
}

fn orphaned_forks(cx: &Scene<'_>) -> Verdict {
    let parent = cx.open(cx.copying()?)?;
    parent.put("file", "common")?;
    let fork = parent.fork(1)?.remove(0);
    let grandchild = fork.fork(1)?.remove(0);
    parent.terminate()?;
    fork.holds("file", "common")?;
    fork.put("file", "on its own")?;
    fork.snapshot("later")?;
    fork.terminate()?;
    grandchild.holds("file", "common")
}

fn kinds(sandbox: &Sandbox<'_>) -> Verdict<Vec<(String, ChangeKind)>> {
    let scene = sandbox.scene;
    let mounts = scene.wait(scene.backend.diff(&sandbox.id))??;
    let one = mounts.len() == 1 && mounts[0].target.as_path().as_os_str() == super::WORK;
    ensure(one, || format!("{mounts:?}"))?;
    let changes = mounts.into_iter().flat_map(|mount| mount.changes);
    Ok(changes.map(|change| (change.path.to_string_lossy().into_owned(), change.kind)).collect())
}

fn listed(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.open(cx.copying()?)?;
    ensure(kinds(&sandbox)?.is_empty(), || "a new session has changes".into())?;
    let commands: [&[&str]; 4] = [
        &["put", "file", "changed"],
        &["mkdir", "new"],
        &["put", "new/a", "x"],
        &["remove", "sub/file"],
    ];
    for answer in sandbox.ask(&commands)? {
        answer.allowed()?;
    }
    // Whatever is kept meanwhile: the difference is to the host.
    sandbox.snapshot("between")?;
    sandbox.put("new/b", "x")?;
    let expected = [
        ("file", ChangeKind::Changed),
        ("new", ChangeKind::Added),
        ("new/a", ChangeKind::Added),
        ("new/b", ChangeKind::Added),
        ("sub/file", ChangeKind::Deleted),
    ];
    let seen = kinds(&sandbox)?;
    let same = seen.iter().map(|(name, kind)| (name.as_str(), *kind)).eq(expected);
    ensure(same, || format!("{seen:?}"))
}

fn applied(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.open(cx.copying()?)?;
    sandbox.put("file", "changed")?;
    sandbox.put("sub/new", "new")?;
    sandbox.ask_one(&["remove", "sub/file"])?.allowed()?;
    let applied = cx.wait(cx.backend.apply(&sandbox.id))??;
    let whole = applied.changes.len() == 3 && applied.conflicts.is_empty();
    ensure(whole, || format!("{applied:?}"))?;
    let (file, new) =
        (fs::read_to_string(cx.ws.join("file"))?, fs::read_to_string(cx.ws.join("sub/new"))?);
    let there = file == "changed" && new == "new" && !cx.ws.join("sub/file").exists();
    ensure(there, || format!("the host has {file:?} and {new:?}"))?;
    // It goes on from there, and what the host does later is no old conflict.
    ensure(kinds(&sandbox)?.is_empty(), || "applied changes are still listed".into())?;
    fs::write(cx.ws.join("other"), "the host's")?;
    sandbox.put("file", "changed again")?;
    let applied = cx.wait(cx.backend.apply(&sandbox.id))??;
    ensure(applied.conflicts.is_empty(), || format!("{applied:?}"))?;
    let host = fs::read_to_string(cx.ws.join("file"))?;
    ensure(host == "changed again", || format!("the host has {host:?}"))
}

fn conflicts(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.open(cx.copying()?)?;
    sandbox.put("file", "ours")?;
    sandbox.put("free", "ours")?;
    fs::write(cx.ws.join("file"), "theirs")?;
    let applied = cx.wait(cx.backend.apply(&sandbox.id))??;
    let paths: Vec<_> = applied.conflicts.iter().map(|conflict| conflict.path.clone()).collect();
    let one = paths == [std::path::Path::new("file")] && applied.changes.is_empty();
    ensure(one, || format!("{applied:?}"))?;
    let host = fs::read_to_string(cx.ws.join("file"))?;
    let untouched = host == "theirs" && !cx.ws.join("free").exists();
    ensure(untouched, || format!("something was written: the host has {host:?}"))?;
    sandbox.holds("file", "ours")?;
    sandbox.holds("free", "ours")
}

fn discarded(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.open(cx.copying()?)?;
    sandbox.put("file", "changed")?;
    sandbox.snapshot("kept")?;
    sandbox.put("new", "x")?;
    cx.wait(cx.backend.discard(&sandbox.id))??;
    sandbox.holds("file", CANARY)?;
    sandbox.ask_one(&["list", "."])?.says("file sub")?;
    sandbox.restore("kept")??;
    sandbox.holds("file", "changed")
}
