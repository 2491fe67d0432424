//! Snapshots of sessions without layers, on both tiers.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use sandbox_core::session::{Labels, LocalSessions, SandboxBackend, SandboxSpec};
use sandbox_core::{
    ExecRequest, FilesystemAccess, FilesystemMount, Policy, SandboxError, SandboxPath, SnapshotName,
};
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

/// A folder that lies in another one that commands can write to can become a link to anywhere.
#[tokio::test]
async fn a_link_in_a_folders_place_leads_no_copy_astray() -> Outcome {
    let all = tempfile::tempdir()?;
    let top = fs::canonicalize(all.path())?;
    for folder in ["open/inner", "outside"] {
        fs::create_dir_all(top.join(folder))?;
    }
    fs::write(top.join("open/inner/file"), "inner\n")?;
    fs::write(top.join("outside/file"), "outside\n")?;
    let confinement = Arc::new(LinuxConfinement::new(TierChoice::Namespaces)?);
    let sessions = LocalSessions::new(confinement, top.join("root"));
    let bind = |from: &str, to: &str| {
        FilesystemMount::bind(top.join(from), to, FilesystemAccess::ReadWrite)
    };
    // The inner one comes first, by its name and by its order.
    let spec = SandboxSpec::new(Policy::read_only().build()?)
        .mount(bind("open/inner", "/a")?)
        .mount(bind("open", "/b")?);
    let id = sessions.provision(spec).await?.id;
    let link = format!("mv /b/inner /b/old && ln -s {} /b/inner", top.join("outside").display());
    let done = sessions.exec(&id, ExecRequest::new("sh").arg("-c").arg(link)).await?;
    assert!(done.exit.success(), "{}", done.stderr.text());
    let kept = sessions.snapshot(&id, &SnapshotName::new("kept")?).await?;
    for path in ["outside/file", "open/old/file"] {
        fs::write(top.join(path), "later\n")?;
    }
    let changes = sessions.diff(&id).await?;
    let paths: Vec<_> = changes.iter().flat_map(|it| &it.changes).map(|it| &it.path).collect();
    assert_eq!(paths, [Path::new("old/file")]);
    sessions.restore(&id, &kept.name).await?;
    assert_eq!(fs::read_to_string(top.join("outside/file"))?, "later\n");
    assert_eq!(fs::read_to_string(top.join("open/old/file"))?, "inner\n");
    sessions.terminate(&id).await?;
    Ok(())
}

#[tokio::test]
async fn a_link_in_a_folders_place_leads_no_call_astray() -> Outcome {
    let all = tempfile::tempdir()?;
    let top = fs::canonicalize(all.path())?;
    for folder in ["open/inner", "outside"] {
        fs::create_dir_all(top.join(folder))?;
    }
    fs::write(top.join("outside/secret"), "outside\n")?;
    let confinement = Arc::new(LinuxConfinement::new(TierChoice::Landlock)?);
    let sessions = LocalSessions::new(confinement, top.join("root"));
    let level = sandbox_core::EnforcementLevel::BestEffort;
    let bind = |from: &str, to: &str| {
        FilesystemMount::bind(top.join(from), to, FilesystemAccess::ReadWrite)
    };
    let policy = Policy::read_only().enforcement(level).build()?;
    let spec = SandboxSpec::new(policy).mount(bind("open/inner", "/a")?).mount(bind("open", "/b")?);
    let id = sessions.provision(spec).await?.id;
    let script = format!(
        "cd {} && mv inner old && ln -s {} inner",
        top.join("open").display(),
        top.join("outside").display()
    );
    let done = sessions.exec(&id, ExecRequest::new("sh").arg("-c").arg(script)).await?;
    assert!(done.exit.success(), "{}", done.stderr.text());
    let secret = SandboxPath::new("/a/secret")?;
    let files = sessions.files(&id).await;
    assert!(files.and_then(|files| Ok(files.read(&secret, 100)?)).is_err());
    sessions.terminate(&id).await?;
    Ok(())
}

/// Nor does it lead a session that is made later from the same description.
#[tokio::test]
async fn a_link_in_a_folders_place_leads_no_fork_astray() -> Outcome {
    for copied in [false, true] {
        let all = tempfile::tempdir()?;
        let top = fs::canonicalize(all.path())?;
        for folder in ["open/inner", "outside"] {
            fs::create_dir_all(top.join(folder))?;
        }
        fs::write(top.join("outside/secret"), "outside\n")?;
        let confinement = Arc::new(LinuxConfinement::new(TierChoice::Namespaces)?);
        let sessions = LocalSessions::new(confinement, top.join("root"));
        let inner = match copied {
            true => FilesystemMount::overlay(top.join("open/inner"), "/a")?,
            false => {
                FilesystemMount::bind(top.join("open/inner"), "/a", FilesystemAccess::ReadWrite)?
            }
        };
        let spec = SandboxSpec::new(Policy::read_only().build()?)
            .mount(inner)
            .mount(FilesystemMount::bind(top.join("open"), "/b", FilesystemAccess::ReadWrite)?);
        let id = sessions.provision(spec.clone()).await?.id;
        if copied {
            // The kernel lets no command move what lies below its own layers; another one's may.
            fs::rename(top.join("open/inner"), top.join("open/old"))?;
            std::os::unix::fs::symlink(top.join("outside"), top.join("open/inner"))?;
        } else {
            let outside = top.join("outside");
            let link = format!("mv /b/inner /b/old && ln -s {} /b/inner", outside.display());
            let done = sessions.exec(&id, ExecRequest::new("sh").arg("-c").arg(link)).await?;
            assert!(done.exit.success(), "{}", done.stderr.text());
        }
        let forks = sessions.fork(&id, 1).await;
        let told = forks.as_ref().is_err_and(|error| error.to_string().contains("is a link"));
        assert!(told, "{copied}: {forks:?}");
        // Nor is a new one, whose mounts are those of the old.
        let again = sessions.provision(spec).await;
        let told = again.as_ref().is_err_and(|error| error.to_string().contains("symbolic link"));
        assert!(told, "{copied}: {again:?}");
        assert_eq!(sessions.list(&Labels::new()).await?.len(), 1);
    }
    Ok(())
}
