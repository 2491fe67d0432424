//! Where a session is reached, and when it is no more.

use std::os::unix::fs::symlink;
use std::sync::mpsc;
use std::time::Duration;

use super::*;
use crate::remote::tests::session;

/// A place with a socket that is listened on.
fn open() -> (tempfile::TempDir, Place, UnixListener) {
    let root = tempfile::tempdir().unwrap();
    let place = Place::of(root.path(), &session().id);
    fs::create_dir_all(&place.0).unwrap();
    let (listener, _) = place.open(session()).unwrap();
    (root, place, listener)
}

#[tokio::test]
async fn only_what_is_certainly_gone_is_lost() {
    let (root, place, _listener) = open();
    let identity = place.identity().unwrap();
    assert!(!place.has_lost(identity));
    let (sessions, away) = (root.path().join("sessions"), root.path().join("away"));
    fs::rename(&sessions, &away).unwrap();
    assert!(place.has_lost(identity));
    // The system cannot tell what is there: links in a circle, as whoever is root sees them, too.
    symlink("sessions", &sessions).unwrap();
    assert!(place.identity().is_err());
    assert!(!place.has_lost(identity));
    fs::remove_file(&sessions).unwrap();
    fs::rename(&away, &sessions).unwrap();
    assert!(!place.has_lost(identity));
    // Made before the other one goes, so that it cannot get its number.
    let other = UnixListener::bind(root.path().join("other")).unwrap();
    fs::rename(root.path().join("other"), place.0.join("socket")).unwrap();
    assert!(place.has_lost(identity));
    drop(other);
    fs::remove_file(place.0.join("socket")).unwrap();
    assert!(place.has_lost(identity));
}

#[tokio::test]
async fn a_full_queue_is_not_waited_for() {
    let (_root, place, listener) = open();
    rustix::net::listen(&listener, 0).unwrap();
    let (say, said) = mpsc::channel();
    std::thread::spawn(move || {
        let all: Vec<_> = (0..8).map(|_| place.connect()).collect();
        say.send(all.into_iter().find_map(Result::err).map(|error| error.kind())).unwrap();
    });
    let said = said.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!(said, Some(ErrorKind::WouldBlock));
}

#[tokio::test]
async fn a_connection_does_not_block_and_no_child_inherits_it() {
    let (_root, place, _listener) = open();
    let (stream, key) = place.connect().unwrap();
    assert_eq!(key.len(), 64);
    assert!(rustix::fs::fcntl_getfl(&stream).unwrap().contains(rustix::fs::OFlags::NONBLOCK));
    let flags = rustix::io::fcntl_getfd(&stream).unwrap();
    assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
}

#[tokio::test]
async fn every_place_has_its_own_key() {
    let (_a, one, _b) = open();
    let (_c, other, _d) = open();
    assert_ne!(one.connect().unwrap().1, other.connect().unwrap().1);
}
