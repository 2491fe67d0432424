//! `sandbox session cp`: which side is the session's.
//!
//! A word is the session's if it begins with an identifier and a colon. No identifier has a slash or
//! a dot, so `./a:b` and `/srv/a:b` are always files of this machine.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::Args;
use sandbox_core::path::quoted;
use sandbox_core::{SandboxPath, SessionId};

use super::super::rules::{absolute, inside};
use crate::failure::Failure;
use crate::platform;

/// `sandbox session cp`.
#[derive(Args, Debug)]
#[command(after_help = "One side is ID:/absolute/path, the other a path of this machine; write \
    ./a:b for a file whose name has a colon. A source that ends in /. means what is in it.")]
pub(crate) struct CpArgs {
    /// What is copied
    source: OsString,
    /// The new name, or a folder that exists
    destination: OsString,
    /// Copy a folder with everything in it
    #[arg(long, short)]
    pub(crate) recursive: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which way is copied.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sides {
    Into(Outside, Inside),
    OutOf(Inside, Outside),
}

/// A path in a session.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Inside {
    pub(crate) id: SessionId,
    pub(crate) path: SandboxPath,
    pub(crate) form: Form,
}

/// A path of this machine.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outside {
    pub(crate) path: SandboxPath,
    pub(crate) form: Form,
}

/// What the end of a path says, which is lost when it is normalised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Whatever is there.
    Plain,
    /// `x/`: a folder.
    Folder,
    /// `x/.`, `.`, `..`, `/`: what is in a folder, which has no name here.
    Contents,
}

enum Side {
    Inside(Inside),
    Outside(Outside),
}

impl CpArgs {
    /// The two sides, of which one is a session's.
    pub(crate) fn sides(&self) -> Result<Sides, Failure> {
        match (side("SOURCE", &self.source)?, side("DESTINATION", &self.destination)?) {
            (Side::Outside(from), Side::Inside(to)) => Ok(Sides::Into(from, to)),
            (Side::Inside(from), Side::Outside(to)) => Ok(Sides::OutOf(from, to)),
            (Side::Inside(_), Side::Inside(_)) => {
                Err(Failure::usage("both sides are in a session")
                    .with_help("copy to this machine first"))
            }
            (Side::Outside(_), Side::Outside(_)) => Err(Failure::usage("no side is in a session")
                .with_help("write ID:/absolute/path for one of them")),
        }
    }
}

fn side(name: &str, word: &OsStr) -> Result<Side, Failure> {
    let bytes = word.as_encoded_bytes();
    let colon = bytes.iter().position(|byte| *byte == b':');
    let id = colon.map(|at| &bytes[..at]).filter(|id| !id.iter().any(|byte| b"/.".contains(byte)));
    let Some(id) = id else {
        let path = absolute(name, Path::new(word))?;
        return Ok(Side::Outside(Outside { path, form: Form::of(bytes) }));
    };
    let rest = &bytes[id.len() + 1..];
    let id = SessionId::new(String::from_utf8_lossy(id)).map_err(|error| {
        Failure::usage(format!("{name}: {error}"))
            .with_help(format!("write ./{} for a file of this machine", quoted(word)))
    })?;
    let path = inside(name, Path::new(&platform::os_string(rest)))?;
    Ok(Side::Inside(Inside { id, path, form: Form::of(rest) }))
}

impl Form {
    fn of(path: &[u8]) -> Self {
        match path {
            b"." | b".." | b"/" => Self::Contents,
            path if path.ends_with(b"/.") || path.ends_with(b"/..") => Self::Contents,
            path if path.ends_with(b"/") => Self::Folder,
            _ => Self::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sides(source: &str, destination: &str) -> Result<Sides, String> {
        let (source, destination) = (source.into(), destination.into());
        let args = CpArgs { source, destination, recursive: false, json: false };
        args.sides().map_err(|failure| failure.to_string())
    }

    fn path(path: &str) -> SandboxPath {
        SandboxPath::new(path).unwrap()
    }

    #[test]
    fn the_side_with_an_identifier_is_the_sessions() {
        let here = std::env::current_dir().unwrap();
        let at = |name: &str| SandboxPath::new(here.join(name)).unwrap();
        let id = SessionId::new("s-1").unwrap();
        let form = Form::Plain;
        let inside = |to: &str, form| Inside { id: id.clone(), path: path(to), form };
        for (local, there) in [("a", "a"), ("./a:b", "a:b"), (".x:y", ".x:y"), ("d/e:f", "d/e:f")] {
            let outside = || Outside { path: at(there), form };
            assert_eq!(sides(local, "s-1:/w"), Ok(Sides::Into(outside(), inside("/w", form))));
            assert_eq!(sides("s-1:/w", local), Ok(Sides::OutOf(inside("/w", form), outside())));
        }
        let absolute = Outside { path: path("/srv/a:b"), form };
        let there = inside("/w:x", Form::Folder);
        assert_eq!(sides("/srv/a:b", "s-1:/w:x/"), Ok(Sides::Into(absolute, there)));
    }

    #[test]
    fn the_end_of_a_path_has_a_meaning() {
        for (text, form) in [
            ("a", Form::Plain),
            ("a/", Form::Folder),
            ("a/.", Form::Contents),
            ("..", Form::Contents),
            (".", Form::Contents),
            ("/", Form::Contents),
            ("a.", Form::Plain),
        ] {
            assert_eq!(Form::of(text.as_bytes()), form, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (source, destination, says) in [
            ("a", "b", "no side is in a session"),
            ("s:/a", "t:/b", "both sides are in a session"),
            ("s:a", "b", "absolute path"),
            ("s:", "b", "empty"),
            ("A:/a", "b", "no session identifier"),
            (":/a", "b", "no session identifier"),
            ("", "s:/b", "empty"),
        ] {
            let said = sides(source, destination).unwrap_err();
            assert!(said.contains(says), "{said}");
        }
    }
}
