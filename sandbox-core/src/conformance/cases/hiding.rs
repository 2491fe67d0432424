//! Hidden paths stay hidden, in this run and in the next.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::capability::Feature::HiddenPaths;
use crate::conformance::context::{Context, all_refused, at, ensure};
use crate::conformance::world::CANARY;
use crate::conformance::{Case, Verdict};
use crate::policy::PolicyBuilder;

pub(super) const CASES: &[Case] = &[
    Case::promise("hiding::hidden_stays_hidden", &[HiddenPaths], stays_hidden),
    Case::promise("hiding::a_hidden_file_stays_hidden", &[HiddenPaths], hidden_file),
    Case::promise("hiding::hidden_inside_read_only", &[HiddenPaths], hidden_in_read_only),
    Case::promise("hiding::hidden_cannot_be_reached_by_a_link", &[HiddenPaths], by_link),
    Case::promise("hiding::hidden_cannot_be_changed", &[HiddenPaths], unchanged),
    Case::promise(
        "hiding::ancestors_cannot_be_moved_for_the_next_run",
        &[HiddenPaths],
        moved_ancestor,
    )
    .gap(&["rename", "moved", "ancestor"]),
    Case::promise("hiding::a_hidden_name_that_is_absent_stays_absent", &[HiddenPaths], absent_name)
        .gap(&["absent", "not exist", "late"]),
    Case::works("hiding::no_stub_is_left_behind", no_stub).under(&[HiddenPaths]),
    Case::works("hiding::granted_inside_hidden_is_visible", granted_inside).under(&[HiddenPaths]),
];

fn vault(cx: &Context<'_>) -> Verdict<PathBuf> {
    let keys = cx.ws.join("vault/keys");
    fs::create_dir_all(&keys)?;
    fs::write(keys.join("secret"), CANARY)?;
    fs::write(cx.ws.join("vault/open"), CANARY)?;
    Ok(keys)
}

fn hidden(cx: &Context<'_>) -> Verdict<PolicyBuilder> {
    Ok(cx.policy()?.hide(vault(cx)?)?)
}

fn stays_hidden(cx: &Context<'_>) -> Verdict {
    let policy = hidden(cx)?;
    let path = |tail: &str| at(&cx.ws, tail);
    let answers = cx.ask(
        policy,
        &[
            &["read", &path("vault/open")],
            &["read", &path("vault/keys/secret")],
            &["read", "vault/keys/secret"],
            &["read", "sub/../vault/keys/secret"],
        ],
    )?;
    answers[0].says(CANARY)?;
    all_refused(&answers[1..])?;
    let list = cx.ask_one(hidden(cx)?, &["list", &path("vault/keys")])?;
    ensure(!list.said.unwrap_or_default().contains("secret"), || "its names were listed".into())
}

fn hidden_file(cx: &Context<'_>) -> Verdict {
    let file = at(&cx.ws, ".env");
    fs::write(&file, CANARY)?;
    let answer = cx.ask_one(cx.policy()?.hide(&file)?, &["read", &file])?;
    ensure(answer.said.as_deref() != Ok(CANARY), || "its content was read".into())
}

fn hidden_in_read_only(cx: &Context<'_>) -> Verdict {
    let policy = cx.policy()?.hide(cx.ro.join("sub"))?;
    let (beside, inside) = (at(&cx.ro, "file"), at(&cx.ro, "sub/file"));
    let answers = cx.ask(policy, &[&["read", &beside], &["read", &inside]])?;
    answers[0].says(CANARY)?;
    answers[1].refused()
}

fn by_link(cx: &Context<'_>) -> Verdict {
    let policy = hidden(cx)?;
    symlink("vault/keys", cx.ws.join("shortcut"))?;
    let path = |tail: &str| at(&cx.ws, tail);
    all_refused(&cx.ask(
        policy,
        &[
            &["read", &path("shortcut/secret")],
            &["link", &path("vault/keys/secret"), &path("copy")],
            &["rename", &path("vault/keys/secret"), &path("copy")],
        ],
    )?)
}

fn unchanged(cx: &Context<'_>) -> Verdict {
    let policy = hidden(cx)?;
    let secret = at(&cx.ws, "vault/keys/secret");
    // What a run writes over a mask is its own; only the host's file counts.
    cx.ask(policy, &[&["put", &secret, "x"], &["remove", &secret]])?;
    let content = fs::read(&secret).unwrap_or_default();
    ensure(content == CANARY.as_bytes(), || "the hidden file was changed".into())
}

fn moved_ancestor(cx: &Context<'_>) -> Verdict {
    let path = |tail: &str| at(&cx.ws, tail);
    let moves = cx.ask(
        hidden(cx)?,
        &[
            &["rename", &path("vault/keys"), &path("keys2")],
            &["rename", &path("vault"), &path("vault2")],
        ],
    )?;
    let reads = cx.ask(
        cx.policy()?.hide(cx.ws.join("vault/keys"))?,
        &[&["read", &path("vault2/keys/secret")], &["read", &path("keys2/secret")]],
    )?;
    all_refused(&reads)?;
    all_refused(&moves)?;
    ensure(cx.ws.join("vault/keys/secret").exists(), || "it was moved".into())
}

fn absent_name(cx: &Context<'_>) -> Verdict {
    let path = |tail: &str| at(&cx.ws, tail);
    let policy = cx.policy()?.hide(cx.ws.join("hooks/late"))?.hide(cx.ws.join(".late"))?;
    cx.ask(
        policy,
        &[
            &["create", &path(".late"), "x"],
            &["mkdir", &path("hooks")],
            &["create", &path("hooks/late"), "x"],
            &["rename", &path("file"), &path(".late")],
        ],
    )?;
    let made = [".late", "hooks/late"].into_iter().find(|name| cx.ws.join(name).exists());
    ensure(made.is_none(), || format!("{made:?} lies in the workspace now"))
}

fn no_stub(cx: &Context<'_>) -> Verdict {
    let policy = cx.policy()?.hide(cx.ws.join(".late"))?.hide(cx.ws.join("sub/late/er"))?;
    cx.ask_one(policy, &["read", &at(&cx.ws, "file")])?.says(CANARY)?;
    let stub = ["sub/late", ".late"].into_iter().find(|name| cx.ws.join(name).exists());
    ensure(stub.is_none(), || format!("{stub:?} was left in the workspace"))
}

fn granted_inside(cx: &Context<'_>) -> Verdict {
    let policy = cx.policy()?.hide(cx.ro.join("sub"))?.read(cx.ro.join("sub/file"))?;
    cx.ask_one(policy, &["read", &at(&cx.ro, "sub/file")])?.says(CANARY)
}
