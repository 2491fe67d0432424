//! Answers that cannot be given.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use tokio::net::UnixStream;

use super::*;

/// What a caller hears of an answer.
async fn heard<T: Serialize>(answer: T, largest: usize) -> Result<serde_json::Value> {
    let (owner, caller) = UnixStream::pair().unwrap();
    let (owner, caller) = (Link::to_caller(owner).sending(largest), Link::to_owner(caller));
    let (reader, _writer) = io::pipe().unwrap();
    reply_with(&owner, Ok(answer), &[reader.as_fd()]).await.unwrap();
    drop(owner);
    let (reply, rights) =
        caller.hear_with::<Reply<serde_json::Value>>().await.unwrap().expect("an answer");
    let result = reply.into_result();
    assert_eq!(rights.len(), usize::from(result.is_ok()));
    result
}

#[tokio::test]
async fn an_answer_that_cannot_be_sent_is_an_error_of_the_call() {
    assert_eq!(heard("x".repeat(900), 1000).await.unwrap(), "x".repeat(900));
    let refused = heard("x".repeat(1100), 1000).await.unwrap_err();
    assert!(matches!(refused, SandboxError::Io { .. }), "{refused:?}");
    let said = refused.to_string();
    assert!(said.contains("1111 bytes, where 1000 are the most"), "{said}");
    let no_text = Path::new(OsStr::from_bytes(b"\xff"));
    let refused = heard(no_text, 1000).await.unwrap_err();
    assert!(matches!(refused, SandboxError::Io { .. }), "{refused:?}");
    assert!(refused.to_string().contains("UTF-8"), "{refused}");
}
