//! Sessions, their snapshots, ports and use, for people and for programs.

use sandbox_core::path::quoted;
use sandbox_core::session::{
    Labels, PublishedPort, SandboxSession, SandboxSnapshot, SandboxState, SessionHealth,
};
use sandbox_core::{
    FilesystemAccess, FilesystemMount, MEMORY_MOUNT, MountSource, OUTPUTS_MOUNT, SandboxPath,
    SessionId, Usage,
};
use serde::Serialize;

use super::result::Used;
use super::session_table::{Cell, age, plain, table};
use super::style::{BAD, FAIR, GOOD};
use super::text::Text;

/// A session with its health.
#[derive(Serialize)]
pub(crate) struct Shown {
    #[serde(flatten)]
    pub(crate) session: SandboxSession,
    pub(crate) health: SessionHealth,
}

/// What a call that answers nothing did, for programs.
#[derive(Serialize)]
pub(crate) struct Done<'a> {
    pub(crate) id: &'a SessionId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<SandboxState>,
}

/// The sessions as a table.
pub(crate) fn list(sessions: &[SandboxSession]) -> String {
    let row = |it: &SandboxSession| {
        let mounts: Vec<_> = own(&it.mounts).map(mount).collect();
        let tier = quoted(&*it.report.tier);
        [
            plain(it.id.as_str()),
            state(it.state),
            plain(age(it.created)),
            plain(tier),
            plain(pairs(&it.labels)),
            plain(mounts.join(" ")),
        ]
    };
    let rows: Vec<_> = sessions.iter().map(row).collect();
    table(["ID", "STATE", "AGE", "TIER", "LABELS", "MOUNTS"], &rows)
}

/// One session in full.
pub(crate) fn show(Shown { session, health }: &Shown) -> String {
    let mut text = Text::default();
    text.title(session.id.as_str());
    let why = health.why.as_deref().map(|why| format!(", unhealthy: {}", quoted(why)));
    let mut said = vec![
        ("state", format!("{}{}", session.state.name(), why.unwrap_or_default())),
        ("age", age(session.created)),
        ("tier", quoted(&*session.report.tier)),
        ("network", super::policy::network(&session.network)),
    ];
    said.extend(session.parent.as_ref().map(|parent| ("parent", parent.to_string())));
    for (name, of) in [("labels", &session.labels), ("metadata", &session.metadata)] {
        said.extend((!of.is_empty()).then(|| (name, pairs(of))));
    }
    text.pairs(said);
    if own(&session.mounts).next().is_some() {
        text.title("Mounts");
        own(&session.mounts).for_each(|it| text.line(2, &mount(it)));
    }
    let gaps = session.report.gaps();
    if !gaps.is_empty() {
        text.title("Gaps");
        text.pairs(gaps.iter().map(|gap| (gap.feature.to_string(), gap.what.to_string())));
    }
    text.finish()
}

/// The snapshots as a table.
pub(crate) fn snapshots(snapshots: &[SandboxSnapshot]) -> String {
    let row = |it: &SandboxSnapshot| [plain(age(it.created)), plain(quoted(it.name.as_str()))];
    table(["AGE", "NAME"], &snapshots.iter().map(row).collect::<Vec<_>>())
}

/// The ports as a table.
pub(crate) fn ports(ports: &[PublishedPort]) -> String {
    let row = |it: &PublishedPort| [plain(it.inside.to_string()), plain(address(it))];
    table(["PORT", "ADDRESS"], &ports.iter().map(row).collect::<Vec<_>>())
}

/// Where a port is reached.
pub(crate) fn address(port: &PublishedPort) -> String {
    format!("127.0.0.1:{}", port.host)
}

/// What was used, for programs.
pub(crate) fn usage(usage: &Usage) -> impl Serialize {
    Used::of(usage)
}

/// The same for people.
pub(crate) fn usage_text(usage: &Usage) -> String {
    let unknown = || "not measured".to_owned();
    let mut text = Text::default();
    text.pairs([
        ("CPU time", usage.cpu.map_or_else(unknown, |time| format!("{:.3}s", time.as_secs_f64()))),
        ("memory peak", usage.memory_peak.map_or_else(unknown, mebibytes)),
        ("written", usage.written.map_or_else(unknown, mebibytes)),
        ("processes", usage.processes.map_or_else(unknown, |number| number.to_string())),
    ]);
    text.finish()
}

fn mebibytes(bytes: u64) -> String {
    let tenths = (bytes * 10).div_ceil(1 << 20);
    format!("{}.{}M", tenths / 10, tenths % 10)
}

fn state(state: SandboxState) -> Cell {
    let style = match state {
        SandboxState::Provisioned | SandboxState::Running => GOOD,
        SandboxState::Suspended => FAIR,
        SandboxState::Terminated | SandboxState::Unreachable => BAD,
    };
    (style, state.name().into())
}

fn pairs(labels: &Labels) -> String {
    let pair = |(name, value): (&String, &String)| quoted(format!("{name}={value}"));
    labels.iter().map(pair).collect::<Vec<_>>().join(" ")
}

/// The mounts but the two that every session has.
fn own(mounts: &[FilesystemMount]) -> impl Iterator<Item = &FilesystemMount> {
    let own = |target: &SandboxPath| {
        [MEMORY_MOUNT, OUTPUTS_MOUNT].iter().any(|it| target.as_path().as_os_str() == *it)
    };
    mounts.iter().filter(move |mount| !own(&mount.target))
}

/// A mount in the words of `session mount`.
fn mount(mount: &FilesystemMount) -> String {
    let target = &mount.target;
    let of = |kind: &str, source: &SandboxPath| {
        if source == target {
            format!("{kind}:{target}")
        } else {
            format!("{kind}:{source}->{target}")
        }
    };
    match &mount.source {
        MountSource::Bind { source, access: FilesystemAccess::ReadOnly } => of("ro", source),
        MountSource::Bind { source, access: FilesystemAccess::ReadWrite } => of("rw", source),
        MountSource::Overlay { source } => of("copy", source),
        MountSource::Scratch => format!("scratch:{target}"),
        MountSource::Tmpfs { size: None } => format!("tmpfs:{target}"),
        MountSource::Tmpfs { size: Some(size) } => format!("tmpfs:{target}({size})"),
        _ => format!("other:{target}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(json: &str) -> SandboxSession {
        let common = r#""created":0,"metadata":{},"report":{"tier":"namespaces","enforced":{}},
            "network":{"mode":"limited"}"#;
        serde_json::from_str(&format!("{{{common},{json}}}")).unwrap()
    }

    fn lines(text: &str) -> Vec<String> {
        anstream::adapter::strip_str(text).to_string().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_session_is_a_row() {
        let one = session(
            r#""id":"a","state":"running","labels":{"team":"build","x":"y z"},"mounts":[
                {"target":"/w","kind":"overlay","source":"/w"},
                {"target":"/d","kind":"bind","source":"/srv"},
                {"target":"/m","kind":"tmpfs","size":"1M"},
                {"target":"/mnt/memory","kind":"scratch"}]"#,
        );
        let two = session(r#""id":"b2","state":"suspended","labels":{},"mounts":[]"#);
        let shown = lines(&list(&[one, two]));
        assert!(shown[0].starts_with("ID  STATE      AGE"), "{shown:?}");
        let row = "namespaces  team=build \"x=y z\"  copy:/w ro:/srv->/d tmpfs:/m(1M)";
        assert!(shown[1].starts_with("a   running    ") && shown[1].ends_with(row), "{shown:?}");
        assert!(shown[2].starts_with("b2  suspended  "), "{shown:?}");
        assert_eq!(shown.len(), 3);
    }

    #[test]
    fn an_empty_list_has_its_titles() {
        assert_eq!(lines(&list(&[])), ["ID  STATE  AGE  TIER  LABELS  MOUNTS"]);
    }

    #[test]
    fn nothing_that_somebody_named_reaches_a_terminal_raw() {
        let evil = session(
            r#""id":"a","state":"running","labels":{"\u001b[31m":"\r"},
                "mounts":[{"target":"/\u001b[2J","kind":"scratch"}]"#,
        );
        let text = list(std::slice::from_ref(&evil));
        let health = serde_json::from_str(r#"{"healthy":false,"why":"\u001b[2J"}"#).unwrap();
        let all = text + &show(&Shown { session: evil, health });
        for raw in ["\u{1b}[31m\"", "\u{1b}[2J", "\r"] {
            assert!(!all.contains(raw), "{all:?}");
        }
    }

    #[test]
    fn memory_is_rounded_up() {
        for (bytes, text) in [(0, "0.0M"), (1, "0.1M"), (3 << 20, "3.0M"), ((3 << 20) + 1, "3.1M")]
        {
            assert_eq!(mebibytes(bytes), text);
        }
    }
}
