//! A terminal to run the binary on.

use std::fs::File;
use std::io::{Read, Write};
use std::ops::{Deref, DerefMut};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

use rustix::fs::{Mode, OFlags};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

/// Both ends of a terminal, and what appeared on its screen.
pub(crate) struct Terminal {
    keyboard: File,
    line: File,
    shown: Receiver<Vec<u8>>,
    screen: String,
}

impl Terminal {
    pub(crate) fn new(rows: u16, columns: u16) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("openpt");
        // A command that held this end too would never see the terminal go.
        fcntl_setfd(&master, FdFlags::CLOEXEC).expect("close at exec");
        grantpt(&master).expect("grantpt");
        unlockpt(&master).expect("unlockpt");
        let name = ptsname(&master, Vec::new()).expect("ptsname");
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let line = rustix::fs::open(&*name, flags, Mode::empty()).expect("open the terminal");
        let keyboard = File::from(master);
        let screen = keyboard.try_clone().expect("dup");
        let terminal =
            Self { keyboard, line: line.into(), shown: watch(screen), screen: String::new() };
        terminal.resize(rows, columns);
        terminal
    }

    /// Starts a command with all three streams on the terminal.
    pub(crate) fn spawn(&self, command: &mut Command) -> Guest {
        let end = || Stdio::from(self.line.try_clone().expect("dup"));
        Guest(command.stdin(end()).stdout(end()).stderr(end()).spawn().expect("the binary starts"))
    }

    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.keyboard, size).expect("resize");
    }

    pub(crate) fn type_in(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("type");
    }

    /// The mode of the line.
    pub(crate) fn mode(&self) -> Termios {
        tcgetattr(&self.line).expect("tcgetattr")
    }

    /// Whether a text has appeared, as far as was waited.
    pub(crate) fn shows(&self, text: &str) -> bool {
        self.screen.contains(text)
    }

    /// Waits until a text has appeared.
    #[track_caller]
    pub(crate) fn expect(&mut self, text: &str) {
        let deadline = Instant::now() + super::PATIENCE;
        while !self.screen.contains(text) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.shown.recv_timeout(left) {
                Ok(bytes) => self.screen += &String::from_utf8_lossy(&bytes),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("{text:?} did not appear on: {:?}", self.screen)
                }
            }
        }
    }
}

/// A command on a terminal. Nothing tells it that a test failed before it was waited for, so it ends
/// with this.
pub(crate) struct Guest(Child);

impl Deref for Guest {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Guest {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // One that was waited for is not there any more, and need not be ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn watch(mut screen: File) -> Receiver<Vec<u8>> {
    let (sender, shown) = channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = screen.read(&mut buffer) {
            if sender.send(buffer[..read].to_vec()).is_err() {
                return;
            }
        }
    });
    shown
}
