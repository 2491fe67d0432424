//! What is mounted in a folder stays there, and covers what it covered, when the folder is brought
//! back to what it was: by a copy, and by layers.

use std::error::Error;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sandbox_core::session::{LocalSessions, SandboxBackend, SandboxSession, SandboxSpec};
use sandbox_core::{
    EnforcementLevel, ExecRequest, FilesystemAccess, FilesystemMount, Policy, PolicyBuilder,
    SessionId, SnapshotName,
};
use sandbox_linux::{LinuxConfinement, TierChoice};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// A workspace with a folder in which some things are not the commands' business.
struct World {
    top: PathBuf,
    repo: PathBuf,
    tier: TierChoice,
    // The sessions end before their folders go.
    sessions: LocalSessions<LinuxConfinement>,
    _all: tempfile::TempDir,
}

impl World {
    fn new(tier: TierChoice) -> Outcome<Self> {
        let all = tempfile::tempdir()?;
        let top = fs::canonicalize(all.path())?;
        let repo = top.join("repo");
        for folder in ["vault/keys", "vault/fixed", "scratch", "tmp", "inner/deep"] {
            fs::create_dir_all(repo.join(folder))?;
        }
        fs::create_dir_all(top.join("other"))?;
        for file in ["file", "vault/file", "vault/fixed/file", "inner/file", "inner/deep/file"] {
            fs::write(repo.join(file), "old\n")?;
        }
        for file in ["vault/keys/secret", "vault/token"] {
            fs::write(repo.join(file), "secret\n")?;
        }
        let confinement = Arc::new(LinuxConfinement::new(tier)?);
        let sessions = LocalSessions::new(confinement, top.join("root"));
        Ok(Self { top, repo, tier, sessions, _all: all })
    }

    fn path(&self, name: &str) -> String {
        self.repo.join(name).display().to_string()
    }

    /// A policy with two hidden places and a read-only one in the workspace.
    fn policy(&self) -> Outcome<PolicyBuilder> {
        Ok(Policy::workspace(&self.repo)?
            .hide(self.repo.join("vault/keys"))?
            .hide(self.repo.join("vault/token"))?
            .read(self.repo.join("vault/fixed"))?
            .enforcement(EnforcementLevel::BestEffort))
    }

    async fn provision(&self, spec: SandboxSpec) -> Outcome<SessionId> {
        let SandboxSession { id, .. } = self.sessions.provision(spec).await?;
        Ok(id)
    }

    /// What a script prints, without its errors.
    async fn run(&self, id: &SessionId, script: &str) -> Outcome<String> {
        let request = ExecRequest::new("sh").arg("-c").arg(script).cwd(&self.repo);
        Ok(self.sessions.exec(id, request).await?.stdout.text().into_owned())
    }

    /// Sees to it that no command can look below a cover, or change what it may not.
    async fn is_covered(&self, id: &SessionId, when: &str) -> Outcome {
        let script = "cat vault/keys/secret vault/token; ls vault/keys; \
                      echo x > vault/fixed/file; echo x > vault/fixed/new; \
                      rm -rf vault/fixed/file; mv vault away; mv vault/keys away; \
                      chmod -R 700 away; rm -rf away; cat vault/fixed/file";
        let seen = self.run(id, script).await?;
        assert_eq!(seen, "old\n", "{:?} {when}", self.tier);
        for (name, content) in [
            ("vault/keys/secret", "secret\n"),
            ("vault/token", "secret\n"),
            ("vault/fixed/file", "old\n"),
        ] {
            assert_eq!(fs::read_to_string(self.repo.join(name))?, content, "{when}: {name}");
        }
        Ok(())
    }

    fn inodes(&self) -> Outcome<Vec<u64>> {
        let names = ["", "vault", "vault/keys", "vault/keys/secret", "vault/token", "vault/fixed"];
        let inode = |name| Ok(fs::symlink_metadata(self.repo.join(name))?.ino());
        names.into_iter().map(inode).collect()
    }
}

const TIERS: [TierChoice; 2] = [TierChoice::Namespaces, TierChoice::Landlock];

fn named(name: &str) -> Outcome<SnapshotName> {
    Ok(SnapshotName::new(name)?)
}

/// The files below a folder.
fn files(root: &Path) -> Outcome<Vec<PathBuf>> {
    let (mut files, mut pending) = (Vec::new(), vec![root.to_path_buf()]);
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            for entry in fs::read_dir(path)? {
                pending.push(entry?.path());
            }
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

#[tokio::test]
async fn a_copy_brought_back_takes_no_cover_off() -> Outcome {
    for tier in TIERS {
        let world = World::new(tier)?;
        let id = world.provision(SandboxSpec::new(world.policy()?.build()?)).await?;
        world.is_covered(&id, "at first").await?;
        let inodes = world.inodes()?;
        let kept = world.sessions.snapshot(&id, &named("kept")?).await?;
        let store = world.top.join("root/sessions").join(id.as_str()).join("snapshots/1");
        let copied = files(&store)?;
        assert!(copied.iter().any(|path| path.ends_with("vault/file")), "{copied:#?}");
        for path in copied {
            assert!(!fs::read_to_string(&path)?.contains("secret\n"), "{}", path.display());
            assert!(!path.ends_with("vault/fixed/file"));
        }
        world.run(&id, "echo new > file; echo new > vault/file").await?;
        let changes = world.sessions.diff(&id).await?;
        let changed: Vec<_> =
            changes.iter().flat_map(|it| &it.changes).map(|it| &it.path).collect();
        assert_eq!(changed, ["file", "vault/file"].map(Path::new), "{tier:?}");
        world.sessions.restore(&id, &kept.name).await?;
        assert_eq!(world.run(&id, "cat file vault/file").await?, "old\nold\n", "{tier:?}");
        world.is_covered(&id, "after going back").await?;
        assert_eq!(world.inodes()?, inodes, "{tier:?}");
        let fork = world.sessions.fork(&id, 1).await?;
        world.sessions.restore(&id, &kept.name).await?;
        for session in fork {
            world.is_covered(&session.id, "in a fork").await?;
        }
        world.sessions.terminate(&id).await?;
    }
    Ok(())
}

/// What is mounted in the folder, and not the host's, goes on.
#[tokio::test]
async fn places_of_the_sandbox_inside_a_copied_folder_go_on() -> Outcome {
    let world = World::new(TierChoice::Namespaces)?;
    let policy = world.policy()?.private(world.repo.join("tmp"))?.build()?;
    let (other, inner) = (world.top.join("other"), world.path("inner"));
    let spec = SandboxSpec::new(policy)
        .mount(FilesystemMount::scratch(world.path("scratch"))?)
        .mount(FilesystemMount::bind(&other, &inner, FilesystemAccess::ReadWrite)?);
    let id = world.provision(spec).await?;
    let write =
        |word: &str| format!("for at in scratch tmp inner .; do echo {word} > $at/made; done");
    world.run(&id, &write("one")).await?;
    let kept = world.sessions.snapshot(&id, &named("kept")?).await?;
    world.run(&id, &write("two")).await?;
    let read = "cat scratch/made tmp/made inner/made made; ls inner";
    assert_eq!(world.run(&id, read).await?, "two\ntwo\ntwo\ntwo\nmade\n");
    world.sessions.restore(&id, &kept.name).await?;
    // What lies in memory is in no copy.
    assert_eq!(world.run(&id, read).await?, "one\ntwo\none\none\nmade\n");
    assert_eq!(fs::read_to_string(other.join("made"))?, "one\n");
    assert_eq!(fs::read_to_string(world.repo.join("inner/file"))?, "old\n");
    for path in ["scratch", "tmp"] {
        assert_eq!(fs::read_dir(world.repo.join(path))?.count(), 0, "{path}");
    }
    // A mount that comes later is left alone by an older snapshot.
    fs::create_dir(world.repo.join("late"))?;
    let late = world.sessions.snapshot(&id, &named("late")?).await?;
    let mount = FilesystemMount::tmpfs(world.path("late"), None)?;
    world.sessions.attach_filesystem(&id, mount).await?;
    world.run(&id, "echo two > late/made").await?;
    world.sessions.restore(&id, &late.name).await?;
    assert_eq!(world.run(&id, "cat late/made").await?, "two\n");
    // One in a folder that no snapshot has stays, and is told of.
    let refused = world.sessions.restore(&id, &kept.name).await;
    assert!(refused.is_ok(), "{refused:?}");
    assert_eq!(world.run(&id, "cat late/made").await?, "two\n");
    Ok(())
}

/// A folder in a copied one that commands see elsewhere, too, is the same folder afterwards.
#[tokio::test]
async fn a_folder_with_two_names_stays_one() -> Outcome {
    for (tier, access) in [
        (TierChoice::Namespaces, FilesystemAccess::ReadWrite),
        (TierChoice::Namespaces, FilesystemAccess::ReadOnly),
        (TierChoice::Landlock, FilesystemAccess::ReadWrite),
    ] {
        let world = World::new(tier)?;
        let policy = Policy::read_only().enforcement(EnforcementLevel::BestEffort);
        // What is hidden in it keeps it in its place, too.
        let policy = match access {
            FilesystemAccess::ReadWrite => policy.hide(world.repo.join("inner/deep"))?.build()?,
            FilesystemAccess::ReadOnly => policy.build()?,
        };
        let namespaces = tier == TierChoice::Namespaces;
        let [a, b] = match namespaces {
            true => ["/a".to_owned(), "/b".to_owned()],
            false => [world.path("inner"), world.path("")],
        };
        let spec = SandboxSpec::new(policy)
            .mount(FilesystemMount::bind(&world.repo, "/b", FilesystemAccess::ReadWrite)?)
            .mount(FilesystemMount::bind(world.path("inner"), "/a", access)?);
        let id = world.provision(spec).await?;
        let run = async |script: &str| -> Outcome<String> {
            let request = ExecRequest::new("sh").arg("-c").arg(script);
            Ok(world.sessions.exec(&id, request).await?.stdout.text().into_owned())
        };
        let kept = world.sessions.snapshot(&id, &named("kept")?).await?;
        assert_eq!(run(&format!("echo new > {b}/inner/file; cat {a}/file")).await?, "new\n");
        world.sessions.restore(&id, &kept.name).await?;
        let both = format!("cat {a}/file {b}/inner/file");
        assert_eq!(run(&both).await?, "old\nold\n", "{tier:?} {access:?}");
        let deep = run(&format!("cat {a}/deep/file {b}/inner/deep/file")).await?;
        assert_eq!(deep.is_empty(), access == FilesystemAccess::ReadWrite, "{tier:?}: {deep}");
        assert_eq!(run(&format!("echo new > {b}/inner/file; cat {a}/file")).await?, "new\n");
    }
    Ok(())
}

/// Layers come and go above the covers' folder, whatever the covers hide.
#[tokio::test]
async fn layers_that_come_and_go_take_no_cover_off() -> Outcome {
    for copied in ["repo", "repo/vault"] {
        let world = World::new(TierChoice::Namespaces)?;
        let copied = world.top.join(copied);
        let spec = SandboxSpec::new(world.policy()?.build()?)
            .mount(FilesystemMount::overlay(&copied, copied.display().to_string())?);
        let id = world.provision(spec).await?;
        world.is_covered(&id, "at first").await?;
        let kept = world.sessions.snapshot(&id, &named("kept")?).await?;
        world.is_covered(&id, "after a snapshot").await?;
        world.run(&id, "echo new > vault/file").await?;
        let changes = world.sessions.diff(&id).await?;
        let told = |change: &&sandbox_core::session::Change| {
            let path = change.path.display().to_string();
            path.contains("keys") || path.contains("token") || path.contains("fixed")
        };
        let told: Vec<_> = changes.iter().flat_map(|it| &it.changes).filter(told).collect();
        assert!(told.is_empty(), "{told:#?}");
        let forks = world.sessions.fork(&id, 2).await?;
        world.sessions.restore(&id, &kept.name).await?;
        assert_eq!(world.run(&id, "cat vault/file").await?, "old\n");
        world.is_covered(&id, "after going back").await?;
        world.run(&id, "echo new > vault/file").await?;
        world.sessions.discard(&id).await?;
        assert_eq!(world.run(&id, "cat vault/file").await?, "old\n");
        world.is_covered(&id, "after discarding").await?;
        for fork in forks {
            world.is_covered(&fork.id, "in a fork").await?;
            assert_eq!(world.run(&fork.id, "cat vault/file").await?, "new\n");
            world.sessions.discard(&fork.id).await?;
            world.is_covered(&fork.id, "after discarding in a fork").await?;
            let late = world.sessions.snapshot(&fork.id, &named("late")?).await?;
            world.sessions.restore(&fork.id, &late.name).await?;
            world.is_covered(&fork.id, "after going back in a fork").await?;
        }
        world.run(&id, "echo new > vault/file").await?;
        world.sessions.apply(&id).await?;
        assert_eq!(fs::read_to_string(world.repo.join("vault/file"))?, "new\n");
        world.is_covered(&id, "after applying").await?;
    }
    Ok(())
}

/// Also while a command holds a file open, so that nothing can be unmounted.
#[tokio::test]
async fn layers_in_use_take_no_cover_off() -> Outcome {
    let world = World::new(TierChoice::Namespaces)?;
    let repo = world.repo.display().to_string();
    let spec = SandboxSpec::new(world.policy()?.build()?)
        .mount(FilesystemMount::overlay(&world.repo, repo)?);
    let id = world.provision(spec).await?;
    let script = "exec 3>> file; echo new > vault/file; \
                  while [ ! -e stop ]; do cat vault/keys/secret vault/token; sleep 0.02; done";
    let holder = ExecRequest::new("sh").arg("-c").arg(script).cwd(&world.repo);
    let task = world.sessions.tasks()?.start(&id, holder).await?.id;
    // Until it holds the file.
    let wait = "for i in $(seq 500); do grep -q new vault/file && break; sleep 0.02; done; \
                cat vault/file";
    assert_eq!(world.run(&id, wait).await?, "new\n");
    let kept = world.sessions.snapshot(&id, &named("kept")?).await?;
    world.is_covered(&id, "after a snapshot").await?;
    world.sessions.restore(&id, &kept.name).await?;
    world.is_covered(&id, "after going back").await?;
    world.sessions.discard(&id).await?;
    world.is_covered(&id, "after discarding").await?;
    world.sessions.tasks()?.kill(&id, task).await?;
    world.sessions.tasks()?.wait(&id, task).await?;
    // What went on in the old layers saw no more than before.
    let seen = world.sessions.tasks()?.log(&id, task).await?;
    let seen = String::from_utf8_lossy(&seen);
    assert!(seen.contains("vault/keys/secret") && !seen.contains("secret\n"), "{seen}");
    Ok(())
}
