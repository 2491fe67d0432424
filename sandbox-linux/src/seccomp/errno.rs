//! The error numbers that the filter answers with. They are the kernel's, so they are spelled
//! out: the constants of the build host may differ.

/// An error number of Linux on x86_64 and aarch64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
#[repr(u16)]
pub enum Errno {
    /// Operation not permitted.
    EPERM = 1,
    /// Permission denied.
    EACCES = 13,
    /// Invalid argument: what a kernel says that does not know an option.
    EINVAL = 22,
    /// Function not implemented: libraries take this as the sign to use an older call.
    ENOSYS = 38,
    /// Protocol option not available.
    ENOPROTOOPT = 92,
    /// Protocol not supported.
    EPROTONOSUPPORT = 93,
    /// Operation not supported: what a file system says that lacks a feature.
    EOPNOTSUPP = 95,
    /// Address family not supported.
    EAFNOSUPPORT = 97,
}

impl Errno {
    /// The number itself, positive.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The symbolic name, such as `EPERM`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EPERM => "EPERM",
            Self::EACCES => "EACCES",
            Self::EINVAL => "EINVAL",
            Self::ENOSYS => "ENOSYS",
            Self::ENOPROTOOPT => "ENOPROTOOPT",
            Self::EPROTONOSUPPORT => "EPROTONOSUPPORT",
            Self::EOPNOTSUPP => "EOPNOTSUPP",
            Self::EAFNOSUPPORT => "EAFNOSUPPORT",
        }
    }
}
