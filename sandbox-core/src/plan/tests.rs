use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use super::*;
use crate::error::SandboxError;
use crate::path::SandboxPath;
use crate::policy::PolicyBuilder;
use crate::resolve::forged::Forged;

mod commands;
mod layout;
mod mounts;
mod suspicion;

/// A usual machine.
fn machine() -> Forged {
    Forged::new(&[
        "/usr/bin/env",
        "/usr/bin/git",
        "/usr/lib/",
        "/bin -> usr/bin",
        "/etc/passwd",
        "/tmp/",
        "/home/me/repo/src/main.c",
        "/home/me/repo/run.sh",
        "/home/me/.ssh/id",
        "/home/me/bin/tool",
        "/srv/data/",
        "/proc/1/",
        "/dev/null",
    ])
}

/// Plans `/usr/bin/env` under a policy; `/usr` is always readable.
fn plan(files: &Forged, builder: PolicyBuilder) -> crate::Result<Plan> {
    request(files, builder, &ExecRequest::new("/usr/bin/env"), &[])
}

fn request(
    files: &Forged,
    builder: PolicyBuilder,
    request: &ExecRequest,
    variables: &[(&str, &str)],
) -> crate::Result<Plan> {
    let policy = builder.read("/usr")?.build()?;
    let variables: BTreeMap<OsString, OsString> =
        variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
    Plan::new(&policy, request, &Host { variables, files })
}

fn empty() -> PolicyBuilder {
    Policy::builder()
}

/// The places but for `/usr`, one a line.
fn places(plan: &Plan) -> Vec<String> {
    let line = |place: &Place| {
        let what = match place.content {
            Content::Host => place.rights.name(),
            Content::Private => "private".into(),
            Content::Hidden => "hidden".into(),
        };
        format!("{} {what}", place.path.display())
    };
    plan.places.iter().filter(|place| place.path != Path::new("/usr")).map(line).collect()
}

fn refusal(result: crate::Result<Plan>) -> String {
    result.expect_err("this should be refused").to_string()
}
