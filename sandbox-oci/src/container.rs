//! A plan as the body that creates a container.
//!
//! The container is made for one command: the command is its entry point, so nothing of the image
//! runs before it, and when it ends the container has ended. Nothing restarts, checks its health or
//! keeps a log of its output, which would fill the engine's disk without a limit.
//!
//! Every mount is an object with fields of its own. The short form (`source:target:ro`) could not
//! tell a colon in a name from a separator.
//!
//! # Security
//! The engine's own seccomp and masking profiles stay in force, because nothing here names others.
//! Variables that an image sets are added by the engine and cannot be taken away from here. A rule
//! on CPU time is held for each process, not for all together.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, Mount as EngineMount,
    MountBindOptions, MountBindOptionsPropagationEnum, MountTmpfsOptions, MountType,
    ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};
use sandbox_core::plan::Plan;
use sandbox_core::{NetworkPolicy, ResourceLimits};

use crate::Owner;
use crate::layout::{self, Mount, MountContent};
use crate::text::{CompileError, command, environment, seconds, signed, unicode};

/// The label that every container of ours has, by which lost ones are found.
pub const LABEL: &str = "sandbox.managed";

/// Shared memory where no disk limit says otherwise, as engines have it.
const SHARED_MEMORY: u64 = 64 << 20;

/// What a container needs beside its plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The image, by name or digest.
    pub image: String,
    /// Who the command runs as.
    pub owner: Owner,
    /// Labels beside [`LABEL`].
    pub labels: BTreeMap<String, String>,
}

/// Compiles a plan.
///
/// # Errors
/// [`CompileError`]: what a container cannot say.
pub fn compile(plan: &Plan, settings: &Settings) -> Result<ContainerCreateBody, CompileError> {
    let mut command = command(plan)?;
    let arguments = command.split_off(1);
    let labels = settings.labels.clone().into_iter().chain([(LABEL.into(), "true".into())]);
    Ok(ContainerCreateBody {
        image: Some(settings.image.clone()),
        entrypoint: Some(command),
        cmd: Some(arguments),
        env: Some(environment(plan)?),
        working_dir: Some(unicode(&plan.cwd)?),
        user: Some(format!("{}:{}", settings.owner.uid(), settings.owner.gid())),
        hostname: Some("sandbox".into()),
        labels: Some(labels.collect()),
        tty: Some(plan.terminal.is_some()),
        open_stdin: Some(plan.stdin),
        stdin_once: Some(plan.stdin),
        attach_stdin: Some(plan.stdin),
        attach_stdout: Some(true),
        attach_stderr: Some(plan.terminal.is_none()),
        network_disabled: Some(plan.network.is_denied()),
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".into()]), ..Default::default() }),
        stop_signal: Some("SIGKILL".into()),
        host_config: Some(host_config(plan)?),
        ..Default::default()
    })
}

fn host_config(plan: &Plan) -> Result<HostConfig, CompileError> {
    let shared_memory = layout::private_share(plan).unwrap_or(SHARED_MEMORY);
    let mounts: Result<Vec<_>, _> = layout::compile(plan)?.iter().map(mount).collect();
    let held = HostConfig {
        cap_drop: Some(vec!["ALL".into()]),
        security_opt: Some(vec!["no-new-privileges:true".into()]),
        privileged: Some(false),
        readonly_rootfs: Some(true),
        mounts: Some(mounts?),
        shm_size: Some(signed("disk", shared_memory)?),
        network_mode: Some(network_mode(&plan.network)?.into()),
        publish_all_ports: Some(false),
        ipc_mode: Some("private".into()),
        init: Some(true),
        auto_remove: Some(false),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        log_config: Some(HostConfigLogConfig {
            typ: Some("none".into()),
            config: Some(HashMap::new()),
        }),
        ..Default::default()
    };
    limited(held, &plan.limits)
}

fn network_mode(network: &NetworkPolicy) -> Result<&'static str, CompileError> {
    match network {
        NetworkPolicy::Unrestricted => Ok("bridge"),
        denied if denied.is_denied() => Ok("none"),
        NetworkPolicy::Limited { .. } => Err(CompileError::Hosts),
    }
}

fn limited(held: HostConfig, limits: &ResourceLimits) -> Result<HostConfig, CompileError> {
    let memory = limits.memory.map(|size| signed("memory", size.bytes())).transpose()?;
    Ok(HostConfig {
        memory,
        // Memory and swap together: no swap beside the memory.
        memory_swap: memory,
        nano_cpus: limits.cpu_count.map(nano_cpus),
        pids_limit: limits.processes.map(i64::from),
        ulimits: Some(ulimits(limits)?),
        ..held
    })
}

/// CPUs in billionths.
fn nano_cpus(count: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "saturates, and no host has that many")]
    let billionths = (count * 1e9).round() as i64;
    billionths
}

fn ulimits(limits: &ResourceLimits) -> Result<Vec<ResourcesUlimits>, CompileError> {
    let asked = [
        // A core file would hold what the command has read.
        ("core", Some(0)),
        ("nofile", limits.open_files.map(u64::from)),
        ("fsize", limits.file_size.map(|size| size.bytes())),
        ("cpu", limits.cpu_time.map(|time| seconds(time.duration()))),
    ];
    let held = asked.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let both = held.map(|(name, value)| {
        let value = Some(signed(name, value)?);
        Ok(ResourcesUlimits { name: Some(name.into()), soft: value, hard: value })
    });
    both.collect()
}

fn mount(mount: &Mount) -> Result<EngineMount, CompileError> {
    let target = Some(unicode(&mount.target)?);
    let made = match &mount.content {
        MountContent::Bind { executable: false, writable, .. } => {
            let (path, rights) = (mount.target.clone(), layout::plain_rights(*writable));
            return Err(CompileError::Rights { path, rights });
        }
        MountContent::Bind { source, writable, .. } => bound(unicode(source)?, !writable),
        MountContent::EmptyFile => bound("/dev/null".into(), true),
        MountContent::Private { mode, size } => EngineMount {
            typ: Some(MountType::TMPFS),
            read_only: Some(false),
            tmpfs_options: Some(MountTmpfsOptions {
                size_bytes: size.map(|size| signed("disk", size)).transpose()?,
                mode: Some(i64::from(*mode)),
                // Engines forbid executing there by default; the policy does not.
                options: Some(vec![vec!["exec".into()]]),
            }),
            ..Default::default()
        },
        MountContent::EmptyFolder { mode } => EngineMount {
            typ: Some(MountType::TMPFS),
            read_only: Some(true),
            tmpfs_options: Some(MountTmpfsOptions {
                mode: Some(i64::from(*mode)),
                ..Default::default()
            }),
            ..Default::default()
        },
    };
    Ok(EngineMount { target, ..made })
}

fn bound(source: String, read_only: bool) -> EngineMount {
    EngineMount {
        source: Some(source),
        typ: Some(MountType::BIND),
        read_only: Some(read_only),
        bind_options: Some(MountBindOptions {
            // What is mounted on one side later is not seen on the other.
            propagation: Some(MountBindOptionsPropagationEnum::RPRIVATE),
            // A folder of the host is never made by asking for it.
            create_mountpoint: Some(false),
            // Read-only means all of it, or an error.
            read_only_force_recursive: read_only.then_some(true),
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
