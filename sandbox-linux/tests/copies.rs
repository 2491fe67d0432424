//! Snapshots of sessions without layers, on both tiers.

use std::error::Error;
use std::fs;
use std::sync::Arc;

use sandbox_core::session::{LocalSessions, SandboxBackend, SandboxSpec};
use sandbox_core::{ExecRequest, FilesystemMount, Policy, SandboxError, SnapshotName};
use sandbox_linux::{LinuxConfinement, TierChoice};

type Outcome = Result<(), Box<dyn Error>>;

/// Folders that are mounted directly are copied.
#[tokio::test]
async fn folders_without_layers_are_copied_for_snapshots() -> Outcome {
    for tier in [TierChoice::Namespaces, TierChoice::Landlock] {
        let all = tempfile::tempdir()?;
        let top = fs::canonicalize(all.path())?;
        let repo = top.join("repo");
        fs::create_dir(&repo)?;
        fs::write(repo.join("file"), "host\n")?;
        let confinement = Arc::new(LinuxConfinement::new(tier)?);
        let sessions = LocalSessions::new(confinement, top.join("root"));
        let level = sandbox_core::EnforcementLevel::BestEffort;
        let policy = Policy::workspace(&repo)?.enforcement(level).build()?;
        let spec = SandboxSpec::new(policy).mount(FilesystemMount::scratch("/scratch")?);
        let id = sessions.provision(spec).await?.id;
        let run = async |script: &str| -> Result<String, Box<dyn Error>> {
            let request = ExecRequest::new("sh").arg("-c").arg(format!("exec 2>&1\n{script}"));
            Ok(sessions.exec(&id, request).await?.stdout.text().into_owned())
        };
        let none = sessions.diff(&id).await;
        assert!(matches!(none, Err(SandboxError::InvalidRequest(_))), "{none:?}");
        assert_eq!(sessions.snapshots(&id).await?.len(), 0);
        let kept = sessions.snapshot(&id, &SnapshotName::new("as it was")?).await?;
        let busy = ExecRequest::new("sh").arg("-c").arg("while :; do echo >> busy; done");
        let task = sessions.tasks()?.start(&id, busy).await?.id;
        assert_eq!(run("echo changed > file; mkdir new; echo new > new/file").await?, "");
        let changes = sessions.diff(&id).await?;
        let paths: Vec<String> = changes
            .iter()
            .flat_map(|mount| &mount.changes)
            .map(|change| change.path.display().to_string())
            .filter(|path| path != "busy")
            .collect();
        assert_eq!(paths, ["file", "new", "new/file"], "{tier:?}");
        sessions.tasks()?.kill(&id, task).await?;
        sessions.tasks()?.wait(&id, task).await?;
        sessions.restore(&id, &kept.name).await?;
        assert_eq!(run("ls; cat file").await?, "file\nhost\n", "{tier:?}");
        assert_eq!(fs::read_to_string(repo.join("file"))?, "host\n");
        let twice = sessions.snapshot(&id, &kept.name).await;
        assert!(matches!(twice, Err(SandboxError::AlreadyExists { .. })), "{twice:?}");
        assert_eq!(sessions.snapshots(&id).await?.len(), 1);
        sessions.terminate(&id).await?;
        assert_eq!(fs::read_dir(top.join("root/sessions"))?.count(), 0);
    }
    Ok(())
}
