//! What the kernel and the caller are, asked once. A value: tests can forge it.

use std::os::unix::fs::MetadataExt;

/// What decides which means are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Landlock's ABI; 0 means none.
    pub(crate) landlock: u32,
    /// Whether namespaces can be made without a user namespace, and others' users taken on.
    pub(crate) privileged: bool,
    /// The caller's user.
    pub(crate) user: u32,
    /// The caller's group.
    pub(crate) group: u32,
}

impl Facts {
    /// Asks.
    pub(crate) fn ask() -> Self {
        let user = rustix::process::geteuid().as_raw();
        let needed = [
            caps::Capability::CAP_SYS_ADMIN,
            caps::Capability::CAP_SETUID,
            caps::Capability::CAP_SETGID,
            caps::Capability::CAP_SETPCAP,
            caps::Capability::CAP_NET_ADMIN,
            caps::Capability::CAP_CHOWN,
            caps::Capability::CAP_KILL,
            caps::Capability::CAP_DAC_OVERRIDE,
        ];
        let held = caps::read(None, caps::CapSet::Effective).unwrap_or_default();
        Self {
            landlock: crate::sys::landlock_abi(),
            privileged: user == 0
                && needed.iter().all(|capability| held.contains(capability))
                && ["uid_map", "gid_map"].iter().all(|map| knows_nobody(map)),
            user,
            group: rustix::process::getegid().as_raw(),
        }
    }
}

/// Whether the user that owns nothing exists in this user namespace: in one of a single user, root
/// can become nobody else.
fn knows_nobody(map: &str) -> bool {
    let text = std::fs::read_to_string(format!("/proc/self/{map}")).unwrap_or_default();
    let covers = |line: &str| {
        let mut numbers = line.split_whitespace().map_while(|word| word.parse::<u64>().ok());
        let (first, _, count) = (numbers.next()?, numbers.next()?, numbers.next()?);
        let nobody = u64::from(crate::identity::NOBODY);
        Some((first..first + count).contains(&nobody))
    };
    text.lines().any(|line| covers(line) == Some(true))
}

/// How many tasks a user has, where the kernel counts them together.
pub(crate) fn tasks_of(user: u32) -> u64 {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = entries.filter(|entry| {
        let number = entry.file_name().to_str().is_some_and(|name| name.parse::<u32>().is_ok());
        number && entry.metadata().is_ok_and(|found| found.uid() == user)
    });
    let threads = |entry: std::fs::DirEntry| {
        // A folder of tasks has two links and one for each of them.
        let links = std::fs::metadata(entry.path().join("task")).map_or(3, |found| found.nlink());
        links.saturating_sub(2)
    };
    processes.map(threads).sum()
}
