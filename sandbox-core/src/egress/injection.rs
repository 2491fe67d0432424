//! Secrets that stay outside: placeholders inside, and what becomes of them on the way out.
//!
//! Theory of operation. Each [`Credential`] of a policy is *armed* when a way out is made: its
//! secret is read, and a random placeholder is made that stands for it inside. An authority of the
//! session's own is made as well; programs inside are given its certificate, and its key never
//! leaves this process. Connections to a host of a credential, and no others, end here: the gateway
//! is the server for the client, by a certificate of that authority, and the client for the server,
//! whose own certificate it verifies. In between, requests have the strict reading that all
//! requests of HTTP/1 have here, and each head is edited (`edit`): a placeholder where it belongs
//! becomes the secret, a placeholder anywhere else has the request refused. Answers are followed
//! (`answers`), and what of them is the secret becomes the placeholder again (`echo`).
//!
//! # Security
//! A secret is in the memory of this process alone: it is not written to any file, and no type that
//! holds it prints or serialises it. The buffers that it passes through here are zeroed; those of
//! the TLS library and of the system are not. A placeholder is worth nothing outside of its
//! session. It tells the length of a secret, and its kind where that has a well-known beginning.

pub(crate) mod answers;
mod authority;
pub(crate) mod echo;
pub(crate) mod edit;
mod placeholder;
mod secret;
mod upstream;

use std::fmt;
use std::sync::Arc;

use ring::rand::SystemRandom;

use crate::egress::rules::Target;
use crate::error::{Result, SandboxError};
use crate::policy::network::{Credential, NetworkPolicy};

pub(crate) use authority::Leaf;
pub(crate) use edit::guard;
pub(crate) use upstream::Upstream;

use authority::Authority;
use secret::Secret;

/// The credentials of one way out, with their secrets and its authority.
pub struct Injection {
    credentials: Vec<Armed>,
    authority: Authority,
}

/// A credential with its secret, and what stands for that inside.
struct Armed {
    credential: Credential,
    placeholder: String,
    secret: Secret,
}

impl Injection {
    /// Reads the secrets of a policy, if it has any, and makes what stands for them.
    ///
    /// # Errors
    /// [`SandboxError::InvalidRequest`]: a secret is missing, or none that a header can hold.
    pub fn prepare(network: &NetworkPolicy) -> Result<Option<Arc<Self>>> {
        let credentials = network.credentials();
        if credentials.is_empty() {
            return Ok(None);
        }
        let random = SystemRandom::new();
        let arm = |credential: &Credential| {
            let wrong = |why: String| {
                let env = credential.env();
                SandboxError::InvalidRequest(format!("the credential {env} has no secret: {why}"))
            };
            let secret = Secret::read(credential.source()).map_err(wrong)?;
            let placeholder = placeholder::make(secret.expose(), &random).map_err(wrong)?;
            Ok(Armed { credential: credential.clone(), placeholder, secret })
        };
        let armed = credentials.iter().map(arm).collect::<Result<Vec<_>>>()?;
        let hosts = credentials.iter().flat_map(Credential::hosts);
        let authority = Authority::new(hosts).map_err(|why| {
            SandboxError::io("making the session's authority")(std::io::Error::other(why))
        })?;
        Ok(Some(Arc::new(Self { credentials: armed, authority })))
    }

    /// The variables of commands inside, each with its placeholder.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.credentials.iter().map(|armed| (armed.credential.env(), &*armed.placeholder))
    }

    /// The certificate of the session's authority, for programs inside to trust (PEM).
    #[must_use]
    pub fn certificate(&self) -> &str {
        self.authority.pem()
    }

    /// Whether connections to this host are inspected.
    #[must_use]
    pub fn covers(&self, target: &Target, port: u16) -> bool {
        self.credentials.iter().any(|armed| armed.credential.is_for(target, port))
    }

    /// What a client of this host is served by.
    pub(crate) fn leaf(&self, target: &Target) -> Result<Leaf, String> {
        self.authority.leaf(target)
    }
}

impl fmt::Debug for Injection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.credentials.iter().map(|armed| armed.credential.env()).collect();
        f.debug_struct("Injection").field("credentials", &names).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests;
