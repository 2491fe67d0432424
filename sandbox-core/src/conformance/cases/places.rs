//! `/tmp` and the home directory are the command's own.

use std::fs;

use crate::capability::Feature::PrivatePlaces;
use crate::conformance::context::{Context, at, ensure};
use crate::conformance::world::CANARY;
use crate::conformance::{Case, Verdict};

pub(super) const CASES: &[Case] = &[
    Case::promise("places::tmp_is_empty_at_first", &[PrivatePlaces], tmp_empty).gap(&["/tmp"]),
    Case::promise("places::tmp_is_gone_afterwards", &[PrivatePlaces], tmp_gone).gap(&["/tmp"]),
    Case::promise("places::home_is_private", &[PrivatePlaces], home).gap(&["home"]),
    Case::promise("places::shared_memory_is_private", &[PrivatePlaces], shared_memory)
        .gap(&["shm", "shared memory"]),
    Case::works("places::temporary_files_work", temporary_files),
    Case::promise("places::a_named_directory_is_private", &[PrivatePlaces], named)
        .gap(&["private directories", "only TMPDIR"]),
    Case::works("places::a_workspace_in_tmp_is_visible", workspace_in_tmp),
];

/// Nothing but what leads to the private home directory, when that lies in `/tmp`.
fn tmp_empty(cx: &Context<'_>) -> Verdict {
    let answer = cx.ask_one(cx.bare_policy()?, &["list", "/tmp"])?;
    let mut seen = answer.allowed()?.split(' ').filter(|name| !name.is_empty());
    let strange = seen.find(|name| !cx.stage.home.starts_with(at("/tmp".as_ref(), name)));
    ensure(strange.is_none(), || format!("{strange:?} lies in /tmp"))?;
    let canary = cx.stage.in_tmp.path().to_string_lossy().into_owned();
    cx.ask_one(cx.policy()?, &["read", &canary])?.refused()
}

fn tmp_gone(cx: &Context<'_>) -> Verdict {
    let name = cx.root.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let file = format!("/tmp/conformance-{name}");
    let first = cx.ask_one(cx.policy()?, &["create", &file, "x"])?;
    let second = cx.ask_one(cx.policy()?, &["read", &file])?;
    let arrived = fs::remove_file(&file).is_ok();
    first.allowed()?;
    ensure(!arrived, || "the file lay in the host's /tmp".into())?;
    second.refused()
}

fn home(cx: &Context<'_>) -> Verdict {
    let secret = at(&cx.stage.home, ".ssh/id_canary");
    let answers = cx.ask(cx.policy()?, &[&["read", &secret], &["home", "made-inside"]])?;
    let arrived = fs::remove_file(cx.stage.home.join("made-inside")).is_ok();
    answers[0].refused()?;
    ensure(!arrived, || "the file lay in the host's home directory".into())?;
    answers[1].says("at home")
}

fn shared_memory(cx: &Context<'_>) -> Verdict {
    let name = cx.root.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let file = format!("/dev/shm/conformance-{name}");
    fs::write(&file, CANARY)?;
    let answer = cx.ask_one(cx.policy()?, &["read", &file]);
    fs::remove_file(&file)?;
    answer?.refused()
}

fn temporary_files(cx: &Context<'_>) -> Verdict {
    cx.ask_one(cx.policy()?, &["temporary"])?.says("temporary")
}

fn named(cx: &Context<'_>) -> Verdict {
    let place = cx.out.join("sub");
    let file = at(&place, "new");
    let answers = cx.ask(
        cx.policy()?.private(&place)?,
        &[&["list", &at(&place, "")], &["create", &file, "x"], &["read", &file]],
    )?;
    answers[0].says("")?;
    answers[1].allowed()?;
    answers[2].says("x")
}

fn workspace_in_tmp(cx: &Context<'_>) -> Verdict {
    let folder = tempfile::tempdir_in("/tmp")?;
    let file = at(&folder.path().canonicalize()?, "file");
    fs::write(&file, CANARY)?;
    cx.ask_one(cx.policy()?.write(folder.path().canonicalize()?)?, &["read", &file])?.says(CANARY)
}
