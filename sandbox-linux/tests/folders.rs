//! The files of a living session, as calls from outside find them.

mod stage;

use std::error::Error;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sandbox_core::session::SandboxBackend;
use sandbox_core::session::files::{Create, FileError, Files, Kind};
use sandbox_core::{FilesystemAccess, FilesystemMount, Policy, SessionId, SnapshotName};
use stage::{Outcome, Stage, at};

const LIMIT: u64 = 1 << 20;

fn read(files: &Files, path: &str) -> Result<String, Box<dyn Error>> {
    Ok(String::from_utf8(files.read(&at(path)?, LIMIT)?.bytes)?)
}

fn write(files: &Files, path: &str, text: &str) -> Outcome {
    Ok(files.write(&at(path)?, text.as_bytes(), Create::Replace, None)?)
}

/// A session with a folder of every kind.
async fn furnished(stage: &Stage) -> Result<SessionId, Box<dyn Error>> {
    let spec = stage
        .spec()?
        .mount(FilesystemMount::bind(stage.repo()?, "/seen", FilesystemAccess::ReadOnly)?)
        .mount(FilesystemMount::bind(stage.repo()?, "/direct", FilesystemAccess::ReadWrite)?)
        .mount(FilesystemMount::scratch("/scratch")?)
        .mount(FilesystemMount::tmpfs("/small", Some("1M".parse()?))?);
    stage.open(spec).await
}

const WRITABLE: [&str; 8] = [
    "/work",
    "/direct",
    "/scratch",
    "/small",
    "/tmp",
    "/mnt/memory",
    "/mnt/session/outputs",
    "/dev/shm",
];

#[tokio::test]
async fn what_a_command_wrote_is_read() -> Outcome {
    let stage = Stage::new()?;
    let id = furnished(&stage).await?;
    for folder in WRITABLE {
        stage.run(&id, &format!("mkdir {folder}/in && echo of {folder} > {folder}/in/a")).await?;
    }
    let files = stage.sessions.files(&id).await?;
    for folder in WRITABLE {
        assert_eq!(read(&files, &format!("{folder}/in/a"))?, format!("of {folder}\n"));
        assert_eq!(files.list(&at(format!("{folder}/in"))?)?.entries.len(), 1, "{folder}");
    }
    assert_eq!(read(&files, "/work/file")?, "host\n");
    assert_eq!(read(&files, "/seen/in/a")?, "of /direct\n");
    Ok(())
}

#[tokio::test]
async fn what_is_written_is_a_commands_own() -> Outcome {
    let stage = Stage::new()?;
    let id = furnished(&stage).await?;
    let files = stage.sessions.files(&id).await?;
    let whose = stage.run(&id, "id -u").await?;
    for folder in WRITABLE {
        let path = |name: &str| format!("{folder}/{name}");
        files.make_dir(&at(path("made"))?)?;
        files.write(&at(path("made/new"))?, b"from outside\n", Create::New, None)?;
        let script =
            format!("cd {folder}/made; cat new; stat -c %u . new; echo in >> new; cat new");
        let expected = format!("from outside\n{whose}{whose}from outside\nin\n");
        assert_eq!(stage.run(&id, &script).await?, expected, "{folder}");
        write(&files, &path("made/new"), "replaced\n")?;
        let script = format!("cd {folder}/made; cat new; stat -c %u new; rm -r ../made; ls");
        assert!(stage.run(&id, &script).await?.starts_with(&format!("replaced\n{whose}")));
        assert!(matches!(files.stat(&at(path("made"))?), Err(FileError::NotFound { .. })));
    }
    // The copy-on-write folder kept the host's.
    assert_eq!(fs::read_dir(stage.repo()?)?.count(), 1);
    Ok(())
}

#[tokio::test]
async fn what_is_made_in_a_folder_of_the_host_belongs_to_its_owner() -> Outcome {
    let stage = Stage::new()?;
    let id = furnished(&stage).await?;
    let files = stage.sessions.files(&id).await?;
    write(&files, "/direct/made", "a\n")?;
    stage.run(&id, "cp /direct/made /direct/copied").await?;
    let owner = |name: &str| -> Result<u32, Box<dyn Error>> {
        Ok(fs::metadata(stage.repo()?.join(name))?.uid())
    };
    assert_eq!(owner("made")?, owner("file")?);
    assert_eq!(owner("copied")?, owner("file")?);
    Ok(())
}

#[tokio::test]
async fn what_is_closed_stays_closed() -> Outcome {
    let stage = Stage::new()?;
    let repo = stage.repo()?;
    fs::create_dir_all(repo.join("closed/inner"))?;
    fs::write(repo.join("closed/inner/key"), "secret")?;
    fs::write(repo.join(".env"), "secret")?;
    let policy = Policy::read_only().hide(repo.join(".env"))?.hide(repo.join("closed"))?.build()?;
    let access = FilesystemAccess::ReadOnly;
    let spec = sandbox_core::session::SandboxSpec::new(policy)
        .mount(stage.overlay()?)
        .mount(FilesystemMount::bind(&repo, "/seen", access)?)
        .mount(FilesystemMount::bind(&repo, "/direct", FilesystemAccess::ReadWrite)?);
    let id = stage.open(spec).await?;
    let links = "ln -s .env to-file; ln -s closed to-folder; ln -s /proc/1/root to-all; \
                 ln -s ../../../../../../etc/shadow to-shadow; ln -s /direct/.env across";
    stage.run(&id, links).await?;
    let files = stage.sessions.files(&id).await?;
    for folder in ["/work", "/seen", "/direct"] {
        for name in [".env", "closed/inner/key"] {
            let found = read(&files, &format!("{folder}/{name}"));
            assert!(found.is_err(), "{folder}/{name}: {found:?}");
            let done = write(&files, &format!("{folder}/{name}"), "changed");
            assert!(done.is_err(), "{folder}/{name} was written to");
        }
        assert!(files.remove(&at(format!("{folder}/closed"))?, true).is_err());
        assert!(files.move_to(&at(format!("{folder}/.env"))?, &at("/tmp/x")?, NO).is_err());
    }
    for name in ["to-file", "to-folder/inner/key", "to-all/etc/shadow", "to-shadow", "across"] {
        let found = read(&files, &format!("/work/{name}"));
        assert!(found.is_err(), "{name}: {found:?}");
        assert!(write(&files, &format!("/work/{name}"), "changed").is_err(), "{name}");
    }
    assert_eq!(fs::read_to_string(repo.join(".env"))?, "secret");
    assert!(write(&files, "/seen/file", "changed").is_err());
    assert!(files.remove(&at("/seen/file")?, false).is_err());
    assert!(write(&files, "/usr/new", "changed").is_err());
    assert!(write(&files, "/new", "changed").is_err());
    assert_eq!(fs::read_to_string(repo.join("file"))?, "host\n");
    Ok(())
}

const NO: sandbox_core::session::files::Overwrite = sandbox_core::session::files::Overwrite::No;

#[tokio::test]
async fn what_lies_in_a_folder_of_the_host_is_the_sandboxs() -> Outcome {
    let stage = Stage::new()?;
    fs::create_dir_all(stage.repo()?.join("cache"))?;
    fs::create_dir_all(stage.repo()?.join("tree"))?;
    let spec = sandbox_core::session::SandboxSpec::new(Policy::read_only().build()?)
        .mount(FilesystemMount::bind(stage.repo()?, "/work", FilesystemAccess::ReadWrite)?)
        .mount(FilesystemMount::tmpfs("/work/cache", None)?)
        .mount(FilesystemMount::overlay(stage.repo()?, "/work/tree")?);
    let id = stage.open(spec).await?;
    stage.run(&id, "echo in > cache/a; echo in > tree/a").await?;
    let files = stage.sessions.files(&id).await?;
    for folder in ["cache", "tree"] {
        assert_eq!(read(&files, &format!("/work/{folder}/a"))?, "in\n");
        write(&files, &format!("/work/{folder}/b"), "out\n")?;
        assert_eq!(stage.run(&id, &format!("cat {folder}/b")).await?, "out\n");
        assert_eq!(fs::read_dir(stage.repo()?.join(folder))?.count(), 0, "{folder}");
    }
    Ok(())
}

#[tokio::test]
async fn after_going_back_the_files_are_the_old_ones() -> Outcome {
    let stage = Stage::new()?;
    let id = stage.open(stage.spec()?).await?;
    let before = stage.sessions.files(&id).await?;
    write(&before, "/work/file", "one\n")?;
    let name = SnapshotName::new("one")?;
    stage.sessions.snapshot(&id, &name).await?;
    stage.run(&id, "echo two > file; echo b > b").await?;
    assert_eq!(read(&before, "/work/file")?, "two\n");
    stage.sessions.restore(&id, &name).await?;
    let files = stage.sessions.files(&id).await?;
    assert_eq!(read(&files, "/work/file")?, "one\n");
    assert!(matches!(files.stat(&at("/work/b")?), Err(FileError::NotFound { .. })));
    assert_eq!(read(&before, "/work/file")?, "one\n");
    Ok(())
}

#[tokio::test]
async fn a_suspended_session_shows_its_files_and_an_ended_one_does_not() -> Outcome {
    let stage = Stage::new()?;
    let id = stage.open(stage.spec()?).await?;
    stage.run(&id, "mkfifo pipe; echo a > a").await?;
    stage.sessions.suspend(&id).await?;
    let files = stage.sessions.files(&id).await?;
    assert_eq!(read(&files, "/work/a")?, "a\n");
    assert_eq!(files.stat(&at("/work/pipe")?)?.kind, Kind::Special);
    assert!(files.read(&at("/work/pipe")?, LIMIT).is_err());
    stage.sessions.terminate(&id).await?;
    assert!(stage.sessions.files(&id).await.is_err());
    Ok(())
}

/// What a command may not read is not read for it either, whatever this process may do.
#[tokio::test]
async fn the_callers_rights_open_nothing() -> Outcome {
    let stage = Stage::new()?;
    let id = stage.open(stage.spec()?).await?;
    let files = stage.sessions.files(&id).await?;
    assert!(read(&files, "/proc/1/environ").is_err());
    assert!(read(&files, "/proc/version").is_err());
    for found in fs::read_dir("/etc")?.flatten() {
        let path = found.path();
        let Ok(about) = path.symlink_metadata() else { continue };
        if about.is_file() && about.permissions().mode() & 0o077 == 0 {
            assert!(files.read(&at(&path)?, LIMIT).is_err(), "{}", path.display());
        }
    }
    Ok(())
}

/// Calls on files come and go, and leave no descriptor anywhere.
#[tokio::test]
async fn many_calls_leave_nothing() -> Outcome {
    // The first process of the sandbox has the same limit.
    let few = Rlimit { current: Some(1024), maximum: getrlimit(Resource::Nofile).maximum };
    setrlimit(Resource::Nofile, few)?;
    let stage = Stage::new()?;
    let id = stage.open(stage.spec()?).await?;
    for _ in 0..2000 {
        drop(stage.sessions.files(&id).await?);
    }
    assert_eq!(stage.run(&id, "cat file").await?, "host\n");
    Ok(())
}
