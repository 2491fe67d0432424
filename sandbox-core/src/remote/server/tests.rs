//! Callers who misbehave, and what does not end a session. Time that nobody waits for passes at once
//! where it is paused.

use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net;
use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::policy::network::NetworkPolicy;
use crate::remote::RemoteSessions;
use crate::remote::link::{MOST, call_frame};
use crate::remote::message::{Call, Hello};
use crate::remote::tests::{Fake, Nobody, as_a_stranger, caller, session};
use crate::session::SessionNetwork;

struct Stage {
    root: tempfile::TempDir,
    fake: Arc<Fake>,
    sessions: Arc<RemoteSessions<Nobody>>,
    id: SessionId,
    server: JoinHandle<io::Result<()>>,
}

impl Stage {
    async fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let (fake, id) = (Arc::new(Fake::default()), session().id);
        fs::create_dir_all(crate::session::local_folder(root.path(), &id)).unwrap();
        let (say, said) = oneshot::channel();
        let ready = move || say.send(()).map_err(|()| io::ErrorKind::BrokenPipe.into());
        let backend: Arc<dyn SandboxBackend> = Arc::clone(&fake) as _;
        let at = root.path().to_path_buf();
        let server = tokio::spawn(async move { serve(backend, at, session(), ready, || {}).await });
        said.await.unwrap();
        let sessions = Arc::new(caller(root.path()));
        Self { root, fake, sessions, id, server }
    }

    fn place(&self) -> Place {
        Place::of(self.root.path(), &self.id)
    }

    /// A connection on which nothing was said.
    fn connect(&self) -> UnixStream {
        UnixStream::from_std(self.place().connect().unwrap().0).unwrap()
    }

    async fn end(self) {
        self.sessions.terminate(&self.id).await.unwrap();
        self.server.await.unwrap().unwrap();
    }
}

/// Longer than anything takes here, were time not paused.
const LONG: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_not_waited_for() {
    let stage = Stage::new().await;
    let mut silent = stage.connect();
    let mut half = stage.connect();
    half.write_all(&[200, 0, 0, 0, 0, b'{']).await.unwrap();
    for stream in [&mut silent, &mut half] {
        let mut said = Vec::new();
        timeout(LONG, stream.read_to_end(&mut said)).await.unwrap().unwrap();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(said.contains("was asked nothing"), "{said}");
    }
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn few_are_listened_to_who_have_not_shown_the_key() {
    let stage = Stage::new().await;
    let silent: Vec<_> = (0..STRANGERS).map(|_| stage.connect()).collect();
    let soon = timeout(GREETING / 2, stage.sessions.get(&stage.id)).await;
    assert!(soon.is_err(), "{soon:?}");
    timeout(LONG, stage.sessions.get(&stage.id)).await.unwrap().unwrap();
    drop(silent);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn who_has_shown_the_key_takes_no_place() {
    let stage = Stage::new().await;
    let mut calls = JoinSet::new();
    for _ in 0..2 * STRANGERS {
        let (sessions, id) = (Arc::clone(&stage.sessions), stage.id.clone());
        calls.spawn(async move { sessions.usage(&id).await.map(drop) });
    }
    // Longer than who has shown none may take.
    tokio::time::sleep(3 * GREETING).await;
    timeout(LONG, stage.sessions.get(&stage.id)).await.unwrap().unwrap();
    stage.fake.usages.add_permits(2 * STRANGERS);
    while let Some(called) = timeout(LONG, calls.join_next()).await.unwrap() {
        called.unwrap().unwrap();
    }
    stage.end().await;
}

#[tokio::test]
async fn another_user_is_not_answered_whatever_he_knows() {
    let stage = Stage::new().await;
    for path in [stage.root.path(), &stage.root.path().join("sessions")] {
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }
    let folder = crate::session::local_folder(stage.root.path(), &stage.id);
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(folder.join("socket"), Permissions::from_mode(0o777)).unwrap();
    let (_, key) = stage.place().connect().unwrap();
    let hello = call_frame(&Hello { version: VERSION, key: &key, call: &Call::Get }).unwrap();
    let ask = move || {
        let mut stream = net::UnixStream::connect(folder.join("socket"))?;
        // Who is not listened to need not be able to say it all.
        let _ = stream.write_all(&hello);
        let mut said = Vec::new();
        match stream.read_to_end(&mut said) {
            Err(error) if error.kind() != io::ErrorKind::ConnectionReset => Err(error),
            _ => Ok(said),
        }
    };
    let ours = ask.clone();
    let said = tokio::task::spawn_blocking(ours).await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&said).contains("done"), "{said:?}");
    let said = tokio::task::spawn_blocking(|| as_a_stranger(ask)).await.unwrap();
    if let Some(said) = said {
        assert_eq!(String::from_utf8_lossy(&said.unwrap()), "");
    }
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn trouble_does_not_end_a_session() {
    let stage = Stage::new().await;
    stage.fake.is_in_trouble.store(true, Ordering::Relaxed);
    tokio::time::sleep(5 * LOOK).await;
    stage.fake.is_in_trouble.store(false, Ordering::Relaxed);
    // A link to itself: what is there cannot be told. Nobody looks in between: there is one thread.
    let (sessions, away) = (stage.root.path().join("sessions"), stage.root.path().join("away"));
    fs::rename(&sessions, &away).unwrap();
    symlink("sessions", &sessions).unwrap();
    tokio::time::sleep(5 * LOOK).await;
    fs::remove_file(&sessions).unwrap();
    fs::rename(&away, &sessions).unwrap();
    assert!(!stage.fake.is_over.load(Ordering::Relaxed));
    stage.sessions.get(&stage.id).await.unwrap();
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_folder_is_gone_or_another_ends() {
    for another in [false, true] {
        let stage = Stage::new().await;
        let (sessions, away) = (stage.root.path().join("sessions"), stage.root.path().join("away"));
        fs::rename(&sessions, &away).unwrap();
        if another {
            let folder = sessions.join(stage.id.as_str());
            fs::create_dir_all(&folder).unwrap();
            drop(net::UnixListener::bind(folder.join("socket")).unwrap());
        }
        timeout(LONG, stage.server).await.unwrap().unwrap().unwrap();
        assert!(stage.fake.is_over.load(Ordering::Relaxed));
    }
}

#[tokio::test]
async fn folders_are_handed_over_as_long_as_one_message_takes_them() {
    let stage = Stage::new().await;
    *stage.fake.folders.lock().unwrap() = MOST;
    let files = stage.sessions.files(&stage.id).await.unwrap();
    assert_eq!(files.folders().filter(|folder| folder.folder.is_some()).count(), MOST);
    *stage.fake.folders.lock().unwrap() = MOST + 1;
    let refused = stage.sessions.files(&stage.id).await.unwrap_err();
    assert!(matches!(refused, SandboxError::Unsupported { .. }), "{refused:?}");
    let said = refused.to_string();
    assert!(said.contains("129 open folders") && said.contains("128 are the most"), "{said}");
    stage.end().await;
}

#[tokio::test]
async fn what_was_decided_is_told_as_it_was() {
    let stage = Stage::new().await;
    for seen in [0, 1, 2, u64::MAX] {
        let (here, there) =
            (stage.fake.network(&stage.id, seen), stage.sessions.network(&stage.id, seen));
        let (here, there) = (here.await.unwrap(), there.await.unwrap());
        assert_eq!(there.decisions.len() as u64, 2_u64.saturating_sub(seen));
        let plain = |mut network: SessionNetwork| {
            network.decisions.iter_mut().for_each(|it| (it.time_ms, it.duration_ms) = (0, 0));
            network.summary.denied.iter_mut().for_each(|it| it.last_ms = 0);
            serde_json::to_string(&network).unwrap()
        };
        assert!(seen > 0 || plain(there.clone()).contains("add it to allowed_hosts"));
        assert_eq!(plain(here), plain(there));
    }
    let refused = stage.sessions.apply_network_policy(&stage.id, NetworkPolicy::Unrestricted).await;
    assert!(matches!(refused, Err(SandboxError::Unsupported { .. })), "{refused:?}");
    let refused = stage.sessions.change_network_policy(&stage.id, vec![], vec![]).await;
    assert!(matches!(refused, Err(SandboxError::Unsupported { .. })), "{refused:?}");
    stage.end().await;
}
