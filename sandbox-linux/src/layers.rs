//! The layers of a session's copied folder, looked at from the host: what changed, and how it comes
//! to the host.
//!
//! # Theory of operation
//! A session works on an overlay. Its lowest layer is a folder of the host, the *source*, which
//! nothing in the session can write to. Above lie frozen layers, the snapshots, and on top the layer
//! that the session writes to. Everything here reads these folders as overlayfs wrote them, without
//! a mount, from outside.
//!
//! [`diff`] walks the layers, never the whole source, and compares what they hold with the source
//! as it is now. [`apply`] brings the difference to the source, unless the host changed the same
//! things since the session began, which a [`Stamp`] tells.
//!
//! The session should be quiet meanwhile: without processes, or frozen. If it is not, what is found
//! may be of several moments, and what moves away under the walk is an error.
//!
//! # Security
//! Whatever is in a layer was written by the payload: any depth, any bytes as a name, links to
//! anywhere, closed folders. Nothing here recurses, follows a link, or hands a path of more than one
//! name to the kernel; everything is done on descriptors.

mod apply;
mod beneath;
mod compare;
mod content;
mod cursor;
mod duplicate;
mod entry;
mod marks;
mod removal;
mod stamp;
mod temporary;
mod walk;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use sandbox_core::path::quoted;
use sandbox_core::resolve::open_folder;
use sandbox_core::session::Change;
use sandbox_core::{Result, SandboxError};

use beneath::Access;
use cursor::Cursor;
use walk::{Event, Walk};

pub use apply::{Options, apply};
pub use duplicate::duplicate;
pub use removal::remove_tree;
pub use stamp::Stamp;

/// The folders that an overlay is made of.
#[derive(Debug)]
pub struct Stack {
    /// From the top; the last is the source.
    layers: Vec<OwnedFd>,
}

impl Stack {
    /// Takes open folders: the host's, and the session's layers from the top down.
    #[must_use]
    pub fn new(source: OwnedFd, uppers: impl IntoIterator<Item = OwnedFd>) -> Self {
        Self { layers: uppers.into_iter().chain([source]).collect() }
    }

    /// Opens folders by their whole paths, on which nothing may be a link.
    ///
    /// # Errors
    /// One of them cannot be opened.
    pub fn open<P: AsRef<Path>>(
        source: impl AsRef<Path>,
        uppers: impl IntoIterator<Item = P>,
    ) -> Result<Self> {
        let uppers: Result<Vec<OwnedFd>> = uppers.into_iter().map(|it| open(it.as_ref())).collect();
        Ok(Self::new(open(source.as_ref())?, uppers?))
    }

    /// The host's folder.
    #[must_use]
    pub fn source(&self) -> BorrowedFd<'_> {
        self.layers[self.layers.len() - 1].as_fd()
    }

    /// A cursor at each layer; the last is the source's, opened as told.
    fn cursors(&self, source: Access) -> io::Result<Vec<Cursor>> {
        let last = self.layers.len() - 1;
        let access = |number| if number == last { source } else { Access::Read };
        let numbered = self.layers.iter().enumerate();
        numbered.map(|(number, layer)| Cursor::new(layer, c".", access(number))).collect()
    }
}

fn open(path: &Path) -> Result<OwnedFd> {
    open_folder(path).map(OwnedFd::from).map_err(at("opening", path))
}

/// What the session changed, sorted by path.
///
/// A folder that was removed is one change; one that was made is listed with all that is in it. What
/// was copied into a layer and is as it was before is no change. The folder itself is none; nor are
/// owners, times, access lists and attributes.
///
/// # Errors
/// A layer cannot be read, holds a device, or tells of more than fits into memory; something is
/// mounted in the host's folder where the session changed what lies below the mount.
pub fn diff(stack: &Stack) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    let mut walk = Walk::new(stack)?;
    while let Some(event) = walk.next()? {
        if let Event::Found(difference) = event {
            changes.push(difference.change());
        }
    }
    Ok(changes)
}

/// Names what was done at which path when an error came.
fn at(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> SandboxError + use<> {
    SandboxError::io(format!("{doing} {}", quoted(path)))
}
