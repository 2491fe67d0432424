//! Where a session is reached: a socket and a key in its folder.
//!
//! ```text
//! ROOT/sessions/ID/{socket,key,owner.json}
//! ```
//!
//! A socket's path has few characters to offer (`sun_path` in unix(7): 108 on Linux, 104 elsewhere),
//! so a longer one goes by way of the folder's descriptor where the system has `/proc/self/fd`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net;
use std::path::{Path, PathBuf};

use rustix::net::SocketAddrUnix;
use serde::{Deserialize, Serialize};
use tokio::net::{UnixListener, UnixSocket, UnixStream};

use crate::ids::SessionId;
use crate::session::SandboxSession;

/// The longest path of a socket that every system takes, with its NUL.
const LONGEST: usize = 100;

/// A session's folder.
#[derive(Clone, Debug)]
pub(super) struct Place(PathBuf);

/// What tells a socket from one that takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

/// What lies in the folder about the session's owner, for whoever looks at it from outside.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Owner {
    /// The version of the protocol that it speaks.
    pub(super) version: u32,
    /// Its process identifier.
    pub(super) pid: u32,
    /// The boot of the machine that it belongs to, where the system names them.
    pub(super) boot: Option<String>,
    /// When it was started, in the system's own words, so that another process of the same
    /// identifier is not taken for it.
    pub(super) started: Option<String>,
    /// The session at its beginning.
    pub(super) session: SandboxSession,
}

impl Place {
    pub(super) fn of(root: &Path, id: &SessionId) -> Self {
        Self(crate::session::local_folder(root, id))
    }

    /// Listens there, with a new key.
    pub(super) fn open(&self, session: SandboxSession) -> io::Result<(UnixListener, String)> {
        let mut random = [0; 32];
        File::open("/dev/urandom")?.read_exact(&mut random)?;
        let key: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        self.write("key", key.as_bytes())?;
        self.write("owner.json", &serde_json::to_vec(&Owner::this(session))?)?;
        let listener = self.by_socket(|path| UnixListener::bind(path))?;
        fs::set_permissions(self.0.join("socket"), fs::Permissions::from_mode(0o600))?;
        Ok((listener, key))
    }

    /// Connects, and tells the key. The stream does not block.
    ///
    /// A local socket is there, with room in its queue, or it is not: this does not wait.
    ///
    /// # Errors
    /// `WouldBlock` when the queue is full: the owner stands still.
    pub(super) fn connect(&self) -> io::Result<(net::UnixStream, String)> {
        let key = fs::read_to_string(self.0.join("key"))?;
        Ok((self.by_socket(dial)?, key))
    }

    pub(super) fn owner(&self) -> io::Result<Owner> {
        Ok(serde_json::from_slice(&fs::read(self.0.join("owner.json"))?)?)
    }

    /// What tells this folder from another of the same path.
    pub(super) fn identity(&self) -> io::Result<Identity> {
        let found = fs::symlink_metadata(self.0.join("socket"))?;
        Ok(Identity { device: found.dev(), inode: found.ino() })
    }

    /// Whether what was there is certainly gone. Where the system does not say (no access, an error
    /// of the disk, no memory), it may come back.
    pub(super) fn has_lost(&self, identity: Identity) -> bool {
        match self.identity() {
            Ok(now) => now != identity,
            Err(error) => error.kind() == ErrorKind::NotFound,
        }
    }

    /// Writes a file that only the user can read, as a whole.
    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let part = self.0.join(format!("{name}.part"));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        file.write_all(bytes)?;
        fs::rename(part, self.0.join(name))
    }

    fn by_socket<T>(&self, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
        let path = self.0.join("socket");
        if path.as_os_str().len() < LONGEST {
            return act(&path);
        }
        let folder = File::open(&self.0)?;
        let short = format!("/proc/self/fd/{}", folder.as_raw_fd());
        if !Path::new(&short).exists() {
            let why = "the session's folder has too long a path for a socket: set XDG_STATE_HOME \
                       to a folder with a shorter one";
            return Err(io::Error::new(ErrorKind::InvalidFilename, why));
        }
        act(&Path::new(&short).join("socket"))
    }
}

/// Connects without waiting for room in the other side's queue.
fn dial(path: &Path) -> io::Result<net::UnixStream> {
    // One that does not block, and that no child inherits, at once and on every system.
    let socket = UnixSocket::new_stream()?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket.as_fd().try_clone_to_owned()?.into())
}

/// Refuses whoever is another user.
pub(super) fn check_peer(stream: &UnixStream) -> io::Result<()> {
    let peer = stream.peer_cred()?.uid();
    if peer == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(io::Error::new(ErrorKind::PermissionDenied, format!("user {peer} is on the other side")))
}

impl Owner {
    fn this(session: SandboxSession) -> Self {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
        Self {
            version: super::message::VERSION,
            pid: std::process::id(),
            boot: boot.map(|text| text.trim().to_owned()),
            started: started("self"),
            session,
        }
    }
}

/// The 22nd field of proc_pid_stat(5), behind the name in parentheses.
fn started(process: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, behind) = text.rsplit_once(')')?;
    behind.split_whitespace().nth(19).map(str::to_owned)
}

#[cfg(test)]
mod tests;
