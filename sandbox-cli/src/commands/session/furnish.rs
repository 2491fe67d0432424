//! `sandbox session mount`, `network` and `port`: what a session has around it.

use sandbox_core::egress::decision::Decision;
use sandbox_core::session::SandboxBackend;

use super::{ask, done};
use crate::args::{MountArgs, NetworkAction, NetworkArgs, PortAction, PortArgs, kept_in_session};
use crate::failure::Failure;
use crate::output::{self, network, session};

/// Mounts a folder.
pub(super) fn mount(args: &MountArgs) -> Result<i32, Failure> {
    let mount = args.mount()?;
    ask(async |keeper| keeper.attach_filesystem(&args.id, mount).await)?;
    done(&args.id, args.json)
}

/// Shows or changes the network.
pub(super) fn network(args: &NetworkArgs) -> Result<i32, Failure> {
    let id = &args.id;
    match args.action()? {
        NetworkAction::Show => {
            let question = async |keeper: &dyn SandboxBackend| {
                Ok((keeper.network(id, u64::MAX).await?, keeper.get(id).await?))
            };
            let (network, session) = ask(question)?;
            let shown = network::Shown::new(network, &session);
            if args.json {
                output::print_json(&shown)?;
            } else {
                output::print(&shown.text())?;
            }
            return Ok(0);
        }
        NetworkAction::Log => {
            let decisions = ask(async |keeper| keeper.network(id, 0).await)?.decisions;
            if args.json {
                let lines: Vec<String> = decisions.iter().map(Decision::to_line).collect();
                output::print_raw(lines.concat().as_bytes())?;
            } else {
                output::print(&network::decisions(&decisions))?;
            }
            return Ok(0);
        }
        NetworkAction::Replace(policy) => {
            let known = ask(async |keeper| keeper.network(id, u64::MAX).await)?.policy;
            let policy = kept_in_session(policy, &known);
            ask(async |keeper| keeper.apply_network_policy(id, policy).await)?;
        }
        NetworkAction::Change { allow, deny } => {
            ask(async |keeper| keeper.change_network_policy(id, allow, deny).await)?;
        }
    }
    done(id, args.json)
}

/// Publishes a port, takes it back, or lists those that are published.
pub(super) fn port(args: &PortArgs) -> Result<i32, Failure> {
    match args.action()? {
        PortAction::Publish(ports) => {
            let publish = async |keeper: &dyn SandboxBackend| {
                keeper.publish(&args.id, ports.inside, ports.host).await
            };
            let port = ask(publish)?;
            if args.json {
                output::print_json(&port)?;
            } else {
                output::print(&format!("{}\n", session::address(&port)))?;
            }
            Ok(0)
        }
        PortAction::Unpublish(inside) => {
            ask(async |keeper| keeper.unpublish(&args.id, inside).await)?;
            done(&args.id, args.json)
        }
        PortAction::List => {
            let ports = ask(async |keeper| keeper.ports(&args.id).await)?;
            if args.json {
                output::print_json(&ports)?;
            } else {
                output::print(&session::ports(&ports))?;
            }
            Ok(0)
        }
    }
}
