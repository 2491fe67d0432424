//! Callers who make their frames themselves, and what a payload sees of sessions.

use std::error::Error;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use sandbox_core::Policy;
use sandbox_core::session::{LocalSessions, SandboxBackend, SandboxSpec, SandboxState};
use sandbox_linux::{LinuxConfinement, TierChoice};

use crate::stage::{Outcome, Stage, eventually, shell};

/// The version of the protocol that this is written for.
const VERSION: u32 = 4;

fn hello(key: &str, version: u32, call: &str) -> String {
    format!(r#"{{"version":{version},"key":"{key}","call":{call}}}"#)
}

/// Connects and says something.
fn connect(socket: &Path, text: &str) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(socket)?;
    let length = u32::try_from(text.len()).map_err(io::Error::other)?;
    stream.write_all(&length.to_le_bytes())?;
    stream.write_all(&[0])?;
    stream.write_all(text.as_bytes())?;
    Ok(stream)
}

/// The same, and what is answered.
fn say(socket: &Path, text: &str) -> io::Result<String> {
    let mut answer = Vec::new();
    connect(socket, text)?.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(answer.get(5..).unwrap_or_default()).into_owned())
}

#[tokio::test]
async fn strangers_are_refused() -> Outcome {
    let stage = Stage::new().await?;
    let socket = stage.folder().join("socket");
    for name in ["socket", "key", "owner.json"] {
        let mode = fs::metadata(stage.folder().join(name))?.permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let key = fs::read_to_string(stage.folder().join("key"))?;
    for (text, answer) in [
        (hello("", VERSION, r#""get""#), "the key is not"),
        (hello(&"0".repeat(64), VERSION, r#""terminate""#), "the key is not"),
        (hello(&key[..63], VERSION, r#""get""#), "the key is not"),
        // Whoever has no key is told nothing of the version, either.
        (hello("", 1, r#""get""#), "the key is not"),
        (hello(&key, 1, r#""get""#), "speaks version 4"),
        (hello(&key, VERSION, r#""dance""#), "does not understand"),
        (hello(&key, VERSION, r#"{"snapshot":{"name":"../a"}}"#), "does not understand"),
        (hello(&key, VERSION, r#""get""#), r#""state":"provisioned""#),
    ] {
        let at = socket.clone();
        let said = tokio::task::spawn_blocking(move || say(&at, &text)).await??;
        assert!(said.contains(answer), "{answer}: {said}");
    }
    for text in ["no JSON", "{}"] {
        let at = socket.clone();
        let said = tokio::task::spawn_blocking(move || say(&at, text)).await??;
        assert_eq!(said, "", "{text}");
    }
    // What is no frame is not waited for.
    let mut stream = UnixStream::connect(&socket)?;
    stream.write_all(&[0xff; 64])?;
    let mut said = Vec::new();
    let read = move || stream.read_to_end(&mut said).map(|_| said);
    let said = tokio::task::spawn_blocking(read).await?.unwrap_or_default();
    assert_eq!(String::from_utf8_lossy(&said), "");
    assert_eq!(stage.sessions.get(&stage.id).await?.state, SandboxState::Provisioned);
    stage.end().await
}

/// A caller that is killed says nothing any more.
#[tokio::test]
async fn a_command_ends_with_its_connection() -> Outcome {
    let stage = Stage::new().await?;
    let key = fs::read_to_string(stage.folder().join("key"))?;
    let command =
        r#"{"spawn":{"program":"sleep","arguments":["1000"],"variables":[],"stdin":false}}"#;
    let stream = connect(&stage.folder().join("socket"), &hello(&key, VERSION, command))?;
    let runs = async || {
        let all = stage.run("cat /proc/[0-9]*/cmdline | tr '\\0' ' '").await?;
        Ok::<_, Box<dyn Error>>(all.contains("sleep 1000"))
    };
    eventually(async || runs().await).await?;
    drop(stream);
    eventually(async || Ok(!runs().await?)).await?;
    stage.end().await
}

/// A payload that reached another session's socket could have it apply what it likes.
#[tokio::test]
async fn no_session_sees_what_sessions_are_made_of() -> Outcome {
    for tier in [TierChoice::Namespaces, TierChoice::Landlock] {
        let all = tempfile::tempdir()?;
        let top = fs::canonicalize(all.path())?;
        fs::write(top.join("file"), "seen\n")?;
        let confinement = Arc::new(LinuxConfinement::new(tier)?);
        let local = LocalSessions::new(confinement, top.join("root"));
        let level = sandbox_core::EnforcementLevel::BestEffort;
        let policy = Policy::read_only().write(&top)?.enforcement(level).build()?;
        let id = local.provision(SandboxSpec::new(policy)).await?.id;
        fs::write(top.join("root/sessions").join(id.as_str()).join("key"), "the key\n")?;
        let look = "cat file; cat root/sessions/*/key; ls root/sessions; mv root elsewhere; \
                    cat elsewhere/sessions/*/key";
        let result = local.exec(&id, shell(look).cwd(&top)).await?;
        assert_eq!(result.stdout.text(), "seen\n", "{tier:?}: {}", result.stderr.text());
        local.terminate(&id).await?;
    }
    Ok(())
}
