//! The way out of a sandbox whose policy lists hosts, as its callers hold it.

use std::sync::Arc;

use crate::egress::decision::Log;
use crate::egress::{HostRule, Level};
use crate::error::Result;

/// The way out of one sandbox. It ends with the sandbox, whoever still holds this.
pub trait Egress: Send + Sync {
    /// For which programs the rules hold.
    fn level(&self) -> Level;

    /// What was allowed and denied.
    fn log(&self) -> Arc<Log>;

    /// Replaces the rules. Connections that none of the new ones allows are reset.
    ///
    /// # Errors
    /// What the new rules need cannot be made in a sandbox that lives; nothing has changed then.
    fn set_rules(&self, rules: &[HostRule]) -> Result<()>;
}
