//! Each right is a right of its own.

use std::fs;

use crate::capability::Feature::FilesystemRights;
use crate::conformance::context::{Context, all_allowed, all_refused, at, ensure, own_program};
use crate::conformance::{Case, Verdict};
use crate::policy::PolicyBuilder;
use crate::policy::filesystem::Rights;

pub(super) const CASES: &[Case] = &[
    Case::promise("rights::create_without_delete", &[FilesystemRights], no_delete).gap(&["delete"]),
    Case::promise("rights::write_without_create", &[FilesystemRights], no_create).gap(&["create"]),
    Case::promise("rights::create_without_list", &[FilesystemRights], no_list).gap(&["list"]),
    Case::promise("rights::list_without_read", &[FilesystemRights], no_read).gap(&["read", "list"]),
    Case::promise("rights::read_without_execute", &[FilesystemRights], no_execute)
        .gap(&["execute"]),
];

fn with(cx: &Context<'_>, rights: Rights) -> Verdict<PolicyBuilder> {
    let folder = cx.root.join("folder");
    if !folder.exists() {
        fs::create_dir(&folder)?;
        fs::write(folder.join("file"), "text")?;
    }
    Ok(cx.policy()?.grant(folder, rights)?)
}

fn path(cx: &Context<'_>, tail: &str) -> String {
    at(&cx.root.join("folder"), tail)
}

fn no_delete(cx: &Context<'_>) -> Verdict {
    let policy = with(cx, Rights::READ_WRITE - Rights::DELETE)?;
    let answers = cx.ask(
        policy,
        &[
            &["create", &path(cx, "new"), "x"],
            &["write", &path(cx, "file"), "x"],
            &["remove", &path(cx, "file")],
            &["rename", &path(cx, "file"), &path(cx, "other")],
            &["rename", &path(cx, "new"), &path(cx, "file")],
        ],
    )?;
    all_allowed(&answers[..2])?;
    all_refused(&answers[2..])
}

fn no_create(cx: &Context<'_>) -> Verdict {
    let policy = with(cx, Rights::READ_ONLY | Rights::WRITE)?;
    let answers = cx.ask(
        policy,
        &[
            &["write", &path(cx, "file"), "x"],
            &["create", &path(cx, "new"), "x"],
            &["mkdir", &path(cx, "sub")],
            &["link", &path(cx, "file"), &path(cx, "hard")],
        ],
    )?;
    answers[0].allowed()?;
    all_refused(&answers[1..])
}

/// A drop box: what is put in cannot be seen.
fn no_list(cx: &Context<'_>) -> Verdict {
    let policy = with(cx, Rights::CREATE | Rights::WRITE)?;
    let answers = cx.ask(
        policy,
        &[
            &["create", &path(cx, "new"), "x"],
            &["list", &path(cx, "")],
            &["read", &path(cx, "file")],
        ],
    )?;
    all_refused(&answers[1..])?;
    answers[0].allowed()?;
    ensure(cx.root.join("folder/new").exists(), || "nothing arrived".into())
}

fn no_read(cx: &Context<'_>) -> Verdict {
    let policy = with(cx, Rights::LIST)?;
    let answers = cx.ask(policy, &[&["list", &path(cx, "")], &["read", &path(cx, "file")]])?;
    answers[0].says("file")?;
    answers[1].refused()
}

fn no_execute(cx: &Context<'_>) -> Verdict {
    let policy = with(cx, Rights::READ | Rights::LIST)?;
    let tool = path(cx, "tool");
    fs::copy(own_program(), &tool)?;
    let answers =
        cx.ask(policy, &[&["read", &path(cx, "file")], &["execute", &tool, "--probe", "cwd"]])?;
    answers[0].says("text")?;
    answers[1].refused()
}
