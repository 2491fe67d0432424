//! `--credential`: secrets that stay outside.

use std::str::FromStr;

use sandbox_core::policy::network::{Credential, HostRule};

/// `ENV=HOST[,HOST...]`: the variable of the caller that holds a secret, and the hosts that get it.
#[derive(Clone, Debug)]
pub(super) struct CredentialOption(Credential);

impl FromStr for CredentialOption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (env, hosts) = text.split_once('=').ok_or("write it as ENV=HOST")?;
        let hosts = hosts.split(',').map(str::parse::<HostRule>);
        let hosts = hosts.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
        Credential::new(env, hosts).map(Self).map_err(|error| error.to_string())
    }
}

/// Credentials and further ones; of two for one variable the later.
pub(super) fn joined(base: &[Credential], more: &[CredentialOption]) -> Vec<Credential> {
    let mut all = base.to_vec();
    for CredentialOption(credential) in more {
        all.retain(|known| known.env() != credential.env());
        all.push(credential.clone());
    }
    all
}

/// The rules that options' credentials take beside these.
pub(super) fn needed(options: &[CredentialOption], rules: &[HostRule]) -> Vec<HostRule> {
    options.iter().flat_map(|CredentialOption(one)| one.unreachable_by(rules)).collect()
}
