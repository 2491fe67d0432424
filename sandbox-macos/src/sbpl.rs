//! The profile language of Seatbelt as a tree, and its text.
//!
//! A profile is `(version 1)(deny default)` and rules after that; the last rule that matches an
//! operation decides. Paths never become text: a rule names a parameter, and the kernel's compiler
//! gets the parameters beside the text. So no file name, whatever it holds, can end a string or
//! open a rule.
//!
//! A rule for `file-read-data` outranks one for `file-read*`, wherever the two stand. To keep "the
//! last one decides" true, only operations without others below them are used here; the two
//! families that end in `*` are never mixed with their members.

use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The operation happens.
    Allow,
    /// The operation fails with `EPERM`.
    Deny,
}

macro_rules! operations {
    ($($variant:ident $name:literal $meaning:literal,)*) => {
        /// Something that a process can try.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Operation {
            $(#[doc = $meaning] $variant,)*
        }

        impl Display for Operation {
            fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $name,)* })
            }
        }
    };
}

operations! {
    FileReadData "file-read-data" "Read a file, list a folder.",
    FileReadMetadata "file-read-metadata" "`stat`.",
    FileReadXattr "file-read-xattr" "Read extended attributes.",
    FileTestExistence "file-test-existence" "`access` with `F_OK`.",
    FileWriteData "file-write-data" "Change the content of a file.",
    FileWriteCreate "file-write-create" "Make a name.",
    FileWriteUnlink "file-write-unlink" "Remove or rename a name.",
    FileWriteMode "file-write-mode" "`chmod`.",
    FileWriteOwner "file-write-owner" "`chown`.",
    FileWriteFlags "file-write-flags" "`chflags`.",
    FileWriteTimes "file-write-times" "`utimes`.",
    FileWriteXattr "file-write-xattr" "Change extended attributes.",
    FileIoctl "file-ioctl" "`ioctl` on a device.",
    FileMapExecutable "file-map-executable" "Map a file as code.",
    ProcessExec "process-exec*" "Execute a file, also as the interpreter of a script.",
    ProcessFork "process-fork" "`fork`.",
    ProcessInfo "process-info*" "Ask about a process.",
    Signal "signal" "Send a signal.",
    MachLookup "mach-lookup" "Find a Mach service.",
    SysctlRead "sysctl-read" "Read a kernel variable.",
    NetworkOutbound "network-outbound" "Connect, or send.",
    NetworkInbound "network-inbound" "Accept, or receive.",
    NetworkBind "network-bind" "Bind to an address.",
    SystemSocket "system-socket" "Make a socket of the kernel's own families.",
    PseudoTty "pseudo-tty" "Open a terminal pair.",
}

/// The name of a path parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(usize);

/// What a rule matches.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Filter {
    /// This path and nothing below it.
    Literal(Key),
    /// This path and all below it.
    Subpath(Key),
    /// A path that every machine has, such as `/dev/null`.
    Fixed(&'static str),
    /// Paths that match a regular expression of ours.
    Pattern(&'static str),
    /// Folders.
    Directory,
    /// Processes under the very same profile.
    SameSandbox,
    /// A Mach service by its global name.
    Service(&'static str),
    /// A kernel variable by its name.
    Sysctl(&'static str),
    /// Every internet address, as the peer.
    Remote,
    /// Every internet address, as one's own.
    Local,
    /// A TCP or UDP port on the loopback interface, as the peer.
    Loopback(u16),
    /// What all of these match.
    All(Vec<Filter>),
    /// What this does not match.
    Not(Box<Filter>),
}

/// One rule: an action for some operations, wherever one of the filters matches. A rule without
/// filters always matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What is done.
    pub action: Action,
    /// To which operations.
    pub operations: Vec<Operation>,
    /// Where.
    pub filters: Vec<Filter>,
}

/// Rules in order, and the paths that they speak of. Its text is its [`Display`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    rules: Vec<Rule>,
    paths: Vec<PathBuf>,
}

impl Profile {
    /// Appends a rule. Nothing to do to nothing is no rule.
    pub(crate) fn push(&mut self, action: Action, operations: &[Operation], filters: Vec<Filter>) {
        if !operations.is_empty() {
            self.rules.push(Rule { action, operations: operations.to_vec(), filters });
        }
    }

    /// The parameter for a path; the same path gets the same one.
    pub(crate) fn key(&mut self, path: &Path) -> Key {
        let known = self.paths.iter().position(|known| known == path);
        Key(known.unwrap_or_else(|| {
            self.paths.push(path.to_path_buf());
            self.paths.len() - 1
        }))
    }

    /// The rules; the last one that matches decides.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The parameters that go beside the text: name and path.
    pub fn parameters(&self) -> impl Iterator<Item = (String, &Path)> {
        self.paths.iter().enumerate().map(|(at, path)| (Key(at).to_string(), path.as_path()))
    }
}

impl Display for Key {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "PATH_{}", self.0)
    }
}

impl Display for Profile {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("(version 1)\n(deny default)\n")?;
        self.rules.iter().try_for_each(|rule| writeln!(f, "{rule}"))
    }
}

impl Display for Rule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self.action {
            Action::Allow => "(allow",
            Action::Deny => "(deny",
        })?;
        self.operations.iter().try_for_each(|operation| write!(f, " {operation}"))?;
        self.filters.iter().try_for_each(|filter| write!(f, " {filter}"))?;
        f.write_str(")")
    }
}

impl Display for Filter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(key) => write!(f, "(literal (param \"{key}\"))"),
            Self::Subpath(key) => write!(f, "(subpath (param \"{key}\"))"),
            Self::Fixed(path) => write!(f, "(literal {})", Text(path)),
            Self::Pattern(pattern) => write!(f, "(regex #{})", Text(pattern)),
            Self::Directory => f.write_str("(vnode-type DIRECTORY)"),
            Self::SameSandbox => f.write_str("(target same-sandbox)"),
            Self::Service(name) => write!(f, "(global-name {})", Text(name)),
            Self::Sysctl(name) => write!(f, "(sysctl-name {})", Text(name)),
            Self::Remote => f.write_str("(remote ip)"),
            Self::Local => f.write_str("(local ip)"),
            Self::Loopback(port) => write!(f, "(remote ip \"localhost:{port}\")"),
            Self::All(filters) => {
                f.write_str("(require-all")?;
                filters.iter().try_for_each(|filter| write!(f, " {filter}"))?;
                f.write_str(")")
            }
            Self::Not(filter) => write!(f, "(require-not {filter})"),
        }
    }
}

/// A string of the language.
struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_cannot_be_left() {
        assert_eq!(Text(r#"a"b\c"#).to_string(), r#""a\"b\\c""#);
        assert_eq!(Text(r#"")(allow default)(""#).to_string(), r#""\")(allow default)(\"""#);
    }

    #[test]
    fn filters_nest() {
        let mut profile = Profile::default();
        let key = profile.key(Path::new("/a"));
        let not = Filter::Not(Box::new(Filter::Literal(key)));
        let both = Filter::All(vec![Filter::Subpath(key), not]);
        profile.push(Action::Allow, &[Operation::FileReadData, Operation::Signal], vec![both]);
        let expected = "(version 1)\n(deny default)\n(allow file-read-data signal (require-all \
                        (subpath (param \"PATH_0\")) (require-not (literal (param \"PATH_0\")))))\n";
        assert_eq!(profile.to_string(), expected);
    }

    #[test]
    fn one_path_is_one_parameter() {
        let mut profile = Profile::default();
        let first = profile.key(Path::new("/a"));
        let second = profile.key(Path::new("/b"));
        assert_eq!(first, profile.key(Path::new("/a")));
        assert_ne!(first, second);
        let names: Vec<_> = profile.parameters().collect();
        assert_eq!(names[1], ("PATH_1".to_owned(), Path::new("/b")));
        assert_eq!(names.len(), 2);
    }

    #[test]
    fn a_rule_without_operations_is_left_out() {
        let mut profile = Profile::default();
        profile.push(Action::Allow, &[], vec![]);
        assert!(profile.rules().is_empty(), "it would match every operation");
    }
}
