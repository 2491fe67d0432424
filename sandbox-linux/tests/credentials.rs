//! What commands are given of credentials: a placeholder, and whom to trust.
#![cfg(feature = "mitm")]

mod outside;

use std::fs;
use std::sync::Arc;

use outside::{Means, Outcome, World};
use sandbox_core::session::{LocalSessions, SandboxBackend as _, SandboxSpec};
use sandbox_core::{ByteSize, ExecRequest, LocalBackend, NetworkPolicy, Policy};

const SECRET: &str = "a-secret-that-no-command-may-ever-see";

const SCRIPT: &str = "cat /proc/self/environ | tr '\\0' '\\n'; cat \"$SSL_CERT_FILE\"; \
                      cat /etc/ssl/certs/ca-certificates.crt 2>/dev/null; \
                      echo x >> \"$SSL_CERT_FILE\"; rm -f \"$SSL_CERT_FILE\"; cat SECRET";

/// A policy with a credential, whose secret lies in a folder that is granted; and the script.
fn policy(world: &World, disk: bool) -> Result<(Policy, String), Box<dyn std::error::Error>> {
    let program = world.program()?;
    let file = program.with_file_name("secret");
    fs::write(&file, SECRET)?;
    let network: NetworkPolicy = serde_json::from_value(serde_json::json!({
        "mode": "limited", "allowed_hosts": ["allowed.test"],
        "credentials": [{ "env": "A_TOKEN", "from": { "file": file }, "hosts": ["allowed.test"] }],
    }))?;
    let builder = world.builder(&[])?.network(network);
    // Less than the certificates take.
    let limit = |limits: &mut sandbox_core::ResourceLimits| {
        limits.disk = disk.then_some(ByteSize::from_bytes(64 << 10));
    };
    let script = SCRIPT.replace("SECRET", file.to_str().ok_or("no text")?);
    Ok((builder.limits(limit).build()?, script))
}

fn check(said: &str) {
    assert!(!said.contains(SECRET), "{said}");
    let placeholder = said.lines().find_map(|line| line.strip_prefix("A_TOKEN="));
    assert!(placeholder.is_some_and(|it| it.starts_with("sbx_")), "{said}");
    for name in ["SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "PIP_CERT"] {
        assert!(said.lines().any(|line| line.starts_with(&format!("{name}=/"))), "{said}");
    }
    let last = said.trim_end().rsplit("-----BEGIN CERTIFICATE-----").next().unwrap_or_default();
    assert!(last.ends_with("-----END CERTIFICATE-----"), "{said}");
    let known = fs::read_to_string("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default();
    assert!(!known.contains(last.trim()), "an authority that the host does not know: {said}");
    assert!(!said.contains("PRIVATE"), "{said}");
}

#[tokio::test]
async fn a_command_gets_a_placeholder_and_whom_to_trust() -> Outcome {
    let Some(world) = World::new(Means::Diverted)? else { return Ok(()) };
    for disk in [false, true] {
        let (policy, script) = policy(&world, disk)?;
        let request = ExecRequest::new("/bin/sh").args(["-c", &script]);
        // Whatever else names the variable.
        let request = request.env("A_TOKEN", SECRET);
        let backend = LocalBackend::new(Arc::clone(&world.confinement));
        check(&backend.run(&policy, &request).await?.stdout.text());
    }
    Ok(())
}

#[tokio::test]
async fn commands_of_a_session_share_theirs() -> Outcome {
    let Some(world) = World::new(Means::ByPort)? else { return Ok(()) };
    let (policy, script) = policy(&world, false)?;
    let folder = tempfile::tempdir_in("/var/tmp")?;
    let root = fs::canonicalize(folder.path())?.join("root");
    let sessions = LocalSessions::new(Arc::clone(&world.confinement), root);
    let id = sessions.provision(SandboxSpec::new(policy)).await?.id;
    let request = ExecRequest::new("/bin/sh").args(["-c", &script]);
    let mut all = Vec::new();
    for _ in 0..2 {
        let said = sessions.exec(&id, request.clone()).await?.stdout.text().into_owned();
        check(&said);
        all.push(said);
    }
    assert_eq!(all[0], all[1]);
    sessions.terminate(&id).await?;
    Ok(())
}
