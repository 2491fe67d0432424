//! A policy as it was written by another process, checked before it is believed.

use serde::Deserialize;

use super::environment::EnvironmentPolicy;
use super::filesystem::FilesystemPolicy;
use super::limits::ResourceLimits;
use super::network::NetworkPolicy;
use super::{EnforcementLevel, Policy, PolicyBuilder, PolicyError, SyscallProfile};
use crate::path::SandboxPath;

/// The fields of a [`Policy`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Saved {
    filesystem: FilesystemPolicy,
    environment: EnvironmentPolicy,
    network: NetworkPolicy,
    syscalls: SyscallProfile,
    limits: ResourceLimits,
    enforcement: EnforcementLevel,
    workspace: Option<SandboxPath>,
}

impl TryFrom<Saved> for Policy {
    type Error = PolicyError;

    fn try_from(saved: Saved) -> Result<Self, PolicyError> {
        let mut environment = EnvironmentPolicy::default();
        for name in saved.environment.passed() {
            environment.pass(name)?;
        }
        for (name, value) in saved.environment.variables() {
            environment.set(name, value.to_owned())?;
        }
        let builder = PolicyBuilder {
            filesystem: saved.filesystem,
            environment,
            network: saved.network,
            syscalls: saved.syscalls,
            limits: saved.limits,
            enforcement: saved.enforcement,
            workspace: saved.workspace,
        };
        builder.build()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::{NetworkPolicy, Policy, Rights};

    #[test]
    fn a_policy_is_read_back_as_it_was_written() {
        let policy = Policy::read_only()
            .grant("/srv/a b", Rights::READ | Rights::CREATE)
            .and_then(|it| it.hide("/srv/a b/c"))
            .and_then(|it| it.private("/scratch"))
            .and_then(|it| it.pass_env("LC_*"))
            .and_then(|it| it.set_env("A", "b=c"))
            .and_then(|it| it.allow_hosts(["*.example.org:443"]))
            .map(|it| it.wall_time(Duration::from_micros(1_500_001)))
            .and_then(crate::PolicyBuilder::build)
            .unwrap();
        let text = serde_json::to_string(&policy).unwrap();
        assert_eq!(serde_json::from_str::<Policy>(&text).unwrap(), policy);
    }

    #[test]
    fn what_no_builder_takes_is_not_read_back() {
        let policy = Policy::read_only().network(NetworkPolicy::denied()).build().unwrap();
        let text = serde_json::to_string(&policy).unwrap();
        for (part, forged) in [
            ("\"set\":{", "\"set\":{\"A=B\":\"c\","),
            ("\"rules\":{", "\"rules\":{\"/proc/1\":{\"rights\":\"read_only\",\"optional\":true},"),
            ("\"rules\":{", "\"rules\":{\"/a/../b\":{\"rights\":\"read_only\",\"optional\":true},"),
            ("\"read_only\"", "\"read_all\""),
            ("\"syscalls\"", "\"another\":1,\"syscalls\""),
        ] {
            assert!(text.contains(part), "{part} in {text}");
            let forged = text.replacen(part, forged, 1);
            assert!(serde_json::from_str::<Policy>(&forged).is_err(), "{forged}");
        }
    }
}
