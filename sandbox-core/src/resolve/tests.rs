use std::path::Path;

use super::forged::Forged;
use super::*;

fn found(files: &Forged, path: &str) -> (String, Option<Kind>, usize) {
    let found = resolve(files, Path::new(path)).unwrap();
    (found.path.display().to_string(), found.kind, found.links.len())
}

#[test]
fn plain_paths_stay() {
    let files = Forged::new(&["/a/b/", "/a/file"]);
    assert_eq!(found(&files, "/"), ("/".into(), Some(Kind::Directory), 0));
    assert_eq!(found(&files, "/a/b"), ("/a/b".into(), Some(Kind::Directory), 0));
    assert_eq!(found(&files, "/a/file"), ("/a/file".into(), Some(Kind::File), 0));
}

#[test]
fn links_are_followed_wherever_they_stand() {
    let files =
        Forged::new(&["/real/sub/file", "/abs -> /real", "/real/rel -> sub", "/up/l -> ../real"]);
    assert_eq!(found(&files, "/abs/sub/file").0, "/real/sub/file");
    assert_eq!(found(&files, "/abs/rel/file"), ("/real/sub/file".into(), Some(Kind::File), 2));
    assert_eq!(found(&files, "/up/l/sub").0, "/real/sub");
}

#[test]
fn the_links_that_were_crossed_are_told_by_their_real_place() {
    let files = Forged::new(&["/real/in -> ../other", "/other/", "/abs -> /real"]);
    let links = resolve(&files, Path::new("/abs/in")).unwrap().links;
    let told: Vec<_> =
        links.iter().map(|(at, to)| format!("{} {}", at.display(), to.display())).collect();
    assert_eq!(told, ["/abs /real", "/real/in ../other"]);
}

#[test]
fn dot_dot_leads_to_the_real_parent() {
    let files = Forged::new(&["/real/deep/", "/real/file", "/l -> /real/deep"]);
    assert_eq!(found(&files, "/l/../file").0, "/real/file");
    assert_eq!(found(&files, "/../../real").0, "/real");
}

#[test]
fn what_does_not_exist_keeps_its_names() {
    let files = Forged::new(&["/a/", "/l -> /a", "/dangling -> /gone/x"]);
    assert_eq!(found(&files, "/l/x/y"), ("/a/x/y".into(), None, 1));
    assert_eq!(found(&files, "/dangling/y"), ("/gone/x/y".into(), None, 1));
}

#[test]
fn loops_end() {
    let files = Forged::new(&["/a -> b", "/b -> a", "/self -> self/x"]);
    assert!(resolve(&files, Path::new("/a")).is_err());
    assert!(resolve(&files, Path::new("/self")).is_err());
}

#[test]
fn many_links_are_too_many() {
    let mut files = Forged::new(&["/l0/"]);
    for n in 1..=60 {
        files.add(&format!("/l{n} -> l{}", n - 1));
    }
    assert!(resolve(&files, Path::new("/l40")).is_ok());
    assert!(resolve(&files, Path::new("/l41")).is_err());
}

#[test]
fn other_errors_are_told() {
    let files = Forged::new(&["/closed!", "/file"]);
    let kind = |path| resolve(&files, Path::new(path)).unwrap_err().kind();
    assert_eq!(kind("/closed/x"), io::ErrorKind::PermissionDenied);
    assert_eq!(kind("/file/x"), io::ErrorKind::NotADirectory);
}

#[test]
fn what_is_no_directory_has_no_parent() {
    let files =
        Forged::new(&["/a/file", "/a/l -> file/../other", "/a/other", "/a/gone -> x/../file"]);
    assert!(resolve(&files, Path::new("/a/l")).is_err());
    let error = resolve(&files, Path::new("/a/gone")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert_eq!(found(&files, "/a/../a"), ("/a".into(), Some(Kind::Directory), 0));
}

/// A file system that counts, and takes names that differ in case for the same.
struct Counting {
    names: &'static [&'static str],
    asked: std::cell::Cell<usize>,
}

impl Lookup for Counting {
    fn kind(&self, path: &Path) -> io::Result<Kind> {
        self.asked.set(self.asked.get() + 1);
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let known = self.names.iter().any(|known| known.to_lowercase() == name);
        if known { Ok(Kind::File) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn target(&self, _: &Path) -> io::Result<PathBuf> {
        Err(io::ErrorKind::InvalidInput.into())
    }

    fn entries(&self, _: &Path) -> Option<Vec<(OsString, Kind)>> {
        Some(self.names.iter().map(|name| ((*name).into(), Kind::File)).collect())
    }
}

fn ask(names: &'static [&'static str], wanted: &[&str]) -> (Vec<bool>, usize) {
    let files = Counting { names, asked: std::cell::Cell::new(0) };
    let memo = Memo::new(&files);
    let found = wanted.iter().map(|name| memo.kind(&Path::new("/home").join(name)).is_ok());
    let found = found.collect();
    (found, files.asked.get())
}

#[test]
fn a_folder_that_is_asked_about_often_is_listed() {
    let wanted = ["a", "b", "c", "d", "e", "f", "g", "here"];
    let (found, asked) = ask(&["here"], &wanted);
    assert_eq!(found, [false, false, false, false, false, false, false, true]);
    assert_eq!(asked, 3);
}

#[test]
fn a_listing_hides_no_name_that_the_file_system_would_find() {
    let wanted = ["a", "b", "c", "d", ".ssh", "here~1"];
    assert!(ask(&[".SSH"], &wanted).0[4]);
    assert_eq!(ask(&[".SSH", "here~1"], &wanted).0, [false, false, false, false, true, true]);
    // The kelvin sign is a k in lower case.
    assert!(ask(&["\u{212a}"], &["a", "b", "c", "d", "k"]).0[4]);
}
