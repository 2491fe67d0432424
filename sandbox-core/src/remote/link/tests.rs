//! Frames between two ends of one connection.

use std::io::{Read, Write};
use std::time::Duration;

use super::*;

/// The owner's end of a connection and the caller's.
fn pair() -> (Link, Link) {
    let (one, other) = UnixStream::pair().unwrap();
    (Link::to_caller(one), Link::to_owner(other))
}

#[tokio::test]
async fn what_is_said_is_heard_with_its_descriptors() {
    let (one, other) = pair();
    let (mut reader, mut writer) = io::pipe().unwrap();
    one.put(&one.message(&"first").unwrap(), &[reader.as_fd()]).await.unwrap();
    one.say(&"second").await.unwrap();
    let (first, rights) = other.hear_with::<String>().await.unwrap().unwrap();
    assert_eq!((&*first, rights.len()), ("first", 1));
    let (second, none) = other.hear_with::<String>().await.unwrap().unwrap();
    assert_eq!((&*second, none.len()), ("second", 0));
    writer.write_all(b"x").unwrap();
    let mut got = [0];
    io::PipeReader::from(rights.into_iter().next().unwrap()).read_exact(&mut got).unwrap();
    assert_eq!(&got, b"x");
    drop((one, writer));
    assert!(other.hear::<String>().await.unwrap().is_none());
    assert_eq!(reader.read(&mut got).unwrap(), 0);
}

#[tokio::test]
async fn large_frames_arrive_whole() {
    let (one, other) = pair();
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    let (sent, got) = soon(async { tokio::join!(one.send(&bytes), other.receive()) }).await;
    sent.unwrap();
    assert!(got.unwrap().unwrap() == bytes);
}

/// What comes of something within a time that nobody is patient for.
async fn soon<T>(heard: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), heard).await.unwrap()
}

#[tokio::test]
async fn what_is_no_frame_is_an_error() {
    let (one, other) = pair();
    one.stream.try_write(&[0xff, 0xff, 0xff, 0xff, MESSAGE]).unwrap();
    assert!(soon(other.hear::<String>()).await.is_err());
    for cut in [&[9, 0, 0, 0, BYTES, b'x'][..], &[9, 0, 0, 0, BYTES], &[9, 0]] {
        let (one, other) = pair();
        one.stream.try_write(cut).unwrap();
        drop(one);
        let heard = soon(other.receive()).await;
        assert_eq!(heard.unwrap_err().kind(), ErrorKind::UnexpectedEof, "{cut:?}");
    }
}

#[tokio::test]
async fn no_child_inherits_what_is_handed_over() {
    let (one, other) = pair();
    let (reader, _writer) = io::pipe().unwrap();
    one.put(&one.message(&"it").unwrap(), &[reader.as_fd()]).await.unwrap();
    let (_, rights) = other.hear_with::<String>().await.unwrap().unwrap();
    let flags = rustix::io::fcntl_getfd(&rights[0]).unwrap();
    assert!(flags.contains(FdFlags::CLOEXEC));
}

#[tokio::test]
async fn nothing_is_taken_from_a_caller_but_words() {
    let (owner, caller) = pair();
    let (mut reader, writer) = io::pipe().unwrap();
    for byte in caller.message(&"it").unwrap() {
        caller.put(&[byte], &[writer.as_fd(); 3]).await.unwrap();
    }
    drop(writer);
    let (text, rights) = owner.hear_with::<String>().await.unwrap().unwrap();
    assert_eq!((&*text, rights.len()), ("it", 0));
    // Whoever still had the other end would keep this waiting.
    rustix::io::ioctl_fionbio(&reader, true).unwrap();
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
}

#[tokio::test]
async fn a_caller_has_smaller_frames_than_an_owner() {
    let (owner, caller) = pair();
    let bytes = vec![b'x'; LARGEST_CALL];
    let (sent, got) = soon(async { tokio::join!(caller.send(&bytes), owner.receive()) }).await;
    sent.unwrap();
    assert!(got.unwrap().unwrap() == bytes);
    let more = [&bytes[..], b"x"].concat();
    let refused = soon(caller.send(&more)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::FileTooLarge);
    let (sent, got) = soon(async { tokio::join!(owner.send(&more), caller.receive()) }).await;
    sent.unwrap();
    assert!(got.unwrap().unwrap() == more);
    // One who does not keep to it is not listened to.
    let announced = u32::try_from(LARGEST_CALL + 1).unwrap().to_le_bytes();
    caller.stream.try_write(&[&announced[..], &[MESSAGE]].concat()).unwrap();
    let refused = soon(owner.hear::<String>()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidData);
}

#[test]
fn memory_is_taken_as_content_comes() {
    let (mut come, mut parts) = (0, 0);
    while come < LARGEST_ANSWER {
        let room = grown(come, LARGEST_ANSWER);
        assert!(room > come && room <= come + come.max(PART), "{come} {room}");
        (come, parts) = (room, parts + 1);
    }
    assert_eq!((come, grown(0, 3)), (LARGEST_ANSWER, 3));
    assert!(parts < 20, "{parts}");
}
