//! What a command changed in a copy, and what became of it.

use std::io::{self, Write};

use sandbox_core::SandboxPath;
use sandbox_core::path::quoted;
use sandbox_core::session::{Change, ChangeKind};

use super::style::{BAD, FAIR, GOOD, paint};
use crate::commands::Review;

/// Prints a line for each change on standard error.
pub(crate) fn show(changes: &[Change]) {
    let mut out = anstream::AutoStream::auto(io::stderr().lock());
    for change in changes {
        // Where standard error is gone there is nobody to tell.
        let _ = writeln!(out, "{}", line(change));
    }
}

/// Prints what became of the changes on standard error.
pub(crate) fn show_applied(review: &Review, folder: &SandboxPath) {
    let mut out = anstream::AutoStream::auto(io::stderr().lock());
    for line in lines(review, folder) {
        let _ = writeln!(out, "{FAIR}sandbox:{FAIR:#} {line}");
    }
}

pub(super) fn line(change: &Change) -> String {
    let (style, word) = match change.kind {
        ChangeKind::Added => (GOOD, "added"),
        ChangeKind::Deleted => (BAD, "deleted"),
        ChangeKind::Mode => (FAIR, "mode"),
        ChangeKind::Link => (FAIR, "link"),
        ChangeKind::Kind => (FAIR, "replaced"),
        _ => (FAIR, "changed"),
    };
    let slash = if change.directory { "/" } else { "" };
    format!("{} {}{slash}", paint(style, word, 8), quoted(&change.path))
}

pub(super) fn lines(review: &Review, folder: &SandboxPath) -> Vec<String> {
    let count = match review.changes.len() {
        0 => return vec![format!("{folder} is unchanged")],
        1 => "1 change".to_owned(),
        count => format!("{count} changes"),
    };
    match &review.applied {
        None => vec![format!("{count} dropped; --apply or --review would keep them")],
        Some(applied) if applied.conflicts.is_empty() => {
            vec![format!("{count} applied to {folder}")]
        }
        Some(applied) => {
            let conflict = |it: &sandbox_core::session::Conflict| {
                format!("{}: {}", quoted(&it.path), it.theirs)
            };
            let mut lines: Vec<String> = applied.conflicts.iter().map(conflict).collect();
            lines.push(format!("nothing applied: {folder} was changed meanwhile"));
            lines
        }
    }
}
