//! What a session has changed, mount by mount, and what became of it.

use sandbox_core::path::quoted;
use sandbox_core::session::{Applied, Change, MountChanges};

use super::changes::line;
use super::text::Text;

/// The changes, each with its path in the session.
pub(crate) fn diff(mounts: &[MountChanges]) -> String {
    let mut text = Text::default();
    for MountChanges { target, changes } in mounts {
        for change in changes {
            let path = target.as_path().join(&change.path);
            text.line(0, &line(&Change { path, ..change.clone() }));
        }
    }
    text.finish()
}

/// What was written.
pub(crate) fn applied(applied: &Applied) -> String {
    let mut text = Text::default();
    for change in &applied.changes {
        text.line(0, &line(change));
    }
    text.finish()
}

/// Why nothing was written, a line for each path.
pub(crate) fn conflicts(applied: &Applied) -> Vec<String> {
    if applied.conflicts.is_empty() {
        return Vec::new();
    }
    let line = |it: &sandbox_core::session::Conflict| {
        format!("conflict: {}: {}", quoted(&it.path), quoted_words(&it.theirs))
    };
    let mut lines: Vec<String> = applied.conflicts.iter().map(line).collect();
    lines
        .push("nothing was applied where this machine has changed the same paths meanwhile".into());
    lines
}

/// Words that are shown as they are, unless a terminal would act upon them.
fn quoted_words(words: &str) -> String {
    if words.chars().any(char::is_control) { quoted(words) } else { words.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_have_the_paths_of_the_session() {
        let mounts = r#"[{"target":"/w","changes":[
            {"path":"a b","kind":"added","directory":false,"size":1},
            {"path":"d","kind":"deleted","directory":true,"size":0}]}]"#;
        let shown = diff(&serde_json::from_str::<Vec<MountChanges>>(mounts).unwrap());
        let shown = anstream::adapter::strip_str(&shown).to_string();
        assert_eq!(shown, "added    \"/w/a b\"\ndeleted  /w/d/\n");
    }

    #[test]
    fn each_conflict_has_its_line() {
        let none = Applied::default();
        assert!(conflicts(&none).is_empty());
        let text = r#"{"changes":[],"conflicts":[
            {"path":"a","ours":"changed","theirs":"was changed too"}]}"#;
        let lines = conflicts(&serde_json::from_str(text).unwrap());
        assert_eq!(lines[0], "conflict: a: was changed too");
        assert_eq!(lines.len(), 2);
    }
}
