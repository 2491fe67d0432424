//! Writes what differs, in the order of the paths; what is to be removed last.
//!
//! # Theory of operation
//! A folder that is new is begun under a temporary name, filled by the differences that follow, and
//! finished when the first difference outside of it comes: then it gets its mode and its name. In
//! such a folder things are made under their own names, because nobody sees it yet. A folder whose
//! new mode would keep its owner out gets it when it is finished, too.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, mkdirat, unlinkat};
use rustix::process::geteuid;
use sandbox_core::Result;
use sandbox_core::session::{Change, ChangeKind};

use super::make::{GIVEN, PRIVILEGED, Target};
use super::{check, copy, make};
use crate::layers::beneath::{self, Access};
use crate::layers::compare::Difference;
use crate::layers::cursor::Cursor;
use crate::layers::entry::{Entry, Kind};
use crate::layers::{Stack, Stamp, at, removal, temporary};

/// Writes all differences, which are sorted by path; returns them as changes in the same order.
///
/// # Errors
/// The path at which it failed. What was finished stays.
pub(super) fn write(stack: &Stack, since: &Stamp, all: &[Difference]) -> Result<Vec<Change>> {
    let mut writer = Writer::new(stack, since).map_err(at("opening", Path::new("")))?;
    let written = writer.write(all);
    if written.is_err() {
        writer.abandon();
    }
    written?;
    Ok(all.iter().map(Difference::change).collect())
}

struct Writer<'a> {
    since: &'a Stamp,
    layers: Vec<Cursor>,
    host: Cursor,
    /// Folders that are not finished, each in the one before.
    begun: Vec<Begun>,
    is_root: bool,
}

struct Begun {
    path: PathBuf,
    mode: Mode,
    new: Option<New>,
}

/// A folder that nobody sees yet.
struct New {
    /// Its name until it is finished; none for one that lies in another.
    temporary: Option<CString>,
    theirs: Option<Entry>,
    owner: Option<(u32, u32)>,
}

impl<'a> Writer<'a> {
    fn new(stack: &Stack, since: &'a Stamp) -> io::Result<Self> {
        let mut layers = stack.cursors(Access::Write)?;
        let host = layers.pop().ok_or_else(beneath::moved)?;
        Ok(Self { since, layers, host, begun: Vec::new(), is_root: geteuid().is_root() })
    }

    fn write(&mut self, all: &[Difference]) -> Result<()> {
        let is_deleted = |found: &&Difference| found.kind == ChangeKind::Deleted;
        for found in all.iter().filter(|found| !is_deleted(found)) {
            self.finish_but(&found.path)?;
            self.make(found).map_err(at("writing", &found.path))?;
        }
        self.finish_but(Path::new(""))?;
        for found in all.iter().filter(is_deleted) {
            self.delete(found).map_err(at("removing", &found.path))?;
        }
        Ok(())
    }

    fn make(&mut self, found: &Difference) -> io::Result<()> {
        let Some((layer, ours)) = &found.ours else { return Ok(()) };
        self.host.go(found.path.parent().unwrap_or(Path::new("")))?;
        if found.kind == ChangeKind::Mode {
            self.change_mode(found, *layer, ours)
        } else if ours.is_folder() {
            self.begin(found, *layer, ours)
        } else {
            self.make_thing(found, *layer, ours)
        }
    }

    /// Whose something becomes that is made here: root's files would be of no use to others.
    fn owner(&self) -> Option<(u32, u32)> {
        let new = self.begun.iter().find_map(|begun| begun.new.as_ref());
        let here = self.is_root.then(|| self.host.here().found().owner);
        new.map_or(here, |new| new.owner)
    }

    fn is_unseen(&self) -> bool {
        self.begun.iter().any(|begun| begun.new.is_some())
    }

    /// Makes what is no folder.
    fn make_thing(&mut self, found: &Difference, layer: usize, ours: &Entry) -> io::Result<()> {
        let name = found.name()?;
        let unseen = self.is_unseen();
        let temporary = if unseen { name.clone() } else { temporary::name()? };
        self.layers[layer].go(found.path.parent().unwrap_or(Path::new("")))?;
        let from = self.layers[layer].here();
        let to = Target { folder: self.host.here(), name: &temporary, owner: self.owner() };
        make::thing(from, &name, ours, to)?;
        if unseen {
            return Ok(());
        }
        let checked = self.check_below(found);
        let theirs = found.theirs.as_ref();
        let installed =
            checked.and_then(|()| make::install(self.host.here(), &temporary, &name, theirs));
        if installed.is_err() {
            // The first error counts, and a name that stays is taken away later.
            let _ = unlinkat(self.host.here(), &*temporary, AtFlags::empty());
        }
        installed
    }

    /// Begins a folder.
    fn begin(&mut self, found: &Difference, layer: usize, ours: &Entry) -> io::Result<()> {
        let name = found.name()?;
        let temporary = if self.is_unseen() { None } else { Some(temporary::name()?) };
        let made: &CStr = temporary.as_deref().unwrap_or(&name);
        mkdirat(self.host.here(), made, Mode::RWXU)?;
        let (path, owner) = (found.path.clone(), self.owner());
        let new = New { temporary: temporary.clone(), theirs: found.theirs.clone(), owner };
        self.begun.push(Begun { path, mode: ours.mode & GIVEN, new: Some(new) });
        self.host.down_by(made, &name)?;
        let here = self.host.here();
        // Whoever can write to the folder around it may have put something else there.
        if here.found().owner.0 != geteuid().as_raw() || !here.names()?.is_empty() {
            return Err(make::changed());
        }
        if let Some(begun) = self.begun.last_mut() {
            // What the folder has from the one around it.
            begun.mode |= here.found().mode & Mode::SGID;
        }
        let layer = &mut self.layers[layer];
        layer.go(&found.path)?;
        copy::attributes(layer.here(), self.host.here())
    }

    /// Finishes the folders that a path does not lie in.
    fn finish_but(&mut self, path: &Path) -> Result<()> {
        while let Some(begun) = self.begun.last() {
            if path.starts_with(&begun.path) {
                break;
            }
            let done = begun.path.clone();
            self.finish().map_err(at("finishing", &done))?;
            self.begun.pop();
        }
        Ok(())
    }

    /// Finishes the innermost folder.
    fn finish(&mut self) -> io::Result<()> {
        let Some(begun) = self.begun.last() else { return Ok(()) };
        self.host.go(&begun.path)?;
        let Some((name, folder)) = self.host.up()? else { return Ok(()) };
        // Until now nobody else could look into it.
        make::give(folder.as_fd(), begun.new.as_ref().and_then(|new| new.owner))?;
        folder.finish(begun.mode)?;
        match &begun.new {
            Some(New { temporary: Some(temporary), theirs, .. }) => {
                make::install(self.host.here(), temporary, &name, theirs.as_ref())
            }
            _ => Ok(()),
        }
    }

    /// Takes away what is not finished.
    fn abandon(&mut self) {
        let new = self.begun.iter().find(|begun| begun.new.is_some());
        let Some(Begun { path, new: Some(New { temporary: Some(name), .. }), .. }) = new else {
            return;
        };
        if self.host.go(path.parent().unwrap_or(Path::new(""))).is_ok() {
            // The first error counts, and a name that stays is taken away later.
            let _ = removal::remove(self.host.here(), name);
        }
    }

    fn change_mode(&mut self, found: &Difference, layer: usize, ours: &Entry) -> io::Result<()> {
        let Some(theirs) = &found.theirs else { return Err(make::changed()) };
        // A file with several names may have one that is no concern of the session.
        if ours.kind == Kind::File && theirs.names > 1 {
            return self.make_thing(found, layer, ours);
        }
        let mode = (ours.mode & GIVEN) | (ours.mode & theirs.mode & PRIVILEGED);
        if ours.is_folder() && !mode.contains(Mode::RWXU) {
            self.begun.push(Begun { path: found.path.clone(), mode, new: None });
            return Ok(());
        }
        let place = beneath::place(self.host.here(), &found.name()?)?;
        if !theirs.is_still(&Entry::opened(&place)?) {
            return Err(make::changed());
        }
        beneath::set_mode(place.as_fd(), mode)
    }

    fn delete(&mut self, found: &Difference) -> io::Result<()> {
        self.host.go(found.path.parent().unwrap_or(Path::new("")))?;
        let (here, name) = (self.host.here(), found.name()?);
        let Some(now) = Entry::look(here, &name)? else { return Ok(()) };
        if !found.theirs.as_ref().is_some_and(|theirs| theirs.is_still(&now)) {
            return Err(make::changed());
        }
        if now.is_folder() {
            self.check_below(found)?;
            return make::remove(here, &name);
        }
        Ok(unlinkat(here, &*name, AtFlags::empty())?)
    }

    /// Looks once more into a folder that is going to be removed.
    fn check_below(&self, found: &Difference) -> io::Result<()> {
        let is_quiet = !found.removes_folder()
            || check::below(self.since, self.host.here(), &found.path)?.is_empty();
        if is_quiet { Ok(()) } else { Err(make::changed()) }
    }
}
