//! The few colours. Whether they reach the reader is decided where text is printed.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};

pub(super) const ERROR: Style = AnsiColor::Red.on_default().bold();
pub(super) const HELP: Style = AnsiColor::Cyan.on_default().bold();
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
pub(super) const FAIR: Style = AnsiColor::Yellow.on_default();
pub(super) const BAD: Style = AnsiColor::Red.on_default();
pub(super) const TITLE: Style = Style::new().bold();

/// Text in a style, padded to a width that the style's own bytes do not count for.
pub(super) fn paint(style: Style, text: impl Display, width: usize) -> String {
    let text = text.to_string();
    let padding = " ".repeat(width.saturating_sub(text.chars().count()));
    format!("{style}{text}{style:#}{padding}")
}
