//! Secrets that stay outside, where the library was built without them: every policy that has one is
//! refused, and nothing here has a value.

use std::sync::Arc;

use crate::egress::http::Editor;
use crate::egress::rules::Target;
use crate::error::{Result, SandboxError};
use crate::policy::network::NetworkPolicy;

/// The credentials of one way out; there is none.
#[derive(Debug)]
pub enum Injection {}

impl Injection {
    /// Nothing for a policy without credentials.
    ///
    /// # Errors
    /// [`SandboxError::Unsupported`] for one with credentials.
    pub fn prepare(network: &NetworkPolicy) -> Result<Option<Arc<Self>>> {
        match network.credentials() {
            [] => Ok(None),
            [first, ..] => Err(SandboxError::Unsupported {
                backend: "this build".into(),
                operation: format!(
                    "credentials ({}): build it with the feature \"mitm\"",
                    first.env()
                ),
            }),
        }
    }

    /// The variables of commands inside.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        match *self {}
        #[expect(unreachable_code, reason = "it tells the type")]
        std::iter::empty()
    }

    /// The certificate of the session's authority.
    #[must_use]
    pub fn certificate(&self) -> &str {
        match *self {}
    }

    /// Whether connections to this host are inspected.
    #[must_use]
    pub fn covers(&self, _: &Target, _: u16) -> bool {
        match *self {}
    }
}

/// Who refuses requests that mention a placeholder.
pub(crate) fn guard(injection: &Arc<Injection>) -> Box<dyn Editor> {
    match **injection {}
}

/// Who is trusted to name servers: nobody is asked.
#[derive(Debug)]
pub(crate) struct Upstream;

impl Upstream {
    pub(crate) fn new(_: Option<Vec<Vec<u8>>>) -> Self {
        Self
    }
}
