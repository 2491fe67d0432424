//! `--net`, `--allow-host` and `--credential`: what may be reached, and with which secrets.

use clap::Args;
use sandbox_core::NetworkPolicy;
use sandbox_core::policy::network::HostRule;

use super::choices::{LevelChoice, NetChoice};
use super::credentials::{self, CredentialOption};
use crate::failure::Failure;

/// The network, beside the base policy's.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Network")]
pub(super) struct NetworkOptions {
    /// What may be reached [default: none, or limited with --allow-host]
    #[arg(long, value_enum)]
    net: Option<NetChoice>,
    /// Let a host be reached: HOST (ports 80 and 443), HOST:PORT, HOST:*, *.DOMAIN, an address or a
    /// block, or {"host":RULE,"private":true} for one at a private address
    #[arg(long, value_name = "RULE")]
    allow_host: Vec<HostRule>,
    /// Refuse to run where the list of hosts holds for fewer programs [default: whatever the
    /// machine has, but not nothing]
    #[arg(long, value_enum, value_name = "LEVEL")]
    net_level: Option<LevelChoice>,
    /// Keep the secret in this variable outside: commands see a placeholder, which becomes the secret
    /// in requests over TLS to these hosts and nowhere else; the hosts may be reached, then
    #[arg(long, value_name = "ENV=HOST[,HOST]...")]
    credential: Vec<CredentialOption>,
}

impl NetworkOptions {
    /// The policy's network, of which the base is known; nothing where it stays as it is.
    pub(super) fn network(&self, base: &NetworkPolicy) -> Result<Option<NetworkPolicy>, Failure> {
        let listed = self.listed(base)?;
        let Some(level) = self.net_level else { return Ok(listed) };
        let network = listed.unwrap_or_else(|| base.clone());
        if !network.lists_hosts() {
            return Err(Failure::usage("--net-level is about a list of hosts, and there is none")
                .with_help("add --allow-host HOST, or leave --net-level out"));
        }
        Ok(Some(network.at_least(level.into())))
    }

    /// The same, whatever the level.
    fn listed(&self, base: &NetworkPolicy) -> Result<Option<NetworkPolicy>, Failure> {
        let listing = match (&self.allow_host[..], &self.credential[..]) {
            ([], []) => None,
            ([], _) => Some("--credential"),
            _ => Some("--allow-host"),
        };
        match (self.net, listing) {
            (None, None) => Ok(None),
            (Some(NetChoice::None), None) => Ok(Some(NetworkPolicy::denied())),
            (Some(NetChoice::Unrestricted), None) => Ok(Some(NetworkPolicy::Unrestricted)),
            (Some(NetChoice::None | NetChoice::Unrestricted), Some(option)) => {
                Err(Failure::usage(format!("--net and {option} contradict each other"))
                    .with_help("keep one of the two, or write --net limited"))
            }
            (None, Some(option)) if *base == NetworkPolicy::Unrestricted => {
                let why = format!("{option} lists hosts, and the policy has the whole network");
                Err(Failure::usage(why)
                    .with_help("add --net limited to let the listed hosts be reached alone"))
            }
            (None | Some(NetChoice::Limited), _) => self.limited(base).map(Some),
        }
    }

    /// The hosts and credentials of the base, and those of the options.
    fn limited(&self, base: &NetworkPolicy) -> Result<NetworkPolicy, Failure> {
        let (listed, minimum_level) = match base {
            NetworkPolicy::Limited { allowed_hosts, minimum_level, .. } => {
                (allowed_hosts.clone(), *minimum_level)
            }
            NetworkPolicy::Unrestricted => (Vec::new(), None),
        };
        let listed = joined(listed, &self.allow_host);
        let needed = credentials::needed(&self.credential, &listed);
        let allowed_hosts = joined(listed, &needed);
        if allowed_hosts.is_empty() {
            return Err(Failure::usage("--net limited lists no host")
                .with_help("add --allow-host HOST, or write --net none"));
        }
        let credentials = credentials::joined(base.credentials(), &self.credential);
        Ok(NetworkPolicy::Limited { allowed_hosts, minimum_level, credentials })
    }

    /// The network that the policy will most likely ask for, before it is read.
    pub(super) fn likely(&self) -> NetworkPolicy {
        self.network(&NetworkPolicy::denied()).ok().flatten().unwrap_or_default()
    }
}

/// Rules and further ones, each once.
pub(super) fn joined(mut rules: Vec<HostRule>, more: &[HostRule]) -> Vec<HostRule> {
    for rule in more {
        if !rules.contains(rule) {
            rules.push(rule.clone());
        }
    }
    rules
}
