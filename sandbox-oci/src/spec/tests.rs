//! Configurations, as a runtime reads them: JSON.

use std::time::Duration;

use sandbox_core::{ExecRequest, Policy, PolicyBuilder, Rights, TerminalSize};
use serde_json::{Value, json};

use super::*;
use crate::forge::{TOOL, plan, plan_for};

fn spec_of(plan: &Plan) -> Value {
    let spec = compile(plan, Path::new("/run/bundle/rootfs"), Owner::NOBODY).unwrap();
    serde_json::to_value(spec).unwrap()
}

fn spec(policy: PolicyBuilder, entries: &[&str]) -> Value {
    spec_of(&plan(policy, entries))
}

fn mount_at<'a>(spec: &'a Value, target: &str) -> &'a Value {
    let mounts = spec["mounts"].as_array().unwrap();
    mounts.iter().find(|mount| mount["destination"] == target).unwrap_or(&Value::Null)
}

fn options(mount: &Value) -> Vec<&str> {
    let options = mount["options"].as_array().map(Vec::as_slice).unwrap_or_default();
    options.iter().filter_map(Value::as_str).collect()
}

fn namespaces(spec: &Value) -> Vec<&str> {
    let all = spec["linux"]["namespaces"].as_array().unwrap();
    all.iter().filter_map(|namespace| namespace["type"].as_str()).collect()
}

#[test]
fn nothing_is_privileged() {
    let spec = spec(Policy::builder(), &[]);
    let process = &spec["process"];
    for set in ["bounding", "effective", "inheritable", "permitted", "ambient"] {
        assert_eq!(process["capabilities"][set], json!([]), "{set}");
    }
    assert_eq!(process["noNewPrivileges"], true);
    assert_eq!((&process["user"]["uid"], &process["user"]["gid"]), (&json!(65534), &json!(65534)));
    assert_eq!(spec["root"], json!({ "path": "/run/bundle/rootfs", "readonly": true }));
    let devices = &spec["linux"]["resources"]["devices"];
    assert_eq!(devices, &json!([{ "allow": false, "access": "rwm" }]));
    assert_eq!(spec["linux"]["devices"], Value::Null);
    assert_eq!(spec["hooks"], Value::Null);
}

#[test]
fn the_host_is_out_of_sight() {
    let spec = spec(Policy::builder(), &[]);
    assert_eq!(namespaces(&spec), ["mount", "pid", "ipc", "uts", "cgroup", "network"]);
    assert_eq!(mount_at(&spec, "/sys"), &Value::Null);
    let masked = spec["linux"]["maskedPaths"].as_array().unwrap();
    assert!(masked.contains(&json!("/proc/kcore")) && masked.contains(&json!("/proc/interrupts")));
    assert!(spec["linux"]["readonlyPaths"].as_array().unwrap().contains(&json!("/proc/sys")));
    assert_eq!(spec["linux"]["rootfsPropagation"], "rprivate");
}

#[test]
fn the_network_is_all_or_nothing() {
    let open = spec(Policy::builder().network(NetworkPolicy::Unrestricted), &[]);
    assert!(!namespaces(&open).contains(&"network"));
    let listed = plan(Policy::builder().allow_hosts(["example.org"]).unwrap(), &[]);
    let refused = compile(&listed, Path::new("/r"), Owner::NOBODY).unwrap_err();
    assert_eq!(refused, CompileError::Hosts);
}

#[test]
fn each_kind_of_place_has_its_mount() {
    let policy = Policy::builder().write("/w").unwrap().hide("/w/.ssh").unwrap();
    let policy = policy.hide("/w/.netrc").unwrap().private("/tmp").unwrap();
    let policy = policy.grant("/data", Rights::READ | Rights::LIST).unwrap();
    let policy = policy.limits(|limits| limits.disk = Some("8M".parse().unwrap()));
    let spec = spec(policy, &["/w/.ssh/", "/w/.netrc", "/data/"]);
    let bind = ["rbind", "rprivate", "nosuid", "rnosuid", "nodev", "rnodev"];
    assert_eq!(options(mount_at(&spec, "/w")), bind);
    assert_eq!(options(mount_at(&spec, "/usr")), [bind.as_slice(), &["ro", "rro"]].concat());
    assert_eq!(
        options(mount_at(&spec, "/data")),
        [bind.as_slice(), &["ro", "rro", "noexec", "rnoexec"]].concat()
    );
    assert_eq!(mount_at(&spec, "/w/.netrc")["source"], "/dev/null");
    let ssh = mount_at(&spec, "/w/.ssh");
    assert_eq!(ssh["type"], "tmpfs");
    assert_eq!(options(ssh), ["nosuid", "nodev", "noexec", "ro", "mode=100"]);
    let tmp = options(mount_at(&spec, "/tmp"));
    assert_eq!(tmp, ["nosuid", "nodev", "mode=1777", "size=4194304"]);
    assert!(options(mount_at(&spec, "/dev/shm")).contains(&"size=4194304"));
}

#[test]
fn names_with_separators_survive() {
    let names = ["/w/a:b", "/w/a,rw,suid", "/w/a b\\040"];
    let policy = names.iter().fold(Policy::builder(), |policy, name| policy.read(name).unwrap());
    let spec = spec(policy, &names);
    for name in names {
        let mount = mount_at(&spec, name);
        assert_eq!((&mount["source"], &mount["type"]), (&json!(name), &json!("bind")));
        assert_eq!(options(mount).len(), 8);
    }
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
    let spec = spec(policy, &[]);
    let resources = &spec["linux"]["resources"];
    assert_eq!(resources["memory"], json!({ "limit": 64 << 20, "swap": 64 << 20 }));
    assert_eq!(resources["cpu"], json!({ "quota": 150_000, "period": 100_000 }));
    assert_eq!(resources["pids"], json!({ "limit": 20 }));
    let limit = |name, value| json!({ "type": name, "soft": value, "hard": value });
    let expected = [
        limit("RLIMIT_CORE", 0),
        limit("RLIMIT_NOFILE", 256),
        limit("RLIMIT_FSIZE", 1 << 20),
        limit("RLIMIT_CPU", 2),
    ];
    assert_eq!(spec["process"]["rlimits"], json!(expected));
}

#[test]
fn what_is_not_limited_is_not_mentioned() {
    let spec = spec(Policy::builder(), &[]);
    for limit in ["memory", "cpu", "pids"] {
        assert_eq!(spec["linux"]["resources"][limit], Value::Null, "{limit}");
    }
    assert_eq!(quota(0.001), 1000);
}

#[test]
fn the_command_and_its_terminal() {
    let request = ExecRequest::new(TOOL).arg("-x").env("CI", "1");
    let request = request.terminal(TerminalSize { rows: 24, columns: 80 });
    let spec = spec_of(&plan_for(Policy::builder(), &request, &[]));
    let process = &spec["process"];
    assert_eq!((&process["args"], &process["cwd"]), (&json!([TOOL, "-x"]), &json!("/")));
    assert!(process["env"].as_array().unwrap().contains(&json!("CI=1")));
    assert_eq!(process["terminal"], true);
    assert_eq!(process["consoleSize"], json!({ "height": 24, "width": 80 }));
}
