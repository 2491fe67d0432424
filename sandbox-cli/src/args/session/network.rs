//! The network of a session, and its published ports.

use clap::{Args, ValueEnum};
use sandbox_core::{NetworkPolicy, SessionId};

use super::super::choices::NetChoice;
use super::values::Ports;
use crate::failure::Failure;

/// `sandbox session network`.
#[derive(Args, Debug)]
pub(crate) struct NetworkArgs {
    /// The session
    pub(crate) id: SessionId,
    /// Show what is enforced, which is also done without options
    #[arg(long, conflicts_with = "net")]
    show: bool,
    /// Replace the network policy
    #[arg(long, value_enum)]
    net: Option<NetChoice>,
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

impl NetworkArgs {
    /// The new policy, unless the present one is to be shown.
    pub(crate) fn policy(&self) -> Option<NetworkPolicy> {
        self.net.filter(|_| !self.show).map(Into::into)
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
