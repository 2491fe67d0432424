use std::path::{Path, PathBuf};

use cap_std::ambient_authority;

use super::*;

#[cfg(unix)]
mod hostile;
#[cfg(unix)]
mod links;
mod moving;
#[cfg(unix)]
mod owners;
#[cfg(unix)]
mod stream;
mod watching;

/// A host with two folders of a session, and one that is none of its business.
struct World {
    host: tempfile::TempDir,
    files: Files,
}

impl World {
    fn new() -> Self {
        Self::with(&[("/work", "work"), ("/ref", "ref")])
    }

    /// A session with these targets and folders of the host; `ref` is read-only.
    fn with(mounts: &[(&str, &str)]) -> Self {
        let host = tempfile::tempdir().unwrap();
        for folder in ["work", "ref", "outside"] {
            std::fs::create_dir(host.path().join(folder)).unwrap();
        }
        let mounts = mounts.iter().map(|(target, folder)| {
            std::fs::create_dir_all(host.path().join(folder)).unwrap();
            let access = match *folder {
                "ref" => FilesystemAccess::ReadOnly,
                _ => FilesystemAccess::ReadWrite,
            };
            (at(target), open(&host.path().join(folder)), access)
        });
        let files = Files::new(mounts.collect());
        Self { host, files }
    }

    /// A path of the host.
    fn path(&self, path: &str) -> PathBuf {
        self.host.path().join(path)
    }

    fn put(&self, path: &str, content: &str) {
        std::fs::write(self.path(path), content).unwrap();
    }

    fn content(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap()
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(folder)).unwrap();
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<_> =
            entries.map(|entry| name(entry).to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn read(&self, path: &str) -> Result<String> {
        let contents = self.files.read(&at(path), 1 << 20)?;
        Ok(String::from_utf8(contents.bytes).unwrap())
    }

    fn write(&self, path: &str, content: &str, create: Create) -> Result<()> {
        self.files.write(&at(path), content.as_bytes(), create, None)
    }

    fn list(&self, path: &str) -> Vec<String> {
        let listing = self.files.list(&at(path)).unwrap();
        listing.entries.iter().map(|entry| entry.name.to_string_lossy().into_owned()).collect()
    }
}

fn at(path: &str) -> SandboxPath {
    SandboxPath::new(path).unwrap()
}

fn open(path: &Path) -> Dir {
    Dir::open_ambient_dir(path, ambient_authority()).unwrap()
}

fn text<T: std::fmt::Debug>(result: Result<T>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn what_is_written_can_be_read_and_is_on_the_host() {
    let world = World::new();
    world.write("/work/a", "new", Create::New).unwrap();
    assert_eq!(world.content("work/a"), "new");
    assert_eq!(text(world.write("/work/a", "x", Create::New)), "/work/a exists already");
    world.write("/work/a", "replaced", Create::Replace).unwrap();
    world.write("/work/a", " and more", Create::Append).unwrap();
    assert_eq!(world.read("/work/a").unwrap(), "replaced and more");
    for create in [Create::New, Create::Replace, Create::Append] {
        let path = format!("/work/{create:?}");
        world.write(&path, "made", create).unwrap();
        assert_eq!(world.read(&path).unwrap(), "made");
    }
    assert_eq!(world.names("work"), ["Append", "New", "Replace", "a"], "nothing is left over");
}

#[test]
fn reading_has_a_bound() {
    let world = World::new();
    world.put("work/a", "12345");
    std::fs::File::create(world.path("work/hole")).unwrap().set_len(1 << 40).unwrap();
    let read = |path, limit| world.files.read(&at(path), limit).unwrap();
    for (limit, bytes, truncated) in
        [(0, "", true), (4, "1234", true), (5, "12345", false), (u64::MAX, "12345", false)]
    {
        assert_eq!(read("/work/a", limit), Contents { bytes: bytes.into(), truncated });
    }
    let hole = read("/work/hole", 10);
    assert_eq!((hole.bytes, hole.truncated), (vec![0; 10], true));
}

#[test]
fn only_the_folders_of_the_session_are_there() {
    let world = World::new();
    let error = text(world.read("/etc/passwd"));
    assert_eq!(error, "/etc/passwd lies in no folder of the session: it has /ref, /work");
    for path in ["/", "/workshop", "/work2/a", "/mnt/a"] {
        assert!(matches!(world.read(path), Err(FileError::Outside { .. })), "{path}");
        assert!(matches!(world.files.list(&at(path)), Err(FileError::Outside { .. })), "{path}");
    }
    let none = Files::new(Vec::new()).stat(&at("/work"));
    assert_eq!(text(none), "/work lies in no folder of the session: it has none");
}

#[test]
fn paths_that_could_mean_something_else_do_not_exist() {
    for path in ["work", "/work/../etc", "/work/./a", "/work/\0", "", "/work//a", "~"] {
        assert!(SandboxPath::new(path).is_err(), "{path:?}");
    }
}

#[test]
fn the_longest_target_and_the_later_mount_win() {
    let mounts = [("/work", "work"), ("/work/deep/er", "er"), ("/", "root"), ("/work", "over")];
    let world = World::with(&mounts);
    for (path, on_host) in [("/work/a", "over/a"), ("/work/deep/er/b", "er/b"), ("/c", "root/c")] {
        world.write(path, "x", Create::New).unwrap();
        assert_eq!(world.content(on_host), "x", "{path}");
    }
    // What the host has at a mount's target is covered by it.
    std::fs::create_dir_all(world.path("over/deep/er")).unwrap();
    assert_eq!(world.list("/work/deep/er"), ["b"]);
    assert_eq!(world.list("/work/deep"), ["er"]);
}

#[test]
fn a_read_only_folder_is_not_changed() {
    let world = World::new();
    world.put("ref/a", "kept");
    let refused = [
        world.write("/ref/a", "x", Create::Replace),
        world.write("/ref/a", "x", Create::Append),
        world.write("/ref/b", "x", Create::New),
        world.files.make_dir(&at("/ref/b")),
        world.files.remove(&at("/ref/a"), true),
        world.files.move_to(&at("/ref/a"), &at("/work/a"), Overwrite::Yes),
        world.files.move_to(&at("/work/a"), &at("/ref/a"), Overwrite::Yes),
    ];
    for (number, result) in refused.into_iter().enumerate() {
        let error = text(result);
        if number == 6 {
            // What is not there is not looked for either.
            assert_eq!(error, "/ref/a cannot be changed: /ref is read-only");
        }
        assert!(error.ends_with("cannot be changed: /ref is read-only"), "{number}: {error}");
    }
    assert_eq!(world.read("/ref/a").unwrap(), "kept");
    assert_eq!(world.names("ref"), ["a"]);
}

#[test]
fn a_folder_is_listed_in_order_and_with_a_bound() {
    let world = World::new();
    for name in ["b", "a"] {
        world.put(&format!("work/{name}"), "four");
    }
    world.files.make_dir(&at("/work/c")).unwrap();
    let listing = world.files.list(&at("/work")).unwrap();
    let seen: Vec<_> = listing.entries.iter().map(|e| (&*e.name, e.stat.kind)).collect();
    let name = |name| std::ffi::OsStr::new(name);
    let expected = [(name("a"), Kind::File), (name("b"), Kind::File), (name("c"), Kind::Folder)];
    assert_eq!((&seen[..], listing.truncated), (&expected[..], false));
    assert_eq!(listing.entries[0].stat.size, 4);
    for number in 0..10_001 {
        std::fs::File::create(world.path(&format!("work/c/{number}"))).unwrap();
    }
    let listing = world.files.list(&at("/work/c")).unwrap();
    assert_eq!((listing.entries.len(), listing.truncated), (Files::MOST_ENTRIES, true));
    world.files.remove(&at("/work/c"), true).unwrap();
    assert_eq!(world.list("/work"), ["a", "b"]);
}

#[test]
fn a_call_on_another_kind_says_so() {
    let world = World::new();
    world.put("work/file", "x");
    std::fs::create_dir(world.path("work/folder")).unwrap();
    let wrong = "/work/folder is a folder, and a file was expected";
    assert_eq!(text(world.read("/work/folder")), wrong);
    assert_eq!(text(world.write("/work/folder", "x", Create::Replace)), wrong);
    assert_eq!(text(world.write("/work/folder", "x", Create::Append)), wrong);
    let error = text(world.files.list(&at("/work/file")));
    assert_eq!(error, "/work/file is a file, and a folder was expected");
    assert_eq!(text(world.read("/work")), "/work is a folder, and a file was expected");
    assert_eq!(text(world.write("/work", "x", Create::New)), "/work exists already");
    assert!(matches!(world.read("/work/file/x"), Err(FileError::Io { call: "following", .. })));
}

#[test]
fn what_is_not_there_is_said_to_be_so() {
    let world = World::new();
    let path = at("/work/none");
    let inside = at("/work/none/a");
    let errors = [
        text(world.files.read(&path, 1)),
        text(world.files.list(&path)),
        text(world.files.stat(&path)),
        text(world.files.remove(&path, true)),
        text(world.files.move_to(&path, &at("/work/b"), Overwrite::No)),
    ];
    assert!(errors.iter().all(|error| error == "/work/none does not exist"), "{errors:?}");
    for create in [Create::New, Create::Replace, Create::Append] {
        let result = world.files.write(&inside, b"x", create, None);
        assert_eq!(text(result), "/work/none/a does not exist");
    }
    assert!(matches!(world.files.make_dir(&inside), Err(FileError::NotFound { .. })));
    assert!(world.names("work").is_empty());
}

#[test]
fn folders_are_made_and_removed() {
    let world = World::new();
    world.files.make_dir(&at("/work/a")).unwrap();
    assert_eq!(text(world.files.make_dir(&at("/work/a"))), "/work/a exists already");
    world.write("/work/a/file", "x", Create::New).unwrap();
    assert!(matches!(world.files.remove(&at("/work/a"), false), Err(FileError::Io { .. })));
    world.files.remove(&at("/work/a/file"), false).unwrap();
    world.files.remove(&at("/work/a"), false).unwrap();
    assert!(world.names("work").is_empty());
}

#[test]
fn what_is_mounted_stays_where_it_is() {
    let world = World::with(&[("/work", "work"), ("/work/a/b", "b")]);
    std::fs::create_dir_all(world.path("work/a/b")).unwrap();
    for path in ["/work", "/work/a", "/work/a/b"] {
        let results = [
            world.files.remove(&at(path), true),
            world.files.move_to(&at(path), &at("/work/c"), Overwrite::Yes),
            world.files.move_to(&at("/work/a/b/x"), &at(path), Overwrite::Yes),
        ];
        for result in results {
            assert!(matches!(result, Err(FileError::Mounted { .. })), "{path}: {result:?}");
        }
    }
    let error = text(world.files.remove(&at("/work/a"), true));
    assert!(error.ends_with("replaced, moved or removed: /work/a/b is mounted there"), "{error}");
}
