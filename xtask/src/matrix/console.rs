//! Where progress goes: standard output, or standard error when JSON takes the former.

use std::path::Path;

#[derive(Debug, Clone, Copy)]
pub(super) enum Console {
    Stdout,
    Stderr,
}

impl Console {
    /// `json` is where the results are written to, if anywhere.
    pub(super) fn new(json: Option<&Path>) -> Self {
        if json.is_some_and(|file| file.as_os_str() == "-") { Self::Stderr } else { Self::Stdout }
    }

    pub(super) fn line(self, text: &str) {
        match self {
            Self::Stdout => println!("{text}"),
            Self::Stderr => eprintln!("{text}"),
        }
    }
}
