use std::path::Path;

use super::*;

/// The error of a file's text, from parsing or from building.
fn error(name: &str, text: &str) -> String {
    let path = Path::new(name);
    let parsed = match PolicyFile::parse(text, path) {
        Ok(parsed) => parsed,
        Err(error) => return error.to_string(),
    };
    let built = parsed.into_builder(text, path).and_then(PolicyBuilder::build);
    built.expect_err("the file should be refused").to_string()
}

fn toml(text: &str) -> String {
    error("p.toml", text)
}

fn json(text: &str) -> String {
    error("p.json", text)
}

#[test]
fn an_empty_file_is_the_read_only_preset() {
    for (name, text) in [("p.toml", ""), ("p.json", "{}")] {
        let file = PolicyFile::parse(text, Path::new(name)).unwrap();
        assert_eq!(file, PolicyFile::default());
        let policy = file.into_builder(text, Path::new(name)).unwrap().build().unwrap();
        assert!(policy.network().is_denied());
        assert_eq!(policy.enforcement(), EnforcementLevel::Required);
        assert!(policy.workspace_path().is_none());
    }
}

#[test]
fn unknown_fields_are_refused_where_they_stand() {
    assert!(toml("\nnetwrok = 1\n").starts_with("p.toml:2:1: unknown field `netwrok`"));
    assert!(
        toml("[filesystem]\nread = [\"/a\"]\n").starts_with("p.toml:2:1: unknown field `read`")
    );
    assert!(toml("[limits]\nmemory = \"1G\"\nmemroy = \"1G\"").starts_with("p.toml:3:1: "));
    assert!(toml("[process]\nsyscall = \"strict\"").starts_with("p.toml:2:1: "));
    assert!(
        toml("[[filesystem.rules]]\npath = \"/a\"\nrights = [\"read\"]\nmode = 1")
            .starts_with("p.toml:4:1: ")
    );
    assert!(json("{\n  \"netwrok\": 1\n}").starts_with("p.json:2:11: unknown field `netwrok`"));
    assert!(
        json("{\"network\": {\"mode\": \"limited\", \"hosts\": []}}")
            .contains("unknown field `hosts`")
    );
}

#[test]
fn wrong_words_are_refused_where_they_stand() {
    let message = toml("preset = \"read_only\"\nenforcement = \"requierd\"\n");
    assert!(message.starts_with("p.toml:2:15: unknown variant `requierd`"), "{message}");
    assert!(message.contains("`required`, `best_effort`"), "{message}");
    assert!(toml("enforcement = true").starts_with("p.toml:1:15: "));
    assert!(toml("enforcement = \"Required\"").starts_with("p.toml:1:15: "));
    assert!(toml("preset = \"dev\"").starts_with("p.toml:1:10: "));
    assert!(toml("[process]\nsyscalls = \"none\"").starts_with("p.toml:2:12: "));
    assert!(toml("[network]\nmode = \"off\"").starts_with("p.toml:"));
    let rule = "[[filesystem.rules]]\npath = \"/a\"\nrights = [\"read\", \"wirte\"]";
    assert!(toml(rule).starts_with("p.toml:3:19: unknown variant `wirte`"), "{}", toml(rule));
}

#[test]
fn paths_that_cannot_be_meant_are_refused_where_they_stand() {
    let message = toml("[filesystem]\nread_only = [\"/a\", \"data\"]\n");
    assert!(message.starts_with("p.toml:2:20: \"data\" is relative"), "{message}");
    let message = toml("[filesystem]\nread_write = [\"/a/../b\"]\n");
    assert!(
        message.starts_with("p.toml:2:15: \"/a/../b\" is not normalised: write \"/b\""),
        "{message}"
    );
    assert!(toml("[filesystem]\nhidden = [\"~/.ssh\"]").starts_with("p.toml:2:11: "));
    assert!(toml("[filesystem]\nprivate = [\"\"]").starts_with("p.toml:2:11: the path is empty"));
    assert!(toml("workspace = \"/a/\"").starts_with("p.toml:1:13: "));
    assert!(toml("[filesystem]\nhidden = [\"/a\\u0000b\"]").starts_with("p.toml:2:10: "));
    let message = json("{\"filesystem\":\n {\"read_only\": [\"data\"]}}");
    assert!(message.starts_with("p.json:2:23: \"data\" is relative"), "{message}");
}

#[test]
fn amounts_hosts_and_types_are_refused_where_they_stand() {
    assert!(toml("[limits]\nmemory = \"1 GB\"").starts_with("p.toml:2:10: \"1 GB\" is no size"));
    assert!(toml("[limits]\nmemory = 512").starts_with("p.toml:2:10: "));
    assert!(toml("[limits]\nwall_time = \"30\"").starts_with("p.toml:2:13: "));
    assert!(toml("[limits]\nprocesses = -1").starts_with("p.toml:2:13: "));
    assert!(toml("[filesystem]\nread_only = \"/a\"").starts_with("p.toml:2:13: "));
    let hosts = "[network]\nmode = \"limited\"\nallowed_hosts = [\"*\"]";
    assert!(toml(hosts).contains("\"*\" is no host rule"), "{}", toml(hosts));
    assert!(toml("[limits]\nwall_time = \"0s\"").contains("the limit wall_time is 0s"));
}

#[test]
fn contradictions_are_refused_where_the_second_stands() {
    let message = toml("[filesystem]\nread_only = [\"/a\"]\nhidden = [\"/b\", \"/a\"]\n");
    assert!(
        message.starts_with("p.toml:3:17: /a stands in both read_only and hidden"),
        "{message}"
    );
    let message = toml("[filesystem]\nread_write = [\"/a\"]\nprivate = ['/a']\n");
    assert!(
        message.starts_with("p.toml:3:12: /a stands in both read_write and private"),
        "{message}"
    );
    let message = toml("[[filesystem.rules]]\npath = \"/a\"\nrights = []\n");
    assert!(message.starts_with("p.toml:2:8: the rule for /a grants no right"), "{message}");
    let message = toml("[filesystem]\nread_only = [\"/dev/kvm\"]\n");
    assert!(
        message.starts_with("p.toml:2:14: /dev/kvm lies in what the kernel shows"),
        "{message}"
    );
    let twice = "[filesystem]\nread_only = [\"/a\", \"/a\"]\n";
    assert!(PolicyFile::parse(twice, Path::new("p.toml")).unwrap().filesystem.check().is_ok());
}

#[test]
fn environment_names_are_refused_where_they_stand() {
    let message = toml("[environment]\npass = [\"LANG\", \"*\"]\n");
    assert!(message.starts_with("p.toml:2:17: \"*\" is no pattern"), "{message}");
    let message = toml("[environment.set]\nGOOD = \"1\"\n\"A=B\" = \"x\"\n");
    assert!(message.starts_with("p.toml:3:1: \"A=B\" is no name"), "{message}");
    let message = toml("[environment.set]\nNUL = \"a\\u0000b\"\n");
    assert!(message.starts_with("p.toml:2:1: the value of NUL"), "{message}");
}

#[test]
fn broken_syntax_is_refused_where_it_breaks() {
    assert!(toml("preset = \n").starts_with("p.toml:1:"));
    assert!(toml("a = 1\nb = = 2").starts_with("p.toml:2:5: "), "{}", toml("a = 1\nb = = 2"));
    assert!(toml("preset = \"read_only\"\npreset = \"developer\"").starts_with("p.toml:2:1: "));
    assert!(json("{\"preset\": }").starts_with("p.json:1:12: "));
    assert!(
        json("{\"preset\": \"read_only\", \"preset\": \"read_only\"}").contains("duplicate field")
    );
    assert!(json("").starts_with("p.json:1:0: "));
    assert!(json("{} x").starts_with("p.json:1:4: "));
    assert!(!json("{} x").contains("at line"));
}

#[test]
fn presets_and_workspaces_belong_together() {
    assert!(toml("preset = \"workspace\"").contains("add workspace ="));
    assert!(toml("workspace = \"/srv\"").contains("preset = \"workspace\""));
    assert!(toml("preset = \"workspace\"\nworkspace = \"/no/such\"").contains("create it first"));
    assert!(toml("preset = \"workspace\"\nworkspace = \"/\"").contains("the whole machine"));
}

#[test]
fn columns_count_characters() {
    let message = toml("[filesystem]\nread_only = [\"/äöü\", \"x\"]");
    assert!(message.starts_with("p.toml:2:22: "), "{message}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let Err(error) = PolicyFile::load(Path::new("/no/such\u{1b}/policy.toml")) else {
        panic!("there is no such file");
    };
    let message = error.to_string();
    assert!(message.starts_with("\"/no/such\\u{1b}/policy.toml\": the policy file"), "{message}");
}

#[test]
fn everything_in_a_file_reaches_the_policy() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "preset = \"workspace\"\nworkspace = '{}'\nenforcement = \"best_effort\"\n\
         [filesystem]\nread_only = [\"/r\"]\nread_write = [\"/w\"]\nhidden = [\"/h\"]\nprivate = [\"/p\"]\n\
         [[filesystem.rules]]\npath = \"/x\"\nrights = [\"list\", \"create\"]\n\
         [environment]\npass = [\"CI\"]\nset = {{ A = \"b\" }}\n\
         [network]\nmode = \"limited\"\nallowed_hosts = [\"example.com\"]\n\
         [process]\nsyscalls = \"strict\"\n[limits]\nmemory = \"64M\"\nidle = \"5s\"\n",
        folder.path().canonicalize().unwrap().display()
    );
    let file = PolicyFile::parse(&text, Path::new("p.toml")).unwrap();
    let policy = file.into_builder(&text, Path::new("p.toml")).unwrap().build().unwrap();
    let rights = |path: &str| policy.filesystem().decide(Path::new(path)).unwrap().1.rights;
    assert_eq!(rights("/r"), Rights::READ_ONLY);
    assert_eq!(rights("/w"), Rights::READ_WRITE);
    assert_eq!(rights("/h"), Rights::empty());
    assert_eq!(rights("/x"), Rights::LIST | Rights::CREATE);
    assert!(policy.filesystem().private_places().any(|(p, _)| p.as_path() == Path::new("/p")));
    assert!(policy.environment().passed().any(|name| name == "CI"));
    assert_eq!(policy.environment().variables().collect::<Vec<_>>(), [("A", "b")]);
    assert!(!policy.network().is_denied());
    assert_eq!(policy.syscalls(), SyscallProfile::Strict);
    assert_eq!(policy.enforcement(), EnforcementLevel::BestEffort);
    assert_eq!(policy.limits().memory.unwrap().bytes(), 64 << 20);
    assert!(policy.limits().idle.is_some());
    assert!(policy.workspace_path().is_some());
}
