//! Lines, titles and tables.

use super::style::{TITLE, paint};

/// Text that is put together section by section.
#[derive(Default)]
pub(super) struct Text(String);

impl Text {
    /// Starts a section.
    pub(super) fn title(&mut self, title: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.line(0, &paint(TITLE, title, 0));
    }

    /// Adds a line.
    pub(super) fn line(&mut self, indent: usize, line: &str) {
        self.0.extend(std::iter::repeat_n(' ', indent));
        self.0.push_str(line.trim_end());
        self.0.push('\n');
    }

    /// Adds a name and what is said of it, in two columns.
    pub(super) fn pairs<N: AsRef<str>>(&mut self, pairs: impl IntoIterator<Item = (N, String)>) {
        let pairs: Vec<_> = pairs.into_iter().collect();
        let width = pairs.iter().map(|(name, _)| name.as_ref().chars().count()).max();
        let width = width.unwrap_or_default();
        for (name, said) in pairs {
            self.line(
                2,
                &format!("{}  {said}", paint(anstyle::Style::new(), name.as_ref(), width)),
            );
        }
    }

    /// The text.
    pub(super) fn finish(self) -> String {
        self.0
    }
}
