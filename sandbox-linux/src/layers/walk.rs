//! Goes through all that the layers of a session say.
//!
//! # Theory of operation
//! overlayfs shows a path from the topmost layer that has something there. A *whiteout* says that
//! there is nothing, and hides the layers below. A folder shows the folders below it through itself,
//! down to the first that is *opaque*, or to a layer that has something else at the path.
//! (Documentation/filesystems/overlayfs.rst in the kernel's sources.)
//!
//! The walk goes through the layers side by side, with one cursor for each, folder by folder and
//! sorted by name, so that paths come out sorted. Where the host's folder shows through, only names
//! that a layer has are looked up in it: whatever no layer names is as the host has it. Where the
//! host's folder is hidden, its names are read as well, because what is not in a layer is gone.
//! A layer whose cursor stands higher than the walk has no part in where the walk is.
//!
//! Depth costs memory for names alone; what is told of is bounded as a whole.

use std::collections::VecDeque;
use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::iter::Peekable;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::vec::IntoIter;

use sandbox_core::Result;

use super::beneath::{self, Access, Folder};
use super::compare::{self, Difference, Thing};
use super::cursor::Cursor;
use super::entry::{Entry, Kind};
use super::marks::{self, Opaque};
use super::{Stack, at};

/// The most bytes of differences, each with its path: a payload can make paths of any length.
const MOST: usize = 256 << 20;

/// What the walk comes across.
#[derive(Debug)]
pub(super) enum Event {
    /// A folder that the session sees, before anything in it.
    Entered,
    /// A path that differs. Where the session sees a folder, it comes before [`Event::Entered`].
    Found(Difference),
}

/// One folder on the way.
#[derive(Debug)]
struct Frame {
    /// Names, each with the number of a layer that has it: sorted, the topmost layer first.
    names: Peekable<IntoIter<(CString, usize)>>,
    /// Whether the host's folder shows through.
    shows_host: bool,
    /// Layers in which empty files may be whiteouts here.
    marked: Vec<usize>,
}

impl Frame {
    /// The next name, and the layers that have it.
    fn next(&mut self) -> Option<(CString, Vec<usize>)> {
        let (name, layer) = self.names.next()?;
        let mut layers = vec![layer];
        while let Some((_, layer)) = self.names.next_if(|(next, _)| *next == name) {
            layers.push(layer);
        }
        Some((name, layers))
    }
}

/// The walk; see the module's documentation.
#[derive(Debug)]
pub(super) struct Walk {
    /// One for each layer from the top; the last is the host's.
    cursors: Vec<Cursor>,
    frames: Vec<Frame>,
    path: PathBuf,
    ready: VecDeque<Event>,
    left: usize,
}

impl Walk {
    /// # Errors
    /// A layer cannot be opened.
    pub(super) fn new(stack: &Stack) -> Result<Self> {
        let root = Path::new("");
        let mut walk = Self {
            cursors: stack.cursors(Access::Look).map_err(at("opening", root))?,
            frames: Vec::new(),
            path: PathBuf::new(),
            ready: VecDeque::from([Event::Entered]),
            left: MOST,
        };
        let uppers: Vec<usize> = (0..walk.host()).collect();
        walk.open_root(&uppers).map_err(at("reading", root))?;
        Ok(walk)
    }

    /// The next event, until there is none.
    ///
    /// # Errors
    /// Something cannot be read, is a device, or there is too much.
    pub(super) fn next(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            let Some(frame) = self.frames.last_mut() else { return Ok(None) };
            let Some((name, layers)) = frame.next() else {
                self.leave().map_err(at("leaving", &self.path))?;
                continue;
            };
            let visited = self.visit(&name, &layers);
            visited.map_err(|error| at("reading", &self.named(&name))(error))?;
        }
    }

    /// The path of the folder that was entered last.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The host's folder at this path, if it has one: the folder that was entered, or the one that
    /// what was found lies in, unless the session sees a folder at what was found.
    pub(super) fn host_folder(&self) -> Option<&Folder> {
        self.folder(self.host())
    }

    fn host(&self) -> usize {
        self.cursors.len() - 1
    }

    /// The folder of a layer at this path, if it has one that counts.
    fn folder(&self, layer: usize) -> Option<&Folder> {
        let cursor = &self.cursors[layer];
        (cursor.depth() + 1 == self.frames.len()).then(|| cursor.here())
    }

    fn named(&self, name: &CStr) -> PathBuf {
        self.path.join(OsStr::from_bytes(name.to_bytes()))
    }

    /// Looks at one name of the folder that the walk is in.
    fn visit(&mut self, name: &CStr, layers: &[usize]) -> io::Result<()> {
        let theirs = self.look(self.host(), name)?;
        let ours = match layers[0] {
            host if host == self.host() => None,
            layer => self.look(layer, name)?.map(|entry| (layer, entry)),
        };
        if ours.as_ref().is_some_and(|(_, entry)| entry.kind == Kind::Device) {
            return Err(io::Error::other("it is a device"));
        }
        let thing = |layer, entry| self.folder(layer).map(|folder| Thing { folder, entry });
        let kind = compare::kind(
            name,
            ours.as_ref().and_then(|(layer, entry)| thing(*layer, entry)),
            theirs.as_ref().and_then(|entry| thing(self.host(), entry)),
        )?;
        let host_has_folder = theirs.as_ref().is_some_and(Entry::is_folder);
        let removed = match &ours {
            Some((_, entry)) if entry.is_folder() => self.enter(name, layers, host_has_folder)?,
            _ => false,
        };
        if let Some(kind) = kind {
            self.found(name, Difference { path: PathBuf::new(), kind, ours, theirs, removed })?;
        }
        Ok(())
    }

    /// Tells of a difference, before the folder that it may be is entered.
    fn found(&mut self, name: &CStr, mut difference: Difference) -> io::Result<()> {
        let is_folder = difference.ours.as_ref().is_some_and(|(_, entry)| entry.is_folder());
        difference.path = if is_folder { self.path.clone() } else { self.named(name) };
        let cost = size_of::<Difference>() + difference.path.as_os_str().len();
        let left = self.left.checked_sub(cost);
        self.left = left.ok_or_else(|| io::Error::other("the session changed too much to tell"))?;
        self.ready.push_front(Event::Found(difference));
        Ok(())
    }

    /// What a layer, or the host, has at a name of this folder.
    fn look(&self, layer: usize, name: &CStr) -> io::Result<Option<Entry>> {
        let Some(folder) = self.folder(layer) else { return Ok(None) };
        let Some(entry) = Entry::look(folder, name)? else { return Ok(None) };
        let marked = self.frames.last().is_some_and(|frame| frame.marked.contains(&layer));
        let is_whiteout = entry.kind == Kind::Whiteout
            || (marked && entry.kind == Kind::File && entry.size == 0)
                && marks::is_whiteout(beneath::file(folder, name, Access::Read)?)?;
        Ok((!is_whiteout).then_some(entry))
    }

    /// Takes the cursors of all layers that show through each other into a folder. Whether it is a
    /// copy of one that the host no longer has.
    fn enter(&mut self, name: &CStr, layers: &[usize], host_has: bool) -> io::Result<bool> {
        let host = self.host();
        let mut shows_below = true;
        let (mut entered, mut marked) = (Vec::new(), Vec::new());
        for &layer in layers.iter().filter(|layer| **layer != host) {
            // The first one was looked at.
            if !entered.is_empty() && !self.look(layer, name)?.is_some_and(|it| it.is_folder()) {
                shows_below = false;
                break;
            }
            self.cursors[layer].down(name)?;
            entered.push(layer);
            match marks::opaque(self.cursors[layer].here())? {
                Opaque::No => {}
                Opaque::HasWhiteouts => marked.push(layer),
                Opaque::Yes => {
                    shows_below = false;
                    break;
                }
            }
        }
        let shows_below = shows_below && self.frames.last().is_some_and(|it| it.shows_host);
        if host_has {
            self.cursors[host].down(name)?;
        }
        let lowest = entered.last().filter(|_| shows_below && !host_has);
        let removed = lowest.map_or(Ok(false), |it| marks::is_copy(self.cursors[*it].here()))?;
        self.open(&entered, host_has, shows_below && host_has, marked)?;
        self.path.push(OsStr::from_bytes(name.to_bytes()));
        self.ready.push_back(Event::Entered);
        Ok(removed)
    }

    fn open_root(&mut self, uppers: &[usize]) -> io::Result<()> {
        let mut marked = Vec::new();
        for &layer in uppers {
            if marks::opaque(self.cursors[layer].here())? == Opaque::HasWhiteouts {
                marked.push(layer);
            }
        }
        self.open(uppers, true, true, marked)
    }

    /// Reads the names of the folder that the cursors are in.
    fn open(
        &mut self,
        uppers: &[usize],
        host_has: bool,
        shows_host: bool,
        marked: Vec<usize>,
    ) -> io::Result<()> {
        let hidden = Some(self.host()).filter(|_| host_has && !shows_host);
        let mut names = Vec::new();
        for layer in uppers.iter().copied().chain(hidden) {
            let listed = self.cursors[layer].here().names()?;
            names.extend(listed.into_iter().map(|name| (name, layer)));
        }
        names.sort_unstable();
        let names = names.into_iter().peekable();
        self.frames.push(Frame { names, shows_host, marked });
        Ok(())
    }

    /// Goes back to the folder around this one.
    fn leave(&mut self) -> io::Result<()> {
        let depth = self.frames.len() - 1;
        self.frames.pop();
        self.path.pop();
        for cursor in self.cursors.iter_mut().filter(|cursor| depth > 0 && cursor.depth() == depth)
        {
            cursor.up()?;
        }
        Ok(())
    }
}
