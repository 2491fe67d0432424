//! The names whose numbers are the same everywhere, for a session on another system.

/// Names without `SIG`.
pub(super) const NAMES: [(&str, i32); 7] =
    [("HUP", 1), ("INT", 2), ("QUIT", 3), ("ABRT", 6), ("KILL", 9), ("ALRM", 14), ("TERM", 15)];
