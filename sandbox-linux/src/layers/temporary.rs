//! Names for what is not finished.
//!
//! What is written to the host's folder is first made under such a name and then moved to its own.
//! A writer that is killed leaves these names alone, and the next one takes them away.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::rand::{GetRandomFlags, getrandom};

use super::beneath::Folder;
use super::removal;

/// What they begin with. Whatever is called so is taken away, and never comes from a session.
const PREFIX: &str = ".sandbox-apply-";

/// How many hexadecimal digits follow.
const DIGITS: usize = 16;

/// A name that nothing has.
///
/// # Errors
/// The kernel has no random bytes.
pub(super) fn name() -> io::Result<CString> {
    let mut random = [0; DIGITS / 2];
    getrandom(&mut random, GetRandomFlags::empty())?;
    Ok(CString::new(format!("{PREFIX}{:0DIGITS$x}", u64::from_ne_bytes(random)))?)
}

/// Whether a name has the form.
pub(super) fn is_named(name: &CStr) -> bool {
    let random = name.to_bytes().strip_prefix(PREFIX.as_bytes());
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    random.is_some_and(|random| random.len() == DIGITS && random.iter().all(is_digit))
}

/// Whether a path has such a name in it.
pub(super) fn is_in(path: &Path) -> bool {
    let is_ours = |name: &OsStr| {
        name.as_bytes().starts_with(PREFIX.as_bytes())
            && CString::new(name.as_bytes()).is_ok_and(|name| is_named(&name))
    };
    path.iter().any(is_ours)
}

/// Takes away what was left in a folder. What cannot be seen or removed stays: it is in nobody's
/// way.
pub(super) fn clean(folder: &Folder) {
    let names = folder.names().unwrap_or_default();
    for name in names.iter().filter(|name| is_named(name)) {
        if let Err(error) = removal::remove(folder, name) {
            tracing::debug!(?name, %error, "an unfinished change stays");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_again() -> io::Result<()> {
        let name = name()?;
        assert!(is_named(&name), "{name:?}");
        assert_ne!(name, super::name()?);
        assert!(is_in(&Path::new("a").join(OsStr::from_bytes(name.to_bytes())).join("b")));
        Ok(())
    }

    #[test]
    fn other_names_are_not() {
        let others = [
            c".sandbox-apply-",
            c".sandbox-apply-0123456789abcde",
            c".sandbox-apply-0123456789abcdef0",
            c".sandbox-apply-0123456789abcdeF",
            c"sandbox-apply-0123456789abcdef",
            c"x.sandbox-apply-0123456789abcdef",
        ];
        for name in others {
            assert!(!is_named(name), "{name:?}");
            assert!(!is_in(Path::new(OsStr::from_bytes(name.to_bytes()))), "{name:?}");
        }
        assert!(is_named(c".sandbox-apply-0123456789abcdef"));
    }
}
