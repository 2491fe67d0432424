//! `sandbox session mount`, `network` and `port`: what a session has around it.

use std::collections::BTreeMap;

use super::{ask, done};
use crate::args::{MountArgs, NetworkArgs, PortAction, PortArgs};
use crate::failure::Failure;
use crate::output::{self, session};

/// Mounts a folder.
pub(super) fn mount(args: &MountArgs) -> Result<i32, Failure> {
    let mount = args.mount()?;
    ask(async |keeper| keeper.attach_filesystem(&args.id, mount).await)?;
    done(&args.id, args.json)
}

/// Shows or replaces the network.
pub(super) fn network(args: &NetworkArgs) -> Result<i32, Failure> {
    if let Some(policy) = args.policy() {
        ask(async |keeper| keeper.apply_network_policy(&args.id, policy).await)?;
        return done(&args.id, args.json);
    }
    let features = session::network(&ask(async |keeper| keeper.get(&args.id).await)?);
    if args.json {
        output::print_json(&features.into_iter().collect::<BTreeMap<_, _>>())?;
    } else {
        output::print(&session::network_text(&features))?;
    }
    Ok(0)
}

/// Publishes a port, takes it back, or lists those that are published.
pub(super) fn port(args: &PortArgs) -> Result<i32, Failure> {
    match args.action()? {
        PortAction::Publish(ports) => {
            let publish = async |keeper: &dyn sandbox_core::session::SandboxBackend| {
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
