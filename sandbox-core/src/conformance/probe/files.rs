//! Commands on files: each is one operation.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::time::SystemTime;

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};

use super::{Command, Got, Words, done, joined};

pub(super) const COMMANDS: &[Command] = &[
    ("read", |w| read_some(w)),
    ("list", |w| list(w)),
    ("exists", |w| done(fs::symlink_metadata(w.path(0)).map(drop))),
    ("write", |w| done(write(OpenOptions::new().write(true), w))),
    ("append", |w| done(write(OpenOptions::new().append(true), w))),
    ("truncate", |w| done(OpenOptions::new().write(true).truncate(true).open(w.path(0)).map(drop))),
    ("create", |w| done(write(OpenOptions::new().write(true).create_new(true), w))),
    ("put", |w| done(write(OpenOptions::new().write(true).create(true).truncate(true), w))),
    ("open-write", |w| done(OpenOptions::new().write(true).open(w.path(0)).map(drop))),
    ("open-read", |w| {
        done(OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(w.path(0)).map(drop))
    }),
    ("create-mode", |w| done(create_mode(w))),
    ("mkdir", |w| done(fs::create_dir(w.path(0)))),
    ("rmdir", |w| done(fs::remove_dir(w.path(0)))),
    ("remove", |w| done(fs::remove_file(w.path(0)))),
    ("rename", |w| done(fs::rename(w.path(0), w.path(1)))),
    ("link", |w| done(fs::hard_link(w.path(0), w.path(1)))),
    ("symlink", |w| done(symlink(w.path(0), w.path(1)))),
    ("chmod", |w| done(chmod(w))),
    ("chown", |w| done(std::os::unix::fs::chown(w.path(0), Some(w.number(1)?), None))),
    ("utimes", |w| done(utimes(w))),
    ("setxattr", |w| done(setxattr(w))),
    ("fifo", |w| done(node(w, FileType::Fifo, 0))),
    ("device", |w| done(node(w, FileType::CharacterDevice, rustix::fs::makedev(1, 3)))),
    ("temporary", |_| temporary()),
    ("home", |w| home(w)),
    ("exchange", |w| done(exchange(w))),
];

/// What every tool that makes a temporary file does.
fn temporary() -> Got {
    let path = std::env::temp_dir().join(format!("conformance-{}", std::process::id()));
    fs::write(&path, b"temporary")?;
    let got = fs::read(&path)?;
    fs::remove_file(&path)?;
    Ok(got)
}

/// Leaves a file in the home directory, as the environment names it.
fn home(words: &Words<'_>) -> Got {
    let home = std::env::var_os("HOME").ok_or(io::ErrorKind::NotFound)?;
    let path = std::path::Path::new(&home).join(words.path(0));
    fs::write(&path, b"at home")?;
    fs::read(&path)
}

/// Enough to recognise what was read, of devices too.
fn read_some(words: &Words<'_>) -> Got {
    let mut got = Vec::new();
    File::open(words.path(0))?.take(200).read_to_end(&mut got)?;
    Ok(got)
}

fn list(words: &Words<'_>) -> Got {
    let entries = fs::read_dir(words.path(0))?.collect::<io::Result<Vec<_>>>()?;
    let mut names: Vec<_> = entries.iter().map(fs::DirEntry::file_name).collect();
    names.sort();
    Ok(joined(names.iter().map(|name| name.as_os_str())))
}

fn write(how: &OpenOptions, words: &Words<'_>) -> io::Result<()> {
    how.open(words.path(0))?.write_all(words.get(1).as_bytes())
}

fn mode(words: &Words<'_>) -> io::Result<u32> {
    u32::from_str_radix(words.text(1), 8).map_err(io::Error::other)
}

fn create_mode(words: &Words<'_>) -> io::Result<()> {
    let file =
        OpenOptions::new().write(true).create_new(true).mode(mode(words)?).open(words.path(0))?;
    let got = file.metadata()?.permissions().mode() & 0o7000;
    if got == mode(words)? & 0o7000 {
        Ok(())
    } else {
        Err(io::Error::other("the bits were dropped"))
    }
}

fn chmod(words: &Words<'_>) -> io::Result<()> {
    fs::set_permissions(words.path(0), fs::Permissions::from_mode(mode(words)?))
}

/// Both times, by name: no descriptor is needed.
fn utimes(words: &Words<'_>) -> io::Result<()> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let at = Timespec { tv_sec: now.as_secs().cast_signed() - 1000, tv_nsec: 0 };
    let times = Timestamps { last_access: at, last_modification: at };
    Ok(rustix::fs::utimensat(CWD, words.path(0), &times, AtFlags::empty())?)
}

fn setxattr(words: &Words<'_>) -> io::Result<()> {
    Ok(rustix::fs::setxattr(words.path(0), "user.conformance", b"1", XattrFlags::empty())?)
}

fn node(words: &Words<'_>, kind: FileType, device: u64) -> io::Result<()> {
    let mode = Mode::from_raw_mode(0o600);
    Ok(rustix::fs::mknodat(CWD, words.path(0), kind, mode, device)?)
}

fn exchange(words: &Words<'_>) -> io::Result<()> {
    let flags = rustix::fs::RenameFlags::EXCHANGE;
    Ok(rustix::fs::renameat_with(CWD, words.path(0), CWD, words.path(1), flags)?)
}
