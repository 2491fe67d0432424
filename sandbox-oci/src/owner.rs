//! The user that a command runs as inside its container.

/// A user and a group, neither of them root.
///
/// Engines without user namespaces give a container's root the host's identity, so no command runs
/// as root, whatever else is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    uid: u32,
    gid: u32,
}

/// Somebody who is root, at least in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a command does not run as root: user {uid}, group {gid}")]
pub struct RootOwner {
    uid: u32,
    gid: u32,
}

impl Owner {
    /// The user and group to which files without an owner belong.
    pub const NOBODY: Self = Self { uid: 65_534, gid: 65_534 };

    /// Takes a user and a group. For a workspace that is mounted, its owner.
    ///
    /// # Errors
    /// [`RootOwner`] if either is 0.
    pub const fn new(uid: u32, gid: u32) -> Result<Self, RootOwner> {
        if uid == 0 || gid == 0 { Err(RootOwner { uid, gid }) } else { Ok(Self { uid, gid }) }
    }

    /// The user.
    #[must_use]
    pub const fn uid(self) -> u32 {
        self.uid
    }

    /// The group.
    #[must_use]
    pub const fn gid(self) -> u32 {
        self.gid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_refused_by_user_and_by_group() {
        assert!(Owner::new(0, 1000).is_err() && Owner::new(1000, 0).is_err());
        let owner = Owner::new(1000, 100).unwrap();
        assert_eq!((owner.uid(), owner.gid()), (1000, 100));
    }
}
