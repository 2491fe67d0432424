//! Profiles judged by their text.

use std::path::{Path, PathBuf};

use sandbox_core::{ExecRequest, NetworkPolicy, Policy, PolicyBuilder, Rights, TerminalSize};

use super::reader::{Form, Judge, read};
use super::{ProfileError, Surroundings, compile};
use crate::forge::{TOOL, plan, plan_for};
use crate::sbpl::Profile;

/// Short names for the operations that the tables ask about.
fn operation(name: &str) -> &str {
    match name {
        "read" => "file-read-data",
        "stat" => "file-read-metadata",
        "write" => "file-write-data",
        "create" => "file-write-create",
        "delete" => "file-write-unlink",
        "exec" => "process-exec*",
        other => other,
    }
}

const ASKED: [&str; 6] = ["read", "stat", "write", "create", "delete", "exec"];

fn profile(policy: PolicyBuilder, entries: &[&str]) -> Profile {
    compile(&plan(policy, entries), &Surroundings::default()).unwrap()
}

/// Each row is a path and the operations that are allowed on it; all others must be denied.
fn verdicts(profile: &Profile, rows: &[(&str, &str)]) {
    let judge = Judge::new(profile);
    for (path, allowed) in rows {
        for asked in ASKED {
            let expected = allowed.split(' ').any(|word| word == asked);
            let found = judge.allows(operation(asked), path);
            assert_eq!(found, expected, "{asked} {path}\n{profile}");
        }
    }
}

const ALL: &str = "read stat write create delete exec";

#[test]
fn the_most_specific_place_decides() {
    let policy = || -> Result<PolicyBuilder, sandbox_core::policy::PolicyError> {
        Policy::builder()
            .write("/w")?
            .read("/w/vendor")?
            .write("/w/vendor/cache")?
            .hide("/w/.ssh")?
            .read("/w/.ssh/known")?
            .hide("/w/notes")
    };
    let entries = ["/w/vendor/cache/", "/w/.ssh/known", "/w/notes", "/w/a"];
    verdicts(
        &profile(policy().unwrap(), &entries),
        &[
            ("/w/a", ALL),
            ("/w/vendor/a", "read stat exec"),
            ("/w/vendor/cache/a", ALL),
            ("/w/.ssh", "stat"),
            ("/w/.ssh/id", ""),
            ("/w/.ssh/known", "read stat exec"),
            ("/w/notes", ""),
            ("/w/notes/below", ""),
            ("/wider", ""),
            ("/usr/bin/tool", "read stat exec"),
            ("/etc/passwd", ""),
            ("/", "read stat"),
            ("/dev/null", "read stat write"),
            ("/dev/random", "read stat"),
            ("/dev/disk0", ""),
            ("/dev/tty", ""),
        ],
    );
}

#[test]
fn grants_leave_out_what_is_hidden_by_themselves() {
    let policy = Policy::builder().write("/w").unwrap().hide("/w/.ssh").unwrap();
    let mut judge = Judge::new(&profile(policy, &["/w/.ssh/", "/w/a"]));
    let keep = |at: usize, rule: &Form| at < 2 || !matches!(rule, Form::List(f) if f[0].is("deny"));
    let rules = std::mem::take(&mut judge.rules).into_iter().enumerate();
    judge.rules = rules.filter(|(at, rule)| keep(*at, rule)).map(|(_, rule)| rule).collect();
    for asked in ASKED {
        for hidden in ["/w/.ssh", "/w/.ssh/id"] {
            assert!(!judge.allows(operation(asked), hidden), "{asked} {hidden}");
        }
        assert!(judge.allows(operation(asked), "/w/a"), "{asked}");
    }
}

#[test]
fn the_way_to_a_place_stays_where_it_is() {
    let policy = Policy::builder().write("/w").unwrap().hide("/w/a/b/secret").unwrap();
    let profile = profile(policy, &["/w/a/b/secret", "/w/a/c"]);
    let kept = "read stat write create exec";
    verdicts(
        &profile,
        &[
            ("/w/", kept),
            ("/w/a/", kept),
            ("/w/a/b/", kept),
            ("/w/a/b/secret", ""),
            ("/w/a/c", ALL),
        ],
    );
}

#[test]
fn what_does_not_exist_yet_cannot_be_made() {
    let policy = Policy::builder().write("/w").unwrap().hide("/w/.netrc").unwrap();
    verdicts(&profile(policy, &["/w/"]), &[("/w/.netrc", ""), ("/w/.netrc2", ALL)]);
}

#[test]
fn each_right_is_told_apart() {
    let grant = |rights| Policy::builder().grant("/d", rights).unwrap();
    for (rights, file, folder) in [
        (Rights::READ, "read stat", "stat"),
        (Rights::LIST, "stat", "read stat"),
        (Rights::WRITE, "stat write", "stat write"),
        (Rights::CREATE, "stat create", "stat create"),
        (Rights::DELETE, "stat delete", "stat delete"),
        (Rights::EXECUTE, "stat exec", "stat exec"),
        (Rights::READ | Rights::LIST, "read stat", "read stat"),
    ] {
        let profile = profile(grant(rights), &["/d/"]);
        verdicts(&profile, &[("/d/file", file), ("/d/folder/", folder)]);
    }
}

#[test]
fn a_granted_file_grants_nothing_else() {
    let policy = Policy::builder().write("/w/file").unwrap();
    let found = profile(policy, &["/w/file"]);
    let kept = "read stat write create exec";
    verdicts(&found, &[("/w/file", kept), ("/w/file/x", ""), ("/w/other", ""), ("/w/", "stat")]);
}

#[test]
fn private_places_are_hidden_and_replaced() {
    let policy = Policy::builder().write("/w").unwrap().private("/w/tmp").unwrap();
    let plan = plan(policy, &["/w/tmp/"]);
    let own = [PathBuf::from("/var/run-1")];
    let found = compile(&plan, &Surroundings { own: &own, gateway: None }).unwrap();
    verdicts(&found, &[("/w/tmp/a", ""), ("/var/run-1/a", ALL), ("/var/run-2", "")]);
}

#[test]
fn links_can_be_followed() {
    let policy = Policy::builder().read("/bin").unwrap();
    let found = profile(policy, &["/bin -> usr/bin"]);
    verdicts(&found, &[("/bin", "read stat"), ("/usr/bin/x", "read stat exec")]);
}

#[test]
fn hostile_names_stay_out_of_the_text() {
    let names = [
        "/w/\")) (allow default) ((\"",
        "/w/a\\",
        "/w/a\nb",
        "/w/(param \"PATH_99\")",
        "/w/#\"^/\"",
        "/w/;comment",
        "/w/\u{202e}x",
    ];
    let mut policy = Policy::builder().write("/w").unwrap();
    for name in &names[..4] {
        policy = policy.hide(name).unwrap();
    }
    for name in &names[4..] {
        policy = policy.read(name).unwrap();
    }
    let profile = profile(policy, &names);
    let text = profile.to_string();
    for name in names {
        let tail = &name[3..];
        assert!(!text.contains(tail), "{tail:?} in\n{text}");
        assert!(profile.parameters().any(|(_, path)| path == Path::new(name)), "{name:?}");
    }
    assert!(text.is_ascii());
    let judge = Judge::new(&profile);
    assert!(!judge.allows("file-read-data", names[0]) && judge.allows("file-read-data", names[6]));
}

#[test]
fn the_text_reads_back_as_the_tree() {
    let policy = Policy::builder().write("/w").unwrap().hide("/w/a").unwrap();
    let profile = profile(policy, &["/w/a"]);
    let forms = read(&profile.to_string());
    assert_eq!(forms[0], Form::List(vec![Form::Word("version".into()), Form::Word("1".into())]));
    let deny = vec![Form::Word("deny".into()), Form::Word("default".into())];
    assert_eq!(forms[1], Form::List(deny));
    assert_eq!(forms.len(), profile.rules().len() + 2);
    for (form, rule) in forms[2..].iter().zip(profile.rules()) {
        assert_eq!(read(&rule.to_string()), std::slice::from_ref(form));
    }
}

#[test]
fn families_are_not_mixed_with_their_members() {
    let policy = Policy::builder().write("/w").unwrap().network(NetworkPolicy::Unrestricted);
    let request = ExecRequest::new(TOOL).terminal(TerminalSize { rows: 24, columns: 80 });
    let plan = plan_for(policy, &request, &["/w/"]);
    let found = compile(&plan, &Surroundings::default()).unwrap();
    let used = found.rules().iter().flat_map(|rule| &rule.operations);
    let used: Vec<String> = used.map(ToString::to_string).collect();
    for family in used.iter().filter_map(|name| name.strip_suffix('*')) {
        let members = used.iter().filter(|name| name.starts_with(family) && !name.ends_with('*'));
        assert_eq!(members.count(), 0, "{family}");
    }
}

#[test]
fn services_and_variables_are_a_short_list() {
    let text = profile(Policy::builder(), &[]).to_string();
    let rule = |operation: &str| {
        let start = format!("(allow {operation} (");
        text.lines().find(|line| line.starts_with(&start)).map(str::to_owned)
    };
    assert_eq!(rule("mach-lookup").unwrap().matches("global-name").count(), 2);
    assert!(!text.contains("kern.proc") && !text.contains("kern.hostname"));
    assert!(rule("sysctl-read").unwrap().contains("(sysctl-name \"hw.ncpu\")"));
    assert!(!text.contains("(allow mach-lookup)") && !text.contains("(allow sysctl-read)"));
    assert!(text.contains("(allow signal process-info* (target same-sandbox))"));
    assert!(
        !text.contains("network") && !text.contains("/dev/tty") && !text.contains("pseudo"),
        "{text}"
    );
}

#[test]
fn the_network_is_what_the_policy_says() {
    let text = |network, gateway| {
        let plan = plan(Policy::builder().network(network), &[]);
        compile(&plan, &Surroundings { own: &[], gateway }).map(|profile| profile.to_string())
    };
    let listed = || {
        let hosts = vec!["example.org".parse().unwrap()];
        NetworkPolicy::limited(hosts)
    };
    assert!(!text(NetworkPolicy::denied(), Some(3128)).unwrap().contains("network"));
    assert_eq!(text(listed(), None), Err(ProfileError::NoGateway));
    let limited = text(listed(), Some(3128)).unwrap();
    let gateway = "(allow network-outbound (remote ip \"localhost:3128\"))";
    assert_eq!(limited.matches("network").count(), 1);
    assert!(limited.contains(gateway), "{limited}");
    let open = text(NetworkPolicy::Unrestricted, None).unwrap();
    assert!(open.contains("(remote ip)") && !open.contains("(allow network-outbound)"), "{open}");
}

#[test]
fn a_terminal_comes_with_its_devices() {
    let request = ExecRequest::new(TOOL).terminal(TerminalSize { rows: 24, columns: 80 });
    let plan = plan_for(Policy::builder(), &request, &[]);
    let profile = compile(&plan, &Surroundings::default()).unwrap();
    assert!(Judge::new(&profile).allows("file-ioctl", "/dev/tty"));
    let text = profile.to_string();
    assert!(text.contains("(allow pseudo-tty)") && text.contains("(regex #\"^/dev/ttys[0-9]+$\")"));
}
