//! Owners who do not answer, and what their callers are told of it.

use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net;
use std::path::PathBuf;
use std::{fs, thread};

use tokio::net::UnixListener;

use super::*;
use crate::exec::ExecRequest;
use crate::mount::FilesystemAccess;
use crate::path::SandboxPath;
use crate::remote::message::{Asked, Folder};
use crate::remote::tests::{as_a_stranger, caller, session};
use crate::session::SandboxBackend as _;

/// Longer than anything takes here.
const LONG: Duration = Duration::from_secs(20);

/// A session's place, with an owner who does what a test says.
struct Stage {
    root: tempfile::TempDir,
    folder: PathBuf,
}

impl Stage {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let folder = crate::session::local_folder(root.path(), &session().id);
        fs::create_dir_all(&folder).unwrap();
        Self { root, folder }
    }

    fn listen(&self) -> UnixListener {
        Place::of(self.root.path(), &session().id).open(session()).unwrap().0
    }

    /// What becomes of a call while an owner does something else.
    async fn call(&self, owner: impl Future<Output = ()>) -> SandboxError {
        let (sessions, id) = (caller(self.root.path()), session().id);
        let owner = async {
            owner.await;
            std::future::pending::<()>().await;
        };
        // Whom nobody asks any more need not be waited for.
        let called = tokio::select! {
            called = timeout(LONG, sessions.usage(&id)) => called.expect("nothing is said"),
            () = owner => unreachable!(),
        };
        called.expect_err("it was answered")
    }
}

/// The next connection, and what is asked on it.
async fn asked(listener: &UnixListener) -> (Link, Call) {
    let link = Link::to_caller(listener.accept().await.unwrap().0);
    let call = link.hear::<Asked>().await.unwrap().unwrap().call;
    (link, call)
}

#[tokio::test]
async fn a_session_is_gone_when_nobody_listens() {
    let stage = Stage::new();
    let listener = stage.listen();
    // It dies in the middle of a call; its connection ends before its socket does.
    let owner = async {
        for _ in 0..3 {
            drop(asked(&listener).await);
        }
        drop(listener);
    };
    let gone = stage.call(owner).await;
    assert!(matches!(gone, SandboxError::SessionNotFound { .. }), "{gone:?}");
    let gone = stage.call(async {}).await;
    assert!(matches!(gone, SandboxError::SessionNotFound { .. }), "{gone:?}");
    fs::remove_dir_all(&stage.folder).unwrap();
    let gone = stage.call(async {}).await;
    assert!(matches!(gone, SandboxError::SessionNotFound { .. }), "{gone:?}");
}

#[tokio::test]
async fn a_session_whose_owner_says_that_it_is_over_is_gone() {
    let stage = Stage::new();
    let listener = stage.listen();
    let owner = async {
        drop(asked(&listener).await);
        let (link, _) = asked(&listener).await;
        let gone = SandboxError::SessionNotFound { id: session().id };
        link.say(&Reply::<()>::of(Err(gone))).await.unwrap();
    };
    let gone = stage.call(owner).await;
    assert!(matches!(gone, SandboxError::SessionNotFound { .. }), "{gone:?}");
}

#[tokio::test]
async fn a_session_that_answers_another_call_is_not_gone() {
    let stage = Stage::new();
    let listener = stage.listen();
    let owner = async {
        drop(asked(&listener).await);
        let (link, call) = asked(&listener).await;
        assert!(matches!(call, Call::Get), "{call:?}");
        link.say(&Reply::Done(session())).await.unwrap();
    };
    let error = stage.call(owner).await;
    assert!(matches!(error, SandboxError::Io { .. }), "{error:?}");
    assert!(error.to_string().contains("without answer"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_owner_stands_still_is_not_gone() {
    let stage = Stage::new();
    let listener = stage.listen();
    let owner = async { drop(asked(&listener).await) };
    let error = stage.call(owner).await;
    assert!(matches!(error, SandboxError::Io { .. }), "{error:?}");
}

#[tokio::test]
async fn a_folder_without_its_descriptor_is_an_error() {
    let stage = Stage::new();
    let listener = stage.listen();
    let (sessions, id) = (caller(stage.root.path()), session().id);
    let folder = |name: &&str| Folder {
        target: SandboxPath::new(name).unwrap(),
        access: FilesystemAccess::ReadOnly,
        open: true,
    };
    for (come, names) in [(1, &["/a"][..]), (1, &["/a", "/b"])] {
        let owner = async {
            let (link, _) = asked(&listener).await;
            let folders: Vec<_> = names.iter().map(folder).collect();
            let root = fs::File::open("/").unwrap();
            let frame = link.message(&Reply::Done(folders)).unwrap();
            link.put(&frame, &vec![root.as_fd(); come]).await.unwrap();
        };
        let (files, ()) = tokio::join!(sessions.files(&id), owner);
        let error = files.err().map(|error| error.to_string());
        let is_told = error.as_ref().is_some_and(|error| error.contains("ulimit -n"));
        assert_eq!(is_told, names.len() > come, "{error:?}");
    }
}

#[tokio::test]
async fn a_call_that_is_too_large_is_told_before_it_is_sent() {
    let stage = Stage::new();
    let _listener = stage.listen();
    let (sessions, id) = (caller(stage.root.path()), session().id);
    let request = ExecRequest::new("true").arg("x".repeat(17 << 20));
    let refused = timeout(LONG, sessions.spawn(&id, request)).await.unwrap();
    let refused = refused.map(drop).unwrap_err();
    assert!(matches!(refused, SandboxError::InvalidRequest(_)), "{refused:?}");
    assert!(refused.to_string().contains("16777216 are the most"), "{refused}");
}

#[tokio::test]
async fn no_key_is_shown_to_another_user() {
    let stage = Stage::new();
    drop(stage.listen());
    fs::remove_file(stage.folder.join("socket")).unwrap();
    for path in [stage.root.path(), &stage.folder] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    let socket = stage.folder.join("socket");
    let Some(listener) = as_a_stranger(|| net::UnixListener::bind(socket).unwrap()) else { return };
    let read = thread::spawn(move || {
        let mut heard = Vec::new();
        io::Read::read_to_end(&mut listener.accept().unwrap().0, &mut heard).unwrap();
        heard
    });
    let error = stage.call(async {}).await;
    let SandboxError::Io { source, .. } = error else { panic!("{error:?}") };
    assert_eq!(source.kind(), ErrorKind::PermissionDenied);
    assert!(read.join().unwrap().is_empty());
}
