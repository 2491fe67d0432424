//! What no rule grants cannot be read or changed, by any name.

use std::fs;
use std::os::unix::fs::symlink;

use crate::capability::Feature::{FilesystemRead, FilesystemRights, FilesystemWrite};
use crate::conformance::context::{Context, all_allowed, all_refused, at, ensure};
use crate::conformance::world::CANARY;
use crate::conformance::{Case, Verdict};
use crate::policy::PolicyBuilder;

pub(super) const CASES: &[Case] = &[
    Case::works("filesystem::granted_files_can_be_read", granted_read),
    Case::works("filesystem::workspace_can_be_changed", workspace_write),
    Case::works("filesystem::changes_arrive_on_the_host", changes_arrive),
    Case::promise("filesystem::ungranted_files_cannot_be_read", &[FilesystemRead], ungranted_read),
    Case::promise("filesystem::siblings_are_not_listed", &[FilesystemRead], siblings),
    Case::promise(
        "filesystem::ungranted_files_cannot_be_changed",
        &[FilesystemWrite],
        ungranted_write,
    ),
    Case::promise("filesystem::read_only_content_stays", &[FilesystemWrite], read_only_content),
    Case::promise("filesystem::read_only_names_stay", &[FilesystemWrite], read_only_names),
    Case::promise("filesystem::nothing_is_moved_across", &[FilesystemWrite], moved_across),
    Case::promise("filesystem::nothing_is_linked_across", &[FilesystemWrite], linked_across),
    Case::promise("filesystem::dot_dot_leads_nowhere", &[FilesystemRead], dot_dot),
    Case::promise(
        "filesystem::links_out_of_the_workspace_lead_nowhere",
        &[FilesystemRead],
        link_out,
    ),
    Case::promise("filesystem::own_links_lead_nowhere", &[FilesystemRead], own_link_out),
    Case::promise(
        "filesystem::creation_through_a_link_is_refused",
        &[FilesystemWrite],
        create_through,
    ),
    Case::promise("filesystem::proc_root_leads_nowhere", &[FilesystemRead], proc_root),
    Case::promise("filesystem::system_files_cannot_be_changed", &[FilesystemWrite], system_write),
    Case::promise("filesystem::read_only_inside_writable", &[FilesystemWrite], locked_inside),
    Case::works("filesystem::around_read_only_stays_writable", around_locked)
        .under(&[FilesystemRights])
        .gap(&["new names"]),
    Case::promise(
        "filesystem::read_only_inside_writable_cannot_be_moved",
        &[FilesystemWrite],
        locked_moved,
    )
    .gap(&["rename", "moved", "ancestor"]),
    Case::promise("filesystem::writable_inside_read_only", &[FilesystemWrite], open_inside),
    Case::promise(
        "filesystem::a_file_rule_grants_one_file_to_read",
        &[FilesystemRead],
        one_file_read,
    ),
    Case::promise(
        "filesystem::a_file_rule_grants_one_file_to_write",
        &[FilesystemWrite],
        one_file_write,
    ),
    Case::works("filesystem::a_linked_rule_is_found_by_both_names", linked_rule),
    Case::works("filesystem::names_are_taken_literally", odd_names),
];

fn granted_read(cx: &Context<'_>) -> Verdict {
    let (ro, ws) = (at(&cx.ro, "sub/file"), at(&cx.ws, "sub/file"));
    for answer in cx.ask(cx.policy()?, &[&["read", &ro], &["read", &ws]])? {
        answer.says(CANARY)?;
    }
    let answer = cx.ask_one(cx.policy()?, &["list", &at(&cx.ro, "")])?;
    answer.says("file sub")
}

fn workspace_write(cx: &Context<'_>) -> Verdict {
    let path = |tail: &str| at(&cx.ws, tail);
    all_allowed(&cx.ask(
        cx.policy()?,
        &[
            &["create", &path("new"), "text"],
            &["append", &path("new"), " more"],
            &["write", &path("file"), "TEXT"],
            &["truncate", &path("sub/file")],
            &["mkdir", &path("folder")],
            &["rename", &path("new"), &path("folder/moved")],
            &["link", &path("folder/moved"), &path("hard")],
            &["symlink", "hard", &path("soft")],
            &["chmod", &path("hard"), "600"],
            &["utimes", &path("hard")],
            &["fifo", &path("pipe")],
            &["remove", &path("pipe")],
            &["remove", &path("soft")],
            &["remove", &path("hard")],
            &["remove", &path("folder/moved")],
            &["rmdir", &path("folder")],
        ],
    )?)
}

fn changes_arrive(cx: &Context<'_>) -> Verdict {
    let new = at(&cx.ws, "sub/new");
    cx.ask_one(cx.policy()?, &["create", &new, "made inside"])?.allowed()?;
    ensure(fs::read(&new)? == b"made inside", || "the file holds something else".into())
}

fn ungranted_read(cx: &Context<'_>) -> Verdict {
    let paths =
        [at(&cx.out, "file"), at(&cx.out, "sub/file"), at(&cx.stage.home, ".ssh/id_canary")];
    let commands: Vec<[&str; 2]> = paths.iter().map(|path| ["read", path]).collect();
    let commands: Vec<&[&str]> = commands.iter().map(|c| &c[..]).collect();
    all_refused(&cx.ask(cx.policy()?, &commands)?)
}

fn siblings(cx: &Context<'_>) -> Verdict {
    let answer = cx.ask_one(cx.policy()?, &["list", &at(&cx.root, "")])?;
    let seen = answer.said.unwrap_or_default();
    ensure(!seen.contains("outside"), || format!("beside the workspace stood {seen:?}"))
}

fn ungranted_write(cx: &Context<'_>) -> Verdict {
    let path = |tail: &str| at(&cx.out, tail);
    all_refused(&cx.ask(
        cx.policy()?,
        &[
            &["write", &path("file"), "x"],
            &["append", &path("file"), "x"],
            &["truncate", &path("sub/file")],
            &["create", &path("sub/new"), "x"],
            &["remove", &path("sub/file")],
            &["rmdir", &path("sub")],
        ],
    )?)
}

fn read_only_content(cx: &Context<'_>) -> Verdict {
    let file = at(&cx.ro, "file");
    all_refused(&cx.ask(
        cx.policy()?,
        &[
            &["write", &file, "x"],
            &["append", &file, "x"],
            &["truncate", &file],
            &["put", &file, "x"],
            &["open-write", &at(&cx.ro, "sub/file")],
        ],
    )?)
}

fn read_only_names(cx: &Context<'_>) -> Verdict {
    let path = |tail: &str| at(&cx.ro, tail);
    all_refused(&cx.ask(
        cx.policy()?,
        &[
            &["create", &path("new"), "x"],
            &["mkdir", &path("folder")],
            &["symlink", "file", &path("soft")],
            &["fifo", &path("pipe")],
            &["unix-bind", &path("socket")],
            &["rename", &path("file"), &path("other")],
            &["exchange", &path("file"), &path("sub")],
            &["link", &path("file"), &path("hard")],
            &["remove", &path("sub/file")],
            &["rmdir", &path("sub")],
        ],
    )?)
}

fn moved_across(cx: &Context<'_>) -> Verdict {
    let (ro, ws) = (|tail: &str| at(&cx.ro, tail), |tail: &str| at(&cx.ws, tail));
    all_refused(&cx.ask(
        cx.policy()?,
        &[
            &["rename", &ro("file"), &ws("out")],
            &["rename", &ws("file"), &ro("in")],
            &["rename", &ro("sub"), &ws("folder")],
            &["exchange", &ro("file"), &ws("file")],
        ],
    )?)
}

fn linked_across(cx: &Context<'_>) -> Verdict {
    let (inside, stolen) = (at(&cx.ro, "in"), at(&cx.ws, "stolen"));
    all_refused(&cx.ask(
        cx.policy()?,
        &[
            &["link", &at(&cx.ws, "file"), &inside],
            &["link", &at(&cx.ro, "file"), &stolen],
            &["link", &at(&cx.out, "file"), &stolen],
        ],
    )?)
}

fn dot_dot(cx: &Context<'_>) -> Verdict {
    let up = at(&cx.ws, "../outside/file");
    let deep = at(&cx.ws, "sub/../../outside/sub/file");
    all_refused(
        &cx.ask(cx.policy()?, &[&["read", &up], &["read", &deep], &["read", "../outside/file"]])?,
    )
}

fn link_out(cx: &Context<'_>) -> Verdict {
    symlink(cx.out.join("file"), cx.ws.join("absolute"))?;
    symlink("../outside", cx.ws.join("relative"))?;
    let (one, two) = (at(&cx.ws, "absolute"), at(&cx.ws, "relative/file"));
    all_refused(&cx.ask(cx.policy()?, &[&["read", &one], &["read", &two]])?)
}

fn own_link_out(cx: &Context<'_>) -> Verdict {
    let link = at(&cx.ws, "own");
    let commands: [&[&str]; 2] = [&["symlink", &at(&cx.out, "file"), &link], &["read", &link]];
    let answers = cx.ask(cx.policy()?, &commands)?;
    answers[0].allowed()?;
    answers[1].refused()
}

fn create_through(cx: &Context<'_>) -> Verdict {
    symlink(cx.ro.join("planted"), cx.ws.join("to-ro"))?;
    symlink(cx.out.join("planted"), cx.ws.join("to-out"))?;
    symlink(cx.ro.join("file"), cx.ws.join("to-file"))?;
    let path = |tail: &str| at(&cx.ws, tail);
    all_refused(&cx.ask(
        cx.policy()?,
        &[
            &["put", &path("to-ro"), "x"],
            &["put", &path("to-out"), "x"],
            &["put", &path("to-file"), "x"],
        ],
    )?)
}

fn proc_root(cx: &Context<'_>) -> Verdict {
    let target = at(&cx.out, "file");
    let names =
        ["/proc/self/root", "/proc/thread-self/root", "/proc/1/root", "/proc/self/cwd/../.."];
    let paths: Vec<String> = names.iter().map(|name| format!("{name}{target}")).collect();
    let commands: Vec<[&str; 2]> = paths.iter().map(|path| ["read", path]).collect();
    let commands: Vec<&[&str]> = commands.iter().map(|c| &c[..]).collect();
    all_refused(&cx.ask(cx.policy()?, &commands)?)
}

/// Files that the host's own user may write; the one opened last is root's on every machine.
fn system_write(cx: &Context<'_>) -> Verdict {
    let mine = at(&cx.stage.home, ".profile");
    fs::write(&mine, CANARY)?;
    let answers = cx.ask(
        cx.policy()?,
        &[
            &["write", &mine, "x"],
            &["open-write", "/etc/passwd"],
            &["create", "/usr/conformance", "x"],
            &["create", "/etc/conformance", "x"],
        ],
    );
    let untouched = fs::read(&mine)? == CANARY.as_bytes();
    for planted in ["/usr/conformance", "/etc/conformance"] {
        // Only a sandbox that failed leaves something to remove.
        let _ = fs::remove_file(planted);
    }
    let answers = answers?;
    ensure(untouched, || "a file of the home directory was changed".into())?;
    answers[1..].iter().try_for_each(|answer| answer.refused())
}

fn locked_policy(cx: &Context<'_>) -> Verdict<PolicyBuilder> {
    fs::create_dir_all(cx.ws.join("deep/locked"))?;
    fs::write(cx.ws.join("deep/locked/file"), CANARY)?;
    Ok(cx.policy()?.read(cx.ws.join("deep/locked"))?)
}

fn locked_inside(cx: &Context<'_>) -> Verdict {
    let policy = locked_policy(cx)?;
    let path = |tail: &str| at(&cx.ws, tail);
    let answers = cx.ask(
        policy,
        &[
            &["read", &path("deep/locked/file")],
            &["write", &path("deep/locked/file"), "x"],
            &["create", &path("deep/locked/new"), "x"],
            &["remove", &path("deep/locked/file")],
        ],
    )?;
    answers[0].allowed()?;
    all_refused(&answers[1..])?;
    ensure(fs::read(cx.ws.join("deep/locked/file"))? == CANARY.as_bytes(), || "it changed".into())
}

fn around_locked(cx: &Context<'_>) -> Verdict {
    let beside = at(&cx.ws, "deep/beside");
    cx.ask_one(locked_policy(cx)?, &["create", &beside, "x"])?.allowed().map(drop)
}

/// A lock that can be carried away is open in the next run.
fn locked_moved(cx: &Context<'_>) -> Verdict {
    let policy = locked_policy(cx)?;
    let path = |tail: &str| at(&cx.ws, tail);
    all_refused(&cx.ask(
        policy,
        &[
            &["rename", &path("deep/locked"), &path("deep/away")],
            &["rename", &path("deep"), &path("away")],
            &["exchange", &path("deep"), &path("sub")],
        ],
    )?)?;
    ensure(cx.ws.join("deep/locked/file").exists(), || "it was moved".into())
}

fn open_inside(cx: &Context<'_>) -> Verdict {
    let open = cx.root.join("ro2/open");
    fs::create_dir_all(&open)?;
    fs::write(cx.root.join("ro2/file"), CANARY)?;
    let policy = cx.policy()?.read(cx.root.join("ro2"))?.write(&open)?;
    let path = |tail: &str| at(&cx.root.join("ro2"), tail);
    let answers = cx.ask(
        policy,
        &[
            &["create", &path("open/new"), "x"],
            &["read", &path("file")],
            &["create", &path("beside"), "x"],
            &["write", &path("file"), "x"],
        ],
    )?;
    all_allowed(&answers[..2])?;
    all_refused(&answers[2..])
}

fn one_file_read(cx: &Context<'_>) -> Verdict {
    let policy = cx.policy()?.read(cx.out.join("file"))?;
    let answers = cx.ask(
        policy,
        &[
            &["read", &at(&cx.out, "file")],
            &["read", &at(&cx.out, "sub/file")],
            &["write", &at(&cx.out, "file"), "x"],
        ],
    )?;
    answers[0].says(CANARY)?;
    all_refused(&answers[1..])
}

fn one_file_write(cx: &Context<'_>) -> Verdict {
    let folder = cx.root.join("files");
    fs::create_dir(&folder)?;
    fs::write(folder.join("one"), CANARY)?;
    fs::write(folder.join("two"), CANARY)?;
    let path = |tail: &str| at(&folder, tail);
    let commands: [&[&str]; 4] = [
        &["write", &path("one"), "changed"],
        &["write", &path("two"), "changed"],
        &["rename", &path("one"), &path("two")],
        &["create", &path("three"), "x"],
    ];
    let answers = cx.ask(cx.policy()?.write(folder.join("one"))?, &commands)?;
    answers[0].allowed()?;
    all_refused(&answers[1..3])?;
    // What is made beside it may be the sandbox's own, but must not be the host's.
    ensure(!folder.join("three").exists(), || "a neighbour was made".into())?;
    ensure(fs::read(folder.join("one"))?.starts_with(b"changed"), || "nothing arrived".into())
}

fn linked_rule(cx: &Context<'_>) -> Verdict {
    let alias = cx.root.join("alias");
    symlink(cx.out.join("sub"), &alias)?;
    let policy = cx.policy()?.read(&alias)?;
    let (by_link, by_name) = (at(&alias, "file"), at(&cx.out, "sub/file"));
    for answer in cx.ask(policy, &[&["read", &by_link], &["read", &by_name]])? {
        answer.says(CANARY)?;
    }
    Ok(())
}

/// Characters that mean something to shells, mount options and profile languages.
fn odd_names(cx: &Context<'_>) -> Verdict {
    let names = ["a,b=c:d", "a b\tc", "new\nline", "star*[x]?", "quote\"'\\040", "--flag"];
    let mut policy = cx.policy()?;
    for name in names {
        fs::create_dir(cx.root.join(name))?;
        fs::write(cx.root.join(name).join("file"), CANARY)?;
        policy = policy.read(cx.root.join(name))?;
    }
    let paths: Vec<String> = names.iter().map(|name| at(&cx.root.join(name), "file")).collect();
    let commands: Vec<[&str; 2]> = paths.iter().map(|path| ["read", path]).collect();
    let commands: Vec<&[&str]> = commands.iter().map(|c| &c[..]).collect();
    cx.ask(policy, &commands)?.iter().try_for_each(|answer| answer.says(CANARY))
}
