//! The final environment: the policy's rules, corrected for what the sandbox can see.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::{Content, View};
use crate::policy::Policy;
use crate::resolve::resolve;

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Composes the variables that every command under a policy has, beside those of its request.
pub(super) fn compose(
    policy: &Policy,
    variables: &BTreeMap<OsString, OsString>,
    view: &View<'_>,
) -> BTreeMap<OsString, OsString> {
    let mut env = policy.environment().apply(variables);
    // What a pattern passes may be a secret by another name.
    for credential in policy.network().credentials() {
        let names = [Some(credential.env()), credential.variable()];
        names.into_iter().flatten().for_each(|name| drop(env.remove(OsStr::new(name))));
    }
    env.insert("PATH".into(), search_path(env.get(OsStr::new("PATH")), view));
    let private = |path: &str| {
        let found = resolve(view.files, Path::new(path));
        found.is_ok_and(|f| view.place(&f.path).is_some_and(|p| p.content == Content::Private))
    };
    let set = |name: &str| policy.environment().variables().any(|(set, _)| set == name);
    if private("/tmp") && !set("TMPDIR") {
        env.insert("TMPDIR".into(), "/tmp".into());
    }
    // A home that is not there confuses more programs than a foreign one.
    let home = env.get(OsStr::new("HOME")).map(PathBuf::from);
    if !set("HOME") && home.is_some_and(|home| !home.is_absolute() || !visible(&home, view)) {
        env.insert("HOME".into(), if private("/tmp") { "/tmp".into() } else { "/".into() });
    }
    env
}

/// The caller's search path without the folders that the sandbox cannot see.
fn search_path(caller: Option<&OsString>, view: &View<'_>) -> OsString {
    let Some(caller) = caller else { return DEFAULT_PATH.into() };
    let mut folders: Vec<PathBuf> = Vec::new();
    for folder in std::env::split_paths(caller) {
        if folder.is_absolute() && !folders.contains(&folder) && visible(&folder, view) {
            folders.push(folder);
        }
    }
    if folders.is_empty() {
        return DEFAULT_PATH.into();
    }
    std::env::join_paths(folders).unwrap_or_else(|_| DEFAULT_PATH.into())
}

fn visible(path: &Path, view: &View<'_>) -> bool {
    resolve(view.files, path).is_ok_and(|found| view.names(&found) && view.enterable(&found.path))
}
