//! Places that come to a sandbox while it lives.

use std::error::Error;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sandbox_core::confine::{Confinement, Enclosure, Launched};
use sandbox_core::plan::{Host, Mounted, Plan, Shown};
use sandbox_core::session::files::{Create, Files};
use sandbox_core::{ExecRequest, Policy, Rights, SandboxError, SandboxPath};
use sandbox_linux::{LinuxConfinement, TierChoice};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

type Outcome = Result<(), Box<dyn Error>>;

/// A sandbox with a workspace, to which places come.
struct Growing {
    _all: tempfile::TempDir,
    base: PathBuf,
    policy: Policy,
    mounts: Vec<Mounted>,
    room: Arc<dyn Enclosure>,
}

impl Growing {
    fn open() -> Result<Self, Box<dyn Error>> {
        let all = tempfile::tempdir()?;
        let base = fs::canonicalize(all.path())?;
        for name in ["work/there", "data", "notes"] {
            fs::create_dir_all(base.join(name))?;
        }
        fs::write(base.join("data/file"), "host\n")?;
        let policy = Policy::read_only().build()?;
        let work = Shown::Host { source: base.join("work"), rights: Rights::READ_WRITE };
        let mounts = vec![Mounted { target: SandboxPath::new("/work")?, shown: work }];
        let plan = Plan::furnished(&policy, &mounts, &Host::current())?;
        let confinement = Arc::new(LinuxConfinement::new(TierChoice::Namespaces)?);
        let room = confinement.enclose(&plan)?;
        Ok(Self { _all: all, base, policy, mounts, room })
    }

    fn plan(&self) -> Result<Plan, SandboxError> {
        Plan::furnished(&self.policy, &self.mounts, &Host::current())
    }

    /// Attaches something; where that fails, nothing has changed.
    fn attach(&mut self, target: &str, shown: Shown) -> Result<(), Box<dyn Error>> {
        self.mounts.push(Mounted { target: SandboxPath::new(target)?, shown });
        let attached = self.plan().and_then(|plan| self.room.attach(&plan, Path::new(target)));
        if attached.is_err() {
            self.mounts.pop();
        }
        Ok(attached?)
    }

    fn bind(&mut self, name: &str, target: &str, rights: Rights) -> Outcome {
        let source = self.base.join(name);
        self.attach(target, Shown::Host { source, rights })
    }

    fn start(&self, script: &str) -> Result<Launched, Box<dyn Error>> {
        let script = format!("exec 2>&1\n{script}");
        let request = ExecRequest::new("sh").args(["-c", &script]).cwd("/work").with_stdin();
        let plan = Plan::inside(&self.policy, &self.mounts, &request, &Host::current())?;
        Ok(self.room.start(&plan)?)
    }

    async fn run(&self, script: &str) -> Result<String, Box<dyn Error>> {
        let mut launched = self.start(script)?;
        let mut text = String::new();
        launched.stdout.read_to_string(&mut text).await?;
        launched.process.wait().await?;
        Ok(text)
    }
}

#[tokio::test]
async fn memory_comes() -> Outcome {
    let mut all = Growing::open()?;
    let small = || Shown::Memory { size: "1M".parse().ok() };
    for target in ["/new/deep/memory", "/work/there", "/tmp/memory"] {
        all.attach(target, small())?;
        assert_eq!(all.run(&format!("echo a > {target}/a; cat {target}/a")).await?, "a\n");
        let big = all.run(&format!("head -c 2M /dev/zero > {target}/big")).await?;
        assert!(big.contains("space"), "{big}");
    }
    assert_eq!(fs::read_dir(all.base.join("work/there"))?.count(), 0);
    // What was read-only still is.
    assert!(all.run("mkdir /new/x").await?.contains("ead-only"));
    assert!(all.run("echo > /x").await?.contains("ead-only"));
    Ok(())
}

#[tokio::test]
async fn folders_of_the_host_come() -> Outcome {
    let mut all = Growing::open()?;
    all.bind("data", "/data", Rights::READ_ONLY)?;
    all.bind("notes", "/mnt/notes", Rights::READ_WRITE)?;
    assert_eq!(all.run("cat /data/file; echo note > /mnt/notes/a").await?, "host\n");
    assert!(all.run("echo x > /data/file").await?.contains("ead-only"));
    assert!(all.run("rm -f /data/file; mkdir /data/x").await?.contains("ead-only"));
    let note = all.base.join("notes/a");
    assert_eq!(fs::read_to_string(&note)?, "note\n");
    assert_eq!(fs::metadata(&note)?.uid(), fs::metadata(all.base.join("notes"))?.uid());
    // Neither sees what is mounted on the other side from now on, and more can come.
    all.bind("data", "/work/there", Rights::READ_ONLY)?;
    assert_eq!(all.run("cat there/file").await?, "host\n");
    assert_eq!(fs::read_dir(all.base.join("work/there"))?.count(), 0);
    Ok(())
}

#[tokio::test]
async fn a_file_comes() -> Outcome {
    let mut all = Growing::open()?;
    all.bind("data/file", "/seen/file", Rights::READ_ONLY)?;
    assert_eq!(all.run("cat /seen/file; ls /seen").await?, "host\nfile\n");
    Ok(())
}

#[tokio::test]
async fn what_cannot_come_changes_nothing() -> Outcome {
    let mut all = Growing::open()?;
    let refused = all.bind("data", "/work/missing", Rights::READ_ONLY);
    let text = refused.err().ok_or("it came")?.to_string();
    assert!(text.contains("/work/missing") && text.contains("make it first"), "{text}");
    assert!(!all.base.join("work/missing").exists());
    // What the policy hides would be seen for a moment.
    let hides = Policy::read_only().hide(all.base.join("data/file"))?.build()?;
    let open = std::mem::replace(&mut all.policy, hides);
    assert!(all.bind("data", "/data", Rights::READ_ONLY).is_err());
    all.policy = open;
    assert!(all.run("cat /data/file").await?.contains("No such"));
    // A command cannot lead a mount elsewhere.
    assert_eq!(all.run("ln -s /work/there /tmp/link; ln -s /work /tmp/up").await?, "");
    assert!(all.attach("/tmp/link", Shown::Memory { size: None }).is_err());
    assert!(all.attach("/tmp/up/there", Shown::Memory { size: None }).is_err());
    assert_eq!(all.run("echo on; ls there").await?, "on\n");
    Ok(())
}

#[tokio::test]
async fn who_runs_sees_it_and_calls_from_outside_find_it() -> Outcome {
    let mut all = Growing::open()?;
    let mut running = all.start("echo in; read x; ls -d /data; ls /notes")?;
    let mut line = [0; 3];
    running.stdout.read_exact(&mut line).await?;
    all.bind("data", "/data", Rights::READ_WRITE)?;
    let files = Files::of(all.room.folders(&all.plan()?)?);
    let path = SandboxPath::new("/data/made")?;
    files.write(&path, b"outside\n", Create::New, None)?;
    running.stdin.take().ok_or("no input")?.write_all(b"\n").await?;
    let mut text = String::new();
    running.stdout.read_to_string(&mut text).await?;
    assert!(text.starts_with("/data\n"), "{text}");
    assert_eq!(all.run("cat /data/made; echo in >> /data/made").await?, "outside\n");
    assert_eq!(files.read(&path, 100)?.bytes, b"outside\nin\n");
    Ok(())
}

/// However many fail or come, the first process holds none of them.
#[tokio::test]
async fn many_come() -> Outcome {
    let few = Rlimit { current: Some(512), maximum: getrlimit(Resource::Nofile).maximum };
    setrlimit(Resource::Nofile, few)?;
    let mut all = Growing::open()?;
    all.run("ln -s /work /tmp/link").await?;
    for _ in 0..600 {
        assert!(all.attach("/tmp/link", Shown::Memory { size: None }).is_err());
    }
    for round in 0..100 {
        all.bind("data", &format!("/many/{round}"), Rights::READ_ONLY)?;
        all.attach(&format!("/more/{round}"), Shown::Memory { size: None })?;
    }
    assert_eq!(all.run("cat /many/0/file /many/99/file").await?, "host\nhost\n");
    Ok(())
}
