//! The folder in which sessions are kept is no sandbox's.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use sandbox_core::session::{LocalSessions, SandboxBackend, SandboxSpec};
use sandbox_core::{ExecRequest, FilesystemAccess, FilesystemMount, Policy, SnapshotName};
use sandbox_linux::{LinuxConfinement, TierChoice};

type Outcome = Result<(), Box<dyn Error>>;

fn sessions(root: &Path) -> Result<LocalSessions<LinuxConfinement>, Box<dyn Error>> {
    Ok(LocalSessions::new(Arc::new(LinuxConfinement::new(TierChoice::Namespaces)?), root))
}

/// One test, because a process has one working directory.
#[tokio::test]
async fn the_root_is_hidden_wherever_it_is_named_from() -> Outcome {
    let all = tempfile::tempdir()?;
    let top = fs::canonicalize(all.path())?;
    std::env::set_current_dir(&top)?;
    for root in [Path::new("kept"), &top.join("kept")] {
        let sessions = sessions(root)?;
        let policy = Policy::read_only().read(&top)?.build()?;
        let id = sessions.provision(SandboxSpec::new(policy)).await?.id;
        assert!(top.join("kept/sessions").join(id.as_str()).exists());
        let list = ExecRequest::new("/bin/ls").arg(top.join("kept"));
        let seen = sessions.exec(&id, list).await?;
        assert_eq!(seen.stdout.text(), "", "{}", root.display());
        sessions.terminate(&id).await?;
    }
    Ok(())
}

#[tokio::test]
async fn links_may_lead_to_the_root() -> Outcome {
    let all = tempfile::tempdir()?;
    let top = fs::canonicalize(all.path())?;
    fs::create_dir_all(top.join("real/state"))?;
    fs::create_dir(top.join("work"))?;
    std::os::unix::fs::symlink("real", top.join("link"))?;
    let sessions = sessions(&top.join("link/state/root"))?;
    let spec = SandboxSpec::new(Policy::read_only().build()?)
        .mount(FilesystemMount::overlay(top.join("work"), "/work")?)
        .mount(FilesystemMount::scratch("/scratch")?);
    let id = sessions.provision(spec).await?.id;
    let script = "echo > /work/a && echo > /scratch/b && echo > $SANDBOX_MEMORY_DIR/c";
    let done = sessions.exec(&id, ExecRequest::new("sh").arg("-c").arg(script)).await?;
    assert!(done.exit.success(), "{}", done.stderr.text());
    assert_eq!(sessions.diff(&id).await?.iter().map(|it| it.changes.len()).sum::<usize>(), 1);
    Ok(())
}

/// A mount's target may be named by a link, too.
#[tokio::test]
async fn layers_change_where_a_link_leads() -> Outcome {
    let all = tempfile::tempdir()?;
    let top = fs::canonicalize(all.path())?;
    for folder in ["work", "shown/real"] {
        fs::create_dir_all(top.join(folder))?;
    }
    std::os::unix::fs::symlink("real", top.join("shown/link"))?;
    let sessions = sessions(&top.join("root"))?;
    let target = top.join("shown/link");
    let spec = SandboxSpec::new(Policy::read_only().read(top.join("shown"))?.build()?)
        .mount(FilesystemMount::overlay(top.join("work"), &target)?);
    let id = sessions.provision(spec).await?.id;
    let list = async |script: &str| -> Result<String, Box<dyn Error>> {
        let script = format!("exec 2>&1; cd {} && {script}; ls", target.display());
        let done = sessions.exec(&id, ExecRequest::new("sh").arg("-c").arg(script)).await?;
        Ok(done.stdout.text().into_owned())
    };
    assert_eq!(list("echo > one").await?, "one\n");
    let name = SnapshotName::new("kept")?;
    sessions.snapshot(&id, &name).await?;
    assert_eq!(list("echo > two").await?, "one\ntwo\n");
    sessions.restore(&id, &name).await?;
    assert_eq!(list("true").await?, "one\n");
    sessions.discard(&id).await?;
    assert_eq!(list("true").await?, "");
    Ok(())
}

#[tokio::test]
async fn nothing_in_the_root_can_be_granted() -> Outcome {
    let all = tempfile::tempdir()?;
    let top = fs::canonicalize(all.path())?.join("root");
    let sessions = sessions(&top)?;
    let other = sessions.provision(SandboxSpec::new(Policy::read_only().build()?)).await?.id;
    let inside = top.join("sessions").join(other.as_str()).join("memory");
    let policy = Policy::read_only().read(&inside)?.build()?;
    let refused = sessions.provision(SandboxSpec::new(policy)).await;
    let told = refused.as_ref().is_err_and(|it| it.to_string().contains("belongs to the sessions"));
    assert!(told, "{refused:?}");
    let policy = Policy::read_only().build()?;
    for mount in [
        FilesystemMount::bind(&inside, "/a", FilesystemAccess::ReadOnly)?,
        FilesystemMount::overlay(&inside, "/a")?,
    ] {
        let refused = sessions.provision(SandboxSpec::new(policy.clone()).mount(mount)).await;
        let told = refused.as_ref().is_err_and(|it| it.to_string().contains("hides"));
        assert!(told, "{refused:?}");
    }
    assert_eq!(fs::read_dir(top.join("sessions"))?.count(), 1);
    Ok(())
}
