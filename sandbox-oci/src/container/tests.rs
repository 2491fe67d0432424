//! Container bodies, as the engine reads them: JSON.

use sandbox_core::{ExecRequest, Policy, PolicyBuilder, Rights, TerminalSize};
use serde_json::{Value, json};
use std::time::Duration;

use super::*;
use crate::forge::{TOOL, plan, plan_for};

fn settings() -> Settings {
    let labels = BTreeMap::from([("session".to_owned(), "s-1".to_owned())]);
    Settings { image: "busybox".into(), owner: Owner::new(1000, 100).unwrap(), labels }
}

fn body(policy: PolicyBuilder, entries: &[&str]) -> Value {
    serde_json::to_value(compile(&plan(policy, entries), &settings()).unwrap()).unwrap()
}

fn mount_at<'a>(body: &'a Value, target: &str) -> &'a Value {
    let mounts = body["HostConfig"]["Mounts"].as_array().unwrap();
    mounts.iter().find(|mount| mount["Target"] == target).unwrap_or(&Value::Null)
}

#[test]
fn nothing_is_privileged() {
    let body = body(Policy::builder(), &[]);
    let host = &body["HostConfig"];
    assert_eq!(host["CapDrop"], json!(["ALL"]));
    assert_eq!(host["SecurityOpt"], json!(["no-new-privileges:true"]));
    assert_eq!((&host["Privileged"], &host["ReadonlyRootfs"]), (&json!(false), &json!(true)));
    assert_eq!((&host["Init"], &host["IpcMode"]), (&json!(true), &json!("private")));
    assert_eq!(body["User"], "1000:100");
    for open in [
        "CapAdd",
        "Devices",
        "DeviceCgroupRules",
        "DeviceRequests",
        "Binds",
        "VolumesFrom",
        "PidMode",
        "UTSMode",
        "UsernsMode",
        "GroupAdd",
        "PortBindings",
        "Sysctls",
        "CgroupParent",
    ] {
        assert_eq!(host[open], Value::Null, "{open}");
    }
}

#[test]
fn only_the_command_runs_and_nothing_is_kept() {
    let request = ExecRequest::new(TOOL).args(["-c", "echo a,b:c"]).env("CI", "1");
    let plan = plan_for(Policy::builder(), &request, &[]);
    let body = serde_json::to_value(compile(&plan, &settings()).unwrap()).unwrap();
    assert_eq!(body["Entrypoint"], json!([TOOL]));
    assert_eq!(body["Cmd"], json!(["-c", "echo a,b:c"]));
    assert!(body["Env"].as_array().unwrap().contains(&json!("CI=1")), "{}", body["Env"]);
    assert_eq!(body["Healthcheck"]["Test"], json!(["NONE"]));
    assert_eq!(body["HostConfig"]["RestartPolicy"]["Name"], "no");
    assert_eq!(body["HostConfig"]["LogConfig"]["Type"], "none");
    assert_eq!(body["Labels"], json!({ "session": "s-1", "sandbox.managed": "true" }));
}

#[test]
fn names_with_separators_survive() {
    let names = ["/w/a:b", "/w/a:/etc:rw", "/w/a,readonly=false", "/w/a\"b\\c", "/w/a b"];
    let mut policy = Policy::builder();
    for name in names {
        policy = policy.read(name).unwrap();
    }
    let entries: Vec<String> = names.iter().map(|name| format!("{name}/")).collect();
    let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
    let body = body(policy, &entries);
    for name in names {
        let mount = mount_at(&body, name);
        assert_eq!(mount["Source"], name);
        assert_eq!((&mount["Type"], &mount["ReadOnly"]), (&json!("bind"), &json!(true)));
        assert_eq!(mount["BindOptions"]["ReadOnlyForceRecursive"], true);
        assert_eq!(mount["BindOptions"]["Propagation"], "rprivate");
    }
}

#[test]
fn each_kind_of_place_has_its_mount() {
    let policy = Policy::builder().write("/w").unwrap().hide("/w/.ssh").unwrap();
    let policy = policy.hide("/w/.netrc").unwrap().private("/tmp").unwrap();
    let policy = policy.limits(|limits| limits.disk = Some("8M".parse().unwrap()));
    let body = body(policy, &["/w/.ssh/", "/w/.netrc"]);
    let work = mount_at(&body, "/w");
    assert_eq!(
        (&work["ReadOnly"], &work["BindOptions"]["CreateMountpoint"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(mount_at(&body, "/w/.netrc")["Source"], "/dev/null");
    let ssh = mount_at(&body, "/w/.ssh");
    assert_eq!((&ssh["Type"], &ssh["ReadOnly"]), (&json!("tmpfs"), &json!(true)));
    assert_eq!(ssh["TmpfsOptions"], json!({ "Mode": 0o100 }));
    let tmp = mount_at(&body, "/tmp");
    let options = json!({ "Mode": 0o1777, "SizeBytes": 4 << 20, "Options": [["exec"]] });
    assert_eq!((&tmp["Type"], &tmp["TmpfsOptions"]), (&json!("tmpfs"), &options));
    assert_eq!(body["HostConfig"]["ShmSize"], 4 << 20);
}

#[test]
fn limits_are_mapped() {
    let policy = Policy::builder().limits(|limits| {
        limits.memory = Some("64M".parse().unwrap());
        limits.cpu_count = Some(1.5);
        limits.processes = Some(20);
        limits.open_files = Some(256);
        limits.file_size = Some("1M".parse().unwrap());
        limits.cpu_time = Some(Duration::from_millis(1200).into());
    });
    let host = &body(policy, &[])["HostConfig"];
    assert_eq!((&host["Memory"], &host["MemorySwap"]), (&json!(64 << 20), &json!(64 << 20)));
    assert_eq!((&host["NanoCpus"], &host["PidsLimit"]), (&json!(1_500_000_000), &json!(20)));
    let limit = |name, value| json!({ "Name": name, "Soft": value, "Hard": value });
    let expected =
        [limit("core", 0), limit("nofile", 256), limit("fsize", 1 << 20), limit("cpu", 2)];
    assert_eq!(host["Ulimits"], json!(expected));
}

#[test]
fn what_is_not_limited_is_not_mentioned() {
    let host = &body(Policy::builder(), &[])["HostConfig"];
    for limit in ["Memory", "MemorySwap", "NanoCpus", "PidsLimit"] {
        assert_eq!(host[limit], Value::Null, "{limit}");
    }
    assert_eq!(host["ShmSize"], 64 << 20);
}

#[test]
fn a_limit_that_wraps_is_refused() {
    let policy = Policy::builder().memory(sandbox_core::ByteSize::from_bytes(u64::MAX));
    let refused = compile(&plan(policy, &[]), &settings());
    assert_eq!(refused, Err(CompileError::Limit { limit: "memory" }));
}

#[test]
fn the_network_is_all_or_nothing() {
    let denied = body(Policy::builder(), &[]);
    assert_eq!(denied["HostConfig"]["NetworkMode"], "none");
    assert_eq!(denied["NetworkDisabled"], true);
    let open = body(Policy::builder().network(NetworkPolicy::Unrestricted), &[]);
    assert_eq!(open["HostConfig"]["NetworkMode"], "bridge");
    let listed = Policy::builder().allow_hosts(["example.org"]).unwrap();
    assert_eq!(compile(&plan(listed, &[]), &settings()), Err(CompileError::Hosts));
}

#[test]
fn an_engine_cannot_forbid_execution() {
    let rights = Rights::READ | Rights::LIST;
    let policy = Policy::builder().grant("/d", rights).unwrap();
    let refused = compile(&plan(policy, &["/d/"]), &settings());
    assert_eq!(refused, Err(CompileError::Rights { path: "/d".into(), rights }));
}

#[test]
fn what_is_not_unicode_is_refused() {
    use std::os::unix::ffi::OsStringExt;
    let argument = std::ffi::OsString::from_vec(vec![b'a', 0xff]);
    let plan = plan_for(Policy::builder(), &ExecRequest::new(TOOL).arg(argument), &[]);
    let refused = compile(&plan, &settings()).unwrap_err();
    assert!(matches!(refused, CompileError::NotUnicode { .. }), "{refused}");
}

#[test]
fn streams_follow_the_request() {
    let request =
        ExecRequest::new(TOOL).with_stdin().terminal(TerminalSize { rows: 1, columns: 1 });
    let with = compile(&plan_for(Policy::builder(), &request, &[]), &settings()).unwrap();
    let without = compile(&plan(Policy::builder(), &[]), &settings()).unwrap();
    assert_eq!(
        (with.tty, with.open_stdin, with.attach_stderr),
        (Some(true), Some(true), Some(false))
    );
    let expected = (Some(false), Some(false), Some(true));
    assert_eq!((without.tty, without.open_stdin, without.attach_stderr), expected);
}
