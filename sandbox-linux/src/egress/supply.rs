//! The sockets of a payload that may reach nothing but a proxy on the host's loopback.
//!
//! Landlock knows the ports that a payload may connect to, and no addresses: with its rule alone a
//! payload could reach whoever listens at the proxy's port anywhere, and its author can have somebody
//! listen at every port. A filter cannot help, since an address lies behind a pointer, and what is
//! read there may be changed before the kernel reads it.
//!
//! So the payload makes no sockets. The filter has the kernel ask here, and the answer is a socket
//! that was made here and is bound to the loopback's device: what it sends to another machine is not
//! sent. Only numbers are looked at, which are in registers and stay what they are. Whom a socket is
//! bound to, nobody without CAP_NET_RAW changes, and the filter refuses it besides.
//!
//! # Security
//! When this ends the listener closes, and calls that ask fail (`ENOSYS`): there is no way around it.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::socket::{setsockopt, sockopt};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with};
use tokio::io::unix::AsyncFd;

use crate::sys::notify::{self, Asked};

/// The only device.
const LOOPBACK: &str = "lo";

/// Answers for as long as anybody is there to ask.
pub(super) async fn serve(listener: AsyncFd<OwnedFd>) {
    while let Ok(mut ready) = listener.readable().await {
        loop {
            match waiting(listener.get_ref().as_fd()) {
                Waiting::Somebody => {
                    if answer(listener.get_ref().as_fd()).is_err() {
                        return;
                    }
                    // Who asks without end does not keep the gateway from its work.
                    tokio::task::yield_now().await;
                }
                Waiting::Nobody => break,
                Waiting::Never => return,
            }
        }
        ready.clear_ready();
    }
}

/// Who waits for an answer.
enum Waiting {
    Somebody,
    Nobody,
    /// All that could ask have ended.
    Never,
}

fn waiting(listener: BorrowedFd<'_>) -> Waiting {
    let mut wanted = [PollFd::from_borrowed_fd(listener, PollFlags::IN)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    match poll(&mut wanted, Some(&at_once)) {
        Ok(0) | Err(rustix::io::Errno::INTR) => Waiting::Nobody,
        Ok(_) if wanted[0].revents().contains(PollFlags::IN) => Waiting::Somebody,
        Ok(_) if wanted[0].revents().contains(PollFlags::HUP) => Waiting::Never,
        Ok(_) => Waiting::Nobody,
        Err(_) => Waiting::Never,
    }
}

/// Answers one call.
///
/// # Errors
/// The listener does not work any more.
fn answer(listener: BorrowedFd<'_>) -> io::Result<()> {
    let asked = match notify::receive(listener) {
        Ok(asked) => asked,
        Err(error) if is_gone(&error) => return Ok(()),
        Err(error) => return Err(error),
    };
    let given = make(asked).and_then(|(socket, flags)| {
        // The payload gets a descriptor of its own, this one closes.
        notify::give(listener, asked, socket.as_fd(), flags)
    });
    let Err(error) = given else { return Ok(()) };
    let errno = error.raw_os_error().unwrap_or(libc::EACCES);
    match notify::refuse(listener, asked, errno) {
        Err(error) if !is_gone(&error) => Err(error),
        _ => Ok(()),
    }
}

/// Whether nobody waits any more, or for now.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINTR | libc::EINPROGRESS))
}

/// The socket that is asked for, and the flags of its descriptor. The filter lets no other arguments
/// come this far; they are looked at once more, since it is this process that makes it.
fn make(asked: Asked) -> io::Result<(OwnedFd, u32)> {
    const KIND: i32 = 0xf;
    let [family, kind, protocol] = [0, 1, 2].map(|at| asked.arguments[at] as u32 as i32);
    let family = match family {
        libc::AF_INET => AddressFamily::INET,
        libc::AF_INET6 => AddressFamily::INET6,
        _ => return Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT)),
    };
    let known = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    if kind & KIND != libc::SOCK_STREAM || kind & !known != 0 {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    if ![0, libc::IPPROTO_TCP].contains(&protocol) {
        return Err(io::Error::from_raw_os_error(libc::EPROTONOSUPPORT));
    }
    let mut flags = SocketFlags::CLOEXEC;
    flags.set(SocketFlags::NONBLOCK, kind & libc::SOCK_NONBLOCK != 0);
    let socket = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    setsockopt(&socket, sockopt::BindToDevice, &OsString::from(LOOPBACK))?;
    let of_descriptor = if kind & libc::SOCK_CLOEXEC != 0 { libc::O_CLOEXEC } else { 0 };
    Ok((socket, of_descriptor.unsigned_abs()))
}
