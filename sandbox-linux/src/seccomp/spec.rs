//! What a filter is compiled from: five closed questions about the run it guards.

/// The processor whose system call numbers and audit word the filter is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Arch {
    /// 64-bit x86; its x32 and i386 faces are refused.
    X86_64,
    /// 64-bit ARM; its 32-bit face is refused.
    Aarch64,
}

impl Arch {
    /// The architecture this program was built for, or `None` where no filter is known.
    #[must_use]
    pub const fn native() -> Option<Self> {
        if cfg!(target_arch = "x86_64") {
            Some(Self::X86_64)
        } else if cfg!(target_arch = "aarch64") {
            Some(Self::Aarch64)
        } else {
            None
        }
    }

    /// The `AUDIT_ARCH_*` word that the kernel hands to a filter (`linux/audit.h`).
    #[must_use]
    pub const fn audit(self) -> u32 {
        match self {
            Self::X86_64 => 0xc000_003e,
            Self::Aarch64 => 0xc000_00b7,
        }
    }
}

/// Which kernel objects are in the payload's reach by name or number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scope {
    /// Own pid, network, ipc and mount namespaces: what it can name is its own.
    Namespaced,
    /// The host's namespaces: other processes, pathname sockets and IPC objects can be named.
    Shared,
}

/// Whether INET sockets reach the host's network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Network {
    /// No network. In [`Scope::Namespaced`] sockets still work, on the namespace's own loopback.
    None,
    /// The host's network is in use.
    Host,
    /// Nothing but a proxy on the host's loopback; for [`Scope::Shared`] alone. Sockets are made by the
    /// launcher, who listens to the filter.
    Proxy,
}

/// How much of the kernel a payload gets to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Profile {
    /// What shells, compilers, interpreters and servers use.
    Default,
    /// [`Profile::Default`] without the calls that few programs need.
    Strict,
    /// [`Profile::Default`] and debugging of own processes; for [`Scope::Namespaced`] alone.
    Debug,
}

/// Whether owner, mode, times and extended attributes of files may be changed.
///
/// Landlock does not govern these calls, so without a mount namespace they would reach files
/// far outside the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Metadata {
    /// They may, as far as file permissions go.
    Allow,
    /// They may not, anywhere.
    Refuse,
}

/// Everything that the filter of one run depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilterSpec {
    /// The processor the payload runs on.
    pub arch: Arch,
    /// What the payload can name.
    pub scope: Scope,
    /// What its sockets reach.
    pub network: Network,
    /// How many calls it gets.
    pub profile: Profile,
    /// Whether it may change file metadata.
    pub metadata: Metadata,
}

impl FilterSpec {
    /// Every specification for a processor, in an order that stays.
    ///
    /// Some have no filter: [`Profile::Debug`] wants [`Scope::Namespaced`], and [`Network::Proxy`]
    /// [`Scope::Shared`].
    pub fn all(arch: Arch) -> impl Iterator<Item = Self> {
        let scopes = [Scope::Namespaced, Scope::Shared].into_iter();
        let networks = [Network::None, Network::Host, Network::Proxy];
        let profiles = [Profile::Default, Profile::Strict, Profile::Debug];
        let of_metadata = [Metadata::Allow, Metadata::Refuse];
        scopes
            .flat_map(move |scope| networks.map(|network| (scope, network)))
            .flat_map(move |(scope, network)| profiles.map(|profile| (scope, network, profile)))
            .flat_map(move |(scope, network, profile)| {
                of_metadata.map(|metadata| Self { arch, scope, network, profile, metadata })
            })
    }

    /// Debugging calls are safe only where every process in reach is the payload's own.
    pub(super) fn may_debug(&self) -> bool {
        self.profile == Profile::Debug && self.scope == Scope::Namespaced
    }

    /// Whether a Landlock rule on connect(2) stands between the payload and a network.
    pub(super) fn guards_connect(&self) -> bool {
        self.scope == Scope::Shared || self.network == Network::Host
    }
}
