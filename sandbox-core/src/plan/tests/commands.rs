//! The program, its directory and its variables.

use super::*;

fn env<'a>(plan: &'a Plan, name: &str) -> Option<&'a str> {
    plan.environment.iter().find(|(n, _)| n == name).map(|(_, value)| value.to_str().unwrap())
}

fn usual() -> PolicyBuilder {
    let policy = empty().pass_env("PATH").unwrap().pass_env("HOME").unwrap();
    policy.private("/tmp").unwrap().write("/home/me/repo").unwrap()
}

fn run(program: &str, variables: &[(&str, &str)]) -> crate::Result<Plan> {
    request(&machine(), usual(), &ExecRequest::new(program), variables)
}

#[test]
fn a_name_is_looked_up_in_the_visible_part_of_the_path() {
    let plan = run("git", &[("PATH", "/home/me/bin:/usr/bin:/bin:/nowhere:/usr/bin")]).unwrap();
    assert_eq!(plan.candidates, [Path::new("/usr/bin/git")]);
    assert_eq!(env(&plan, "PATH"), Some("/usr/bin"));
    assert_eq!(plan.arguments, ["git"]);
}

#[test]
fn a_folder_behind_a_link_that_is_not_shown_is_not_there() {
    let policy = || usual().read("/bin").unwrap();
    let (path, asked) = ([("PATH", "/bin")], ExecRequest::new("git"));
    let plan = request(&machine(), policy(), &asked, &path).unwrap();
    assert_eq!(plan.candidates, [Path::new("/bin/git")]);
    let explicit = run("/bin/git", &[]).unwrap_err();
    assert!(matches!(explicit, SandboxError::CommandHidden { .. }), "{explicit}");
}

#[test]
fn relative_folders_of_the_path_are_dropped() {
    let plan = run("git", &[("PATH", ".:bin::../x:/usr/bin:")]).unwrap();
    assert_eq!(env(&plan, "PATH"), Some("/usr/bin"));
    let only = request(
        &machine(),
        usual(),
        &ExecRequest::new("run.sh").cwd("/home/me/repo").env("PATH", ".:home/me/repo:"),
        &[],
    );
    assert!(matches!(only, Err(SandboxError::CommandNotFound { .. })), "{only:?}");
}

#[test]
fn without_a_usable_path_there_is_a_default() {
    for variables in [&[][..], &[("PATH", "")], &[("PATH", "/home/me/bin")]] {
        let plan = run("git", variables).unwrap();
        assert!(env(&plan, "PATH").unwrap().contains("/usr/bin"));
        assert_eq!(plan.candidates, [Path::new("/usr/bin/git")]);
    }
}

#[test]
fn a_path_is_taken_from_the_working_directory() {
    let asked = ExecRequest::new("./run.sh").cwd("/home/me/repo");
    let plan = request(&machine(), usual(), &asked, &[]).unwrap();
    assert_eq!(plan.candidates, [Path::new("/home/me/repo/./run.sh")]);
    let up = ExecRequest::new("../.ssh/id").cwd("/home/me/repo");
    assert!(matches!(
        request(&machine(), usual(), &up, &[]),
        Err(SandboxError::CommandHidden { .. })
    ));
}

#[test]
fn hidden_and_missing_programs_are_told_apart() {
    let path = [("PATH", "/home/me/bin:.:/usr/bin")];
    let hidden = run("tool", &path).unwrap_err();
    assert_eq!(
        hidden.to_string(),
        "tool is /home/me/bin/tool, which the policy does not let the sandbox execute: \
         add --read /home/me/bin"
    );
    assert!(matches!(run("/home/me/bin/tool", &[]), Err(SandboxError::CommandHidden { .. })));
    for missing in ["nothing", "/usr/bin/nothing", "/usr/lib", "..", "./nothing"] {
        let error = run(missing, &path).unwrap_err();
        assert!(matches!(error, SandboxError::CommandNotFound { .. }), "{missing}: {error}");
    }
}

#[test]
fn a_program_without_the_right_to_execute_is_hidden() {
    let policy = usual().grant("/srv", Rights::READ | Rights::LIST).unwrap();
    let mut files = machine();
    files.add("/srv/tool");
    let error = request(&files, policy, &ExecRequest::new("/srv/tool"), &[]).unwrap_err();
    assert!(matches!(error, SandboxError::CommandHidden { .. }), "{error}");
}

#[test]
fn what_no_system_call_can_carry_is_refused() {
    for wrong in [
        ExecRequest::new(""),
        ExecRequest::new("a\0b"),
        ExecRequest::new("/usr/bin/env").arg("a\0b"),
        ExecRequest::new("/usr/bin/env").env("", "x"),
        ExecRequest::new("/usr/bin/env").env("A=B", "x"),
        ExecRequest::new("/usr/bin/env").env("A\0", "x"),
        ExecRequest::new("/usr/bin/env").env("A", "\0"),
    ] {
        let result = request(&machine(), usual(), &wrong, &[]);
        assert!(matches!(result, Err(SandboxError::InvalidRequest(_))), "{wrong:?}");
    }
}

#[test]
fn the_directory_is_visible_or_an_error() {
    let at =
        |cwd: &str| request(&machine(), usual(), &ExecRequest::new("/usr/bin/env").cwd(cwd), &[]);
    for visible in ["/home/me/repo/src", "/usr/lib", "/tmp", "/home/me", "/"] {
        assert_eq!(at(visible).unwrap().cwd, Path::new(visible));
    }
    for hidden in ["/srv", "/home/me/.ssh", "/etc", "/tmp/below"] {
        assert!(refusal(at(hidden)).contains("is not visible"), "{hidden}");
    }
    assert!(refusal(at("/home/me/repo/run.sh")).contains("is no directory"));
    assert!(refusal(at("/home/me/repo/gone")).contains("is no directory"));
    assert!(refusal(at("repo")).contains("is relative"));
    assert!(refusal(at("/home/me/repo/../.ssh")).contains("is not normalised"));
}

#[test]
fn a_directory_behind_a_link_that_is_not_shown_is_named_by_what_it_is() {
    let mut files = machine();
    files.add("/alias -> /home/me/repo");
    let asked = ExecRequest::new("/usr/bin/env").cwd("/alias/src");
    let unnamed = request(&files, usual(), &asked, &[]).unwrap();
    assert_eq!(unnamed.cwd, Path::new("/home/me/repo/src"));
    let named = empty().write("/alias").unwrap();
    assert_eq!(request(&files, named, &asked, &[]).unwrap().cwd, Path::new("/alias/src"));
}

#[test]
fn a_directory_by_a_link_into_the_hidden_is_an_error() {
    let mut files = machine();
    files.add("/home/me/repo/out -> /home/me/.ssh");
    let asked = ExecRequest::new("/usr/bin/env").cwd("/home/me/repo/out");
    assert!(refusal(request(&files, usual(), &asked, &[])).contains("is not visible"));
}

#[test]
fn home_is_somewhere_that_exists() {
    let home = |policy, variables| {
        let plan = request(&machine(), policy, &ExecRequest::new("/usr/bin/env"), variables);
        env(&plan.unwrap(), "HOME").map(str::to_owned)
    };
    assert_eq!(home(usual(), &[]), None);
    assert_eq!(home(usual(), &[("HOME", "/home/me")]).as_deref(), Some("/home/me"), "on the way");
    assert_eq!(home(usual(), &[("HOME", "/home/you")]).as_deref(), Some("/tmp"));
    assert_eq!(home(usual(), &[("HOME", "me")]).as_deref(), Some("/tmp"));
    let bare = || empty().pass_env("HOME").unwrap();
    assert_eq!(home(bare(), &[("HOME", "/home/you")]).as_deref(), Some("/"));
    let set = usual().set_env("HOME", "/set").unwrap();
    assert_eq!(home(set, &[("HOME", "/home/me")]).as_deref(), Some("/set"));
}

#[test]
fn temporary_files_go_to_the_private_place_unless_the_policy_says_otherwise() {
    let of = |policy| {
        let plan =
            request(&machine(), policy, &ExecRequest::new("/usr/bin/env"), &[("TMPDIR", "/x")]);
        env(&plan.unwrap(), "TMPDIR").map(str::to_owned)
    };
    assert_eq!(of(usual()).as_deref(), Some("/tmp"));
    assert_eq!(of(usual().set_env("TMPDIR", "/set").unwrap()).as_deref(), Some("/set"));
    assert_eq!(of(empty()), None);
}

#[test]
fn the_request_has_the_last_word_on_variables() {
    let asked = ExecRequest::new("/usr/bin/env").env("HOME", "/x").env("TMPDIR", "/y").env("A", "");
    let plan = request(&machine(), usual(), &asked, &[("HOME", "/home/me")]).unwrap();
    assert_eq!(
        (env(&plan, "HOME"), env(&plan, "TMPDIR"), env(&plan, "A")),
        (Some("/x"), Some("/y"), Some(""))
    );
    let names: Vec<_> = plan.environment.iter().map(|(name, _)| name.clone()).collect();
    assert!(names.is_sorted());
}
