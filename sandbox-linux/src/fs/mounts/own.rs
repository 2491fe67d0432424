//! Files of the sandbox's own in places where the host has others, or none.

use std::path::{Path, PathBuf};

use sandbox_core::ByteSize;

/// A file that can be read, and lies over each of its paths: those are places that are hidden.
#[derive(Debug)]
pub(crate) struct OwnFile {
    /// Its name among the covers.
    pub(crate) name: &'static str,
    /// Where it is seen.
    pub(crate) paths: Vec<PathBuf>,
    /// What it holds.
    pub(crate) content: String,
}

impl OwnFile {
    /// The name of what covers a hidden file: the one without content, where it is none of these.
    pub(super) fn over<'a>(files: &'a [Self], path: &Path) -> &'a Path {
        let own = files.iter().find(|file| file.paths.iter().any(|known| known == path));
        Path::new(own.map_or("file", |file| file.name))
    }

    /// A limit of what commands may write, and the room that these take beside it.
    pub(crate) fn beside(files: &[Self], limit: ByteSize) -> ByteSize {
        const PAGE: usize = 4096;
        let pages = files.iter().map(|file| file.content.len().div_ceil(PAGE) * PAGE);
        ByteSize::from_bytes(limit.bytes().saturating_add(pages.sum::<usize>() as u64))
    }
}
