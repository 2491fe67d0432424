//! Sandboxes that wait for one command each.

use std::error::Error;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use sandbox_core::run::Sink;
use sandbox_core::session::{LocalSessions, SandboxBackend, SandboxSpec};
use sandbox_core::{ExecRequest, Exit, FilesystemMount, Policy, SandboxError, SessionId};
use sandbox_linux::{LinuxConfinement, TierChoice};

type Outcome = Result<(), Box<dyn Error>>;

struct Stage {
    _all: tempfile::TempDir,
    sessions: LocalSessions<LinuxConfinement>,
    id: SessionId,
}

impl Stage {
    async fn new(tier: TierChoice, waiting: usize) -> Result<Self, Box<dyn Error>> {
        let all = tempfile::tempdir()?;
        let root = fs::canonicalize(all.path())?.join("root");
        let sessions = LocalSessions::new(Arc::new(LinuxConfinement::new(tier)?), root);
        let level = sandbox_core::EnforcementLevel::BestEffort;
        let policy = Policy::read_only().enforcement(level).build()?;
        let id = sessions.provision(SandboxSpec::new(policy).pool(waiting)).await?.id;
        Ok(Self { _all: all, sessions, id })
    }

    async fn run(&self, script: &str) -> Result<String, Box<dyn Error>> {
        let request = ExecRequest::new("sh").arg("-c").arg(format!("exec 2>&1\n{script}"));
        Ok(self.sessions.exec(&self.id, request).await?.stdout.text().into_owned())
    }
}

#[tokio::test]
async fn every_command_finds_a_fresh_sandbox_and_the_mounts() -> Outcome {
    for tier in [TierChoice::Namespaces, TierChoice::Landlock] {
        let stage = Stage::new(tier, 2).await?;
        for round in 0..5 {
            let found = stage.run("ls $TMPDIR; echo $$ > $TMPDIR/left; sleep 1000 & ").await?;
            assert_eq!(found, "", "{tier:?} {round}");
            let noted = stage
                .run("echo >> $SANDBOX_MEMORY_DIR/notes; wc -l < $SANDBOX_MEMORY_DIR/notes")
                .await?;
            assert_eq!(noted.trim(), (round + 1).to_string(), "{tier:?}");
        }
        stage.sessions.terminate(&stage.id).await?;
    }
    Ok(())
}

#[tokio::test]
async fn more_commands_than_wait_are_no_trouble() -> Outcome {
    let stage = Stage::new(TierChoice::Namespaces, 2).await?;
    let mut running = Vec::new();
    for number in 0..8 {
        let script = format!("read it; set -- /proc/[0-9]*; echo {number} $it $#");
        let request = ExecRequest::new("sh").arg("-c").arg(script).with_stdin();
        running.push(stage.sessions.spawn(&stage.id, request).await?);
    }
    stage.sessions.suspend(&stage.id).await?;
    let refused = stage.sessions.exec(&stage.id, ExecRequest::new("true")).await;
    assert!(matches!(refused, Err(SandboxError::WrongState { .. })), "{refused:?}");
    stage.sessions.resume(&stage.id).await?;
    for (number, mut running) in running.into_iter().enumerate() {
        use tokio::io::AsyncWriteExt;
        let mut stdin = running.take_stdin().ok_or("no input")?;
        stdin.write_all(b"word\n").await?;
        let result = running.finish(Sink::Capture, Sink::Capture).await?;
        let text = result.stdout.text();
        let words: Vec<&str> = text.split_whitespace().collect();
        let [said, word, processes] = words[..] else { return Err(text.into()) };
        assert_eq!((said, word), (&*number.to_string(), "word"));
        // The first process, one for the command, two that wait, the shell: no other command's.
        assert!(processes.parse::<usize>()? <= 5, "{processes}");
    }
    let last = stage.sessions.spawn(&stage.id, ExecRequest::new("sleep").arg("1000")).await?;
    let process = last.process();
    stage.sessions.terminate(&stage.id).await?;
    let ended = tokio::time::timeout(Duration::from_secs(20), process.wait()).await??;
    assert_ne!(ended.exit, Exit::Code(0));
    Ok(())
}

#[tokio::test]
async fn what_a_pool_cannot_have_is_refused() -> Outcome {
    let all = tempfile::tempdir()?;
    let top = fs::canonicalize(all.path())?;
    fs::create_dir(top.join("repo"))?;
    let confinement = Arc::new(LinuxConfinement::new(TierChoice::Namespaces)?);
    let sessions = LocalSessions::new(confinement, top.join("root"));
    let spec = || Ok::<_, Box<dyn Error>>(SandboxSpec::new(Policy::read_only().build()?));
    let overlay = spec()?.mount(FilesystemMount::overlay(top.join("repo"), "/work")?).pool(1);
    for (spec, why) in [(overlay, "copied on write"), (spec()?.pool(1_000_000), "more than 256")] {
        let refused = sessions.provision(spec).await;
        let said = refused.err().ok_or("it was made")?.to_string();
        assert!(said.contains(why), "{said}");
    }
    assert_eq!(fs::read_dir(top.join("root/sessions"))?.count(), 0);
    Ok(())
}
