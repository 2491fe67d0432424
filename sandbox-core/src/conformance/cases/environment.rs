//! A command sees the variables, arguments and directory that it was given, byte for byte.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use crate::capability::Feature::Environment;
use crate::conformance::context::{Context, answers, at, ensure};
use crate::conformance::world::{BYTES, CANARY, LINES, PLAIN, SECRET};
use crate::conformance::{Case, Verdict};

pub(super) const CASES: &[Case] = &[
    Case::promise("environment::variables_are_scrubbed", &[Environment], scrubbed),
    Case::promise("environment::secrets_do_not_pass_by_pattern", &[Environment], by_pattern),
    Case::works("environment::named_variables_pass", named),
    Case::works("environment::values_pass_verbatim", verbatim),
    Case::works("environment::what_the_policy_sets_wins", set_wins),
    Case::works("environment::what_the_request_sets_wins", request_wins),
    Case::works("environment::arguments_arrive_verbatim", arguments),
    Case::works("environment::long_arguments_arrive", long_argument),
    Case::works("environment::the_workspace_is_the_directory", workspace_directory),
    Case::works("environment::a_directory_can_be_chosen", chosen_directory),
];

fn scrubbed(cx: &Context<'_>) -> Verdict {
    let answer = cx.ask_one(cx.policy()?, &["variables"])?;
    let seen = answer.allowed()?;
    ensure(!seen.contains("CONFORMANCE_"), || format!("the command saw {seen}"))
}

fn by_pattern(cx: &Context<'_>) -> Verdict {
    let policy = || Ok::<_, crate::conformance::Stop>(cx.policy()?.pass_env("CONFORMANCE_*")?);
    cx.ask_one(policy()?, &["variable", PLAIN])?.says("plain")?;
    cx.ask_one(policy()?, &["variable", SECRET])?.refused()?;
    // Named in full, it is meant.
    cx.ask_one(cx.policy()?.pass_env(SECRET)?, &["variable", SECRET])?.says(CANARY)
}

fn named(cx: &Context<'_>) -> Verdict {
    cx.ask_one(cx.policy()?.pass_env(PLAIN)?, &["variable", PLAIN])?.says("plain")
}

fn verbatim(cx: &Context<'_>) -> Verdict {
    let policy = cx.policy()?.pass_env(LINES)?.pass_env(BYTES)?;
    let answers = cx.ask(policy, &[&["variable", LINES], &["variable", BYTES]])?;
    answers[0].says("one\\ntwo=2\\n")?;
    answers[1].says("a\\xff\\xfez")
}

fn set_wins(cx: &Context<'_>) -> Verdict {
    let policy = cx.policy()?.pass_env(PLAIN)?.set_env(PLAIN, "set")?.set_env("EMPTY", "")?;
    let answers = cx.ask(policy, &[&["variable", PLAIN], &["variable", "EMPTY"]])?;
    answers[0].says("set")?;
    answers[1].says("")
}

fn request_wins(cx: &Context<'_>) -> Verdict {
    let commands: [&[&str]; 1] = [&["variable", PLAIN]];
    let request = cx.request(&commands).env(PLAIN, "asked");
    let result = cx.run(cx.policy()?.set_env(PLAIN, "set")?, &request)?;
    answers(&result, &commands)?[0].says("asked")
}

fn arguments(cx: &Context<'_>) -> Verdict {
    let odd: Vec<OsString> =
        ["a b", "", "'\"`$(exit 9)${HOME}", "line\nbreak", "*", "\\", "-n", "--", ";|&<>"]
            .into_iter()
            .map(OsString::from)
            .chain([OsString::from_vec(vec![0xff, 0xfe])])
            .collect();
    let mut command = vec![OsString::from("echo")];
    command.extend(odd.iter().cloned());
    let joined = odd.iter().map(|word| word.as_encoded_bytes()).collect::<Vec<_>>().join(&b' ');
    cx.ask_one(cx.policy()?, &command)?.says(&joined.escape_ascii().to_string())
}

fn long_argument(cx: &Context<'_>) -> Verdict {
    let long = "x".repeat(100 << 10);
    cx.ask_one(cx.policy()?, &["length", &long])?.says("102400")
}

fn workspace_directory(cx: &Context<'_>) -> Verdict {
    cx.ask_one(cx.policy()?, &["cwd"])?.says(at(&cx.ws, "").trim_end_matches('/'))
}

fn chosen_directory(cx: &Context<'_>) -> Verdict {
    let commands: [&[&str]; 2] = [&["cwd"], &["read", "file"]];
    let request = cx.request(&commands).cwd(cx.ro.join("sub"));
    let result = cx.run(cx.policy()?, &request)?;
    let answers = answers(&result, &commands)?;
    answers[0].says(&at(&cx.ro, "sub"))?;
    answers[1].says(CANARY)
}
