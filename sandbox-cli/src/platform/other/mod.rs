//! Systems that are no Unix: the standard library's streams, Ctrl-C, no terminal modes.

pub(crate) mod state;

use std::ffi::OsString;

/// A part of an operating-system string, as far as it is text.
pub(crate) fn os_string(bytes: &[u8]) -> OsString {
    String::from_utf8_lossy(bytes).into_owned().into()
}

/// Does nothing: there is no limit to raise.
pub(crate) fn raise_open_files() {}

pub(crate) mod stdio {
    //! The three standard streams.

    use std::io::{self, Read, Write};

    use crate::streams::Stream;

    /// Whether standard input holds nothing. Nobody can tell here.
    pub(crate) fn stdin_is_empty() -> bool {
        false
    }

    /// Reads from standard input; 0 is the end. Only for a thread of its own.
    pub(crate) fn read(buffer: &mut [u8]) -> io::Result<usize> {
        io::stdin().lock().read(buffer)
    }

    /// Writes all of `bytes`. Only for a thread of its own.
    pub(crate) fn write_all(stream: Stream, bytes: &[u8]) -> io::Result<()> {
        match stream {
            Stream::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(bytes)?;
                out.flush()
            }
            Stream::Stderr => io::stderr().lock().write_all(bytes),
        }
    }
}

pub(crate) mod signals {
    //! Ctrl-C.

    use std::io;

    use crate::streams::relay::Event;

    /// The number by which an interruption is known everywhere.
    const INTERRUPT: i32 = 2;

    /// The signals that arrive.
    pub(crate) struct Signals;

    impl Signals {
        /// Starts to listen.
        #[expect(clippy::unnecessary_wraps, reason = "the same names on each side")]
        pub(crate) fn listen() -> io::Result<Self> {
            Ok(Self)
        }

        /// The next signal.
        pub(crate) async fn next(&mut self) -> Event {
            match tokio::signal::ctrl_c().await {
                Ok(()) => Event::End(INTERRUPT),
                Err(_) => std::future::pending().await,
            }
        }
    }

    /// Nothing stops a process here.
    pub(crate) fn stop_self() {}
}

pub(crate) mod terminal {
    //! No terminal modes.

    use std::io;

    use sandbox_core::TerminalSize;

    /// What a terminal has when nobody says otherwise.
    pub(crate) fn size() -> TerminalSize {
        TerminalSize { rows: 24, columns: 80 }
    }

    /// Keeps nothing.
    pub(crate) struct Raw;

    impl Raw {
        /// Refuses.
        pub(crate) fn enter() -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        /// Never called: there is no raw mode to suspend.
        pub(crate) fn suspended(self, meanwhile: impl FnOnce()) -> io::Result<Self> {
            meanwhile();
            Ok(self)
        }
    }
}

pub(crate) mod supervisor {
    //! No process owns a session here.

    use std::io;
    use std::path::PathBuf;
    use std::sync::Arc;

    use sandbox_core::SandboxError;
    use sandbox_core::session::SandboxBackend;

    /// Refuses.
    pub(crate) fn detach() -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Never called: nothing is detached.
    pub(crate) async fn serve(
        _: Arc<dyn SandboxBackend>,
        _: PathBuf,
        _: &[u8],
    ) -> Result<(), SandboxError> {
        Err(SandboxError::io("serving a session")(io::ErrorKind::Unsupported.into()))
    }
}
