//! Carrying bytes past this process's memory, where the system has a means for that.
//!
//! A long stream costs mostly the copying into this process and out of it again. A [`Conduit`] is
//! what the system moves bytes by instead: it takes some from one connection and gives them to
//! another. They are lent from a [`Pool`] for one such move, and kept only while the writer's side is
//! slow; there are only so many, and who gets none copies.
//!
//! # Security
//! What nobody has judged yet, or what has to be judged on and on, is never moved so. A conduit that
//! was given up with bytes in it is closed, not lent again: they are of another connection.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpStream;

/// Who makes conduits.
pub trait Conduits: fmt::Debug + Send + Sync {
    /// A new one, without anything in it.
    ///
    /// # Errors
    /// There is none to be had now; bytes are copied instead.
    fn open(&self) -> io::Result<Box<dyn Conduit>>;
}

/// What moves bytes from one connection to another. It holds them in between.
pub trait Conduit: fmt::Debug + Send {
    /// Takes bytes that are there, `most` of them at most, into the conduit, which is empty. 0 says
    /// nothing about the connection: whoever wants to know reads from it.
    fn take(&mut self, from: &TcpStream, most: usize) -> usize;

    /// Gives bytes that the conduit holds, `most` of them at most, and says how many were taken.
    ///
    /// # Errors
    /// As for writing; `WouldBlock` where nothing is taken now, which `to` then knows.
    fn give(&mut self, to: &TcpStream, most: usize) -> io::Result<usize>;
}

/// The conduits of one gateway.
#[derive(Debug)]
pub(super) struct Pool {
    maker: Option<Arc<dyn Conduits>>,
    all: Mutex<All>,
}

#[derive(Debug, Default)]
struct All {
    free: Vec<Box<dyn Conduit>>,
    /// How many there are, lent ones included.
    count: usize,
}

impl Pool {
    /// The most that there are at once.
    const MOST: usize = 16;
    /// The most that are kept while nobody needs them.
    const KEPT: usize = 2;

    pub(super) fn new(maker: Option<Arc<dyn Conduits>>) -> Self {
        Self { maker, all: Mutex::default() }
    }

    /// An empty one, if there is one to be had.
    pub(super) fn lend(&self) -> Option<Lent<'_>> {
        let maker = self.maker.as_ref()?;
        let mut all = self.all();
        let conduit = match all.free.pop() {
            Some(conduit) => conduit,
            None if all.count < Self::MOST => {
                let conduit = maker.open().ok()?;
                all.count += 1;
                conduit
            }
            None => return None,
        };
        Some(Lent { pool: self, conduit: Some(conduit), held: 0 })
    }

    fn take_back(&self, conduit: Box<dyn Conduit>, is_empty: bool) {
        let mut all = self.all();
        if is_empty && all.free.len() < Self::KEPT {
            all.free.push(conduit);
        } else {
            all.count -= 1;
        }
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A conduit for as long as this lives.
#[derive(Debug)]
pub(super) struct Lent<'a> {
    pool: &'a Pool,
    /// Until this is dropped.
    conduit: Option<Box<dyn Conduit>>,
    held: usize,
}

impl Lent<'_> {
    /// Takes what is there; how many bytes that was.
    pub(super) fn take(&mut self, from: &TcpStream, most: usize) -> usize {
        let taken = self.conduit.as_mut().map_or(0, |conduit| conduit.take(from, most));
        self.held += taken;
        taken
    }

    /// Gives what is held; how many bytes went.
    pub(super) fn give(&mut self, to: &TcpStream) -> io::Result<usize> {
        let Some(conduit) = &mut self.conduit else { return Ok(0) };
        let given = match conduit.give(to, self.held) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            given => given?,
        };
        self.held = self.held.saturating_sub(given);
        Ok(given)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held == 0
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(conduit) = self.conduit.take() {
            self.pool.take_back(conduit, self.held == 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Endless;

    impl Conduits for Endless {
        fn open(&self) -> io::Result<Box<dyn Conduit>> {
            Ok(Box::new(Self))
        }
    }

    impl Conduit for Endless {
        fn take(&mut self, _: &TcpStream, most: usize) -> usize {
            most
        }

        fn give(&mut self, _: &TcpStream, most: usize) -> io::Result<usize> {
            Ok(most)
        }
    }

    fn pool() -> Pool {
        Pool::new(Some(Arc::new(Endless)))
    }

    /// How many there are, and how many of them nobody has.
    fn counts(pool: &Pool) -> (usize, usize) {
        let all = pool.all();
        (all.count, all.free.len())
    }

    #[test]
    fn there_are_only_so_many() {
        let pool = pool();
        let lent: Vec<_> = std::iter::from_fn(|| pool.lend()).take(2 * Pool::MOST).collect();
        assert_eq!(lent.len(), Pool::MOST);
        drop(lent);
        assert_eq!(counts(&pool), (Pool::KEPT, Pool::KEPT));
        assert!(pool.lend().is_some());
        assert!(Pool::new(None).lend().is_none());
    }

    #[test]
    fn what_holds_bytes_is_not_lent_again() {
        let pool = pool();
        let mut lent = pool.lend().unwrap();
        lent.held = 1;
        drop(lent);
        assert_eq!(counts(&pool), (0, 0));
    }
}
