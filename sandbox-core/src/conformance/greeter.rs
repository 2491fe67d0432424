//! A server on the host's loopback that greets whoever comes, and holds the line until they leave.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{io, thread};

/// What it says.
pub(super) const GREETING: &str = "host";

/// The server; it serves until the process ends.
pub(super) struct Greeter {
    port: u16,
    came: Arc<AtomicUsize>,
}

impl Greeter {
    pub(super) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let came = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&came);
        thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                count.fetch_add(1, Ordering::Relaxed);
                thread::spawn(move || {
                    // A visitor may leave before the greeting.
                    stream.write_all(GREETING.as_bytes())?;
                    io::copy(&mut stream, &mut io::sink())
                });
            }
        });
        Ok(Self { port, came })
    }

    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The rule that lets it be reached.
    pub(super) fn rule(&self) -> String {
        format!(r#"{{"host":"{}","private":true}}"#, self.address())
    }

    /// How often somebody came.
    pub(super) fn came(&self) -> usize {
        self.came.load(Ordering::Relaxed)
    }
}
