//! The network of a session, and its published ports.

use clap::{Args, ValueEnum};
use sandbox_core::policy::network::HostRule;
use sandbox_core::{NetworkPolicy, SessionId};

use super::super::choices::NetChoice;
use super::super::hosts::joined;
use super::values::Ports;
use crate::failure::Failure;

/// `sandbox session network`.
#[derive(Args, Debug)]
pub(crate) struct NetworkArgs {
    /// The session
    pub(crate) id: SessionId,
    /// Show what may be reached and what was denied, which is also done without options
    #[arg(long, conflicts_with_all = ["net", "allow", "deny", "set", "log"])]
    show: bool,
    /// Show the decisions that are remembered; with --json a line each
    #[arg(long, conflicts_with_all = ["net", "allow", "deny", "set"])]
    log: bool,
    /// Replace the network policy
    #[arg(long, value_enum, conflicts_with_all = ["allow", "deny", "set"])]
    net: Option<NetChoice>,
    /// Let a host be reached, too
    #[arg(long, value_name = "RULE")]
    allow: Vec<HostRule>,
    /// Take a rule away; its connections are reset
    #[arg(long, value_name = "RULE")]
    deny: Vec<HostRule>,
    /// Replace all rules by these
    #[arg(long, value_name = "RULE", conflicts_with_all = ["allow", "deny"])]
    set: Vec<HostRule>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `sandbox session port`.
#[derive(Args, Debug)]
pub(crate) struct PortArgs {
    /// The session
    pub(crate) id: SessionId,
    /// What to do
    #[arg(value_enum, default_value = "list")]
    action: PortChoice,
    /// A TCP port of the session's loopback; for publish also the wanted one of this machine
    #[arg(
        value_name = "PORT[:HOSTPORT]",
        required_if_eq_any([("action", "publish"), ("action", "unpublish")])
    )]
    port: Option<Ports>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PortChoice {
    /// Show the published ports
    List,
    /// Publish a port, and print where
    Publish,
    /// Take a port back
    Unpublish,
}

/// What is done with a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PortAction {
    List,
    Publish(Ports),
    Unpublish(u16),
}

/// What is done with a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NetworkAction {
    Show,
    Log,
    Replace(NetworkPolicy),
    Change { allow: Vec<HostRule>, deny: Vec<HostRule> },
}

impl NetworkArgs {
    /// What to do, if it can be meant.
    pub(crate) fn action(&self) -> Result<NetworkAction, Failure> {
        let limited = |rules: &[HostRule]| {
            let allowed_hosts = joined(Vec::new(), rules);
            NetworkAction::Replace(NetworkPolicy::limited(allowed_hosts))
        };
        match self.net {
            Some(NetChoice::None) => Ok(NetworkAction::Replace(NetworkPolicy::denied())),
            Some(NetChoice::Unrestricted) => {
                Ok(NetworkAction::Replace(NetworkPolicy::Unrestricted))
            }
            Some(NetChoice::Limited) => Err(Failure::usage("--net limited lists no host")
                .with_help("name the hosts with --set RULE, or add one with --allow RULE")),
            None if !self.set.is_empty() => Ok(limited(&self.set)),
            None if !self.allow.is_empty() || !self.deny.is_empty() => {
                Ok(NetworkAction::Change { allow: self.allow.clone(), deny: self.deny.clone() })
            }
            None if self.log => Ok(NetworkAction::Log),
            None => Ok(NetworkAction::Show),
        }
    }
}

/// A policy with what no option changes of the one that it replaces.
pub(crate) fn kept(policy: NetworkPolicy, before: &NetworkPolicy) -> NetworkPolicy {
    match policy {
        NetworkPolicy::Limited { allowed_hosts, .. } => {
            let (credentials, minimum_level) =
                (before.credentials().to_vec(), before.minimum_level());
            NetworkPolicy::Limited { allowed_hosts, minimum_level, credentials }
        }
        NetworkPolicy::Unrestricted => NetworkPolicy::Unrestricted,
    }
}

impl PortArgs {
    /// What to do, if it can be meant.
    pub(crate) fn action(&self) -> Result<PortAction, Failure> {
        match (self.action, self.port) {
            (PortChoice::Publish, Some(ports)) => Ok(PortAction::Publish(ports)),
            (PortChoice::Unpublish, Some(Ports { inside, host: None })) => {
                Ok(PortAction::Unpublish(inside))
            }
            (PortChoice::Unpublish, Some(Ports { inside, .. })) => {
                Err(Failure::usage("unpublish takes the session's port alone")
                    .with_help(format!("write unpublish {inside}")))
            }
            (PortChoice::List, Some(_)) => Err(Failure::usage("list takes no port")
                .with_help("leave the port out, or write publish in front of it")),
            (_, None) => Ok(PortAction::List),
        }
    }
}
