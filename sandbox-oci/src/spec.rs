//! A plan as the configuration of an OCI bundle, for runtimes without an engine.
//!
//! The promises are those of [`container`](crate::container), said in the runtime's own words. An
//! engine adds devices, masks and a seccomp profile by itself; a bare runtime adds nothing, so the
//! masks stand here, every device is refused but those that runtimes always make, and there is no
//! `/sys`.
//!
//! # Security
//! No system-call filter is in the configuration. Until one is, a bundle is for kernels that the
//! command does not reach, as under `runsc`, or for a launcher that adds its own filter.
//! An unrestricted network is the host's: a runtime without an engine has no bridge.

use std::path::{Path, PathBuf};

use oci_spec::OciSpecError;
use oci_spec::runtime::{
    BoxBuilder, Capabilities, Linux, LinuxBuilder, LinuxCapabilities, LinuxCapabilitiesBuilder,
    LinuxCpuBuilder, LinuxDeviceCgroupBuilder, LinuxMemoryBuilder, LinuxNamespace,
    LinuxNamespaceBuilder, LinuxNamespaceType, LinuxPidsBuilder, LinuxResources,
    LinuxResourcesBuilder, Mount as SpecMount, MountBuilder, PosixRlimit, PosixRlimitBuilder,
    PosixRlimitType, Process, ProcessBuilder, RootBuilder, Spec, SpecBuilder, UserBuilder,
};
use sandbox_core::plan::Plan;
use sandbox_core::{NetworkPolicy, ResourceLimits};

use crate::Owner;
use crate::layout::{self, Mount, MountContent};
use crate::text::{CompileError, command, environment, seconds, signed, unicode};

/// The first version of the specification that has mount options for whole trees.
const VERSION: &str = "1.1.0";

/// The period of the CPU quota, in microseconds: the kernel's default.
const PERIOD: u32 = 100_000;

/// Parts of `/proc` that tell of the host's hardware, keys and memory.
const MASKED: [&str; 10] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/interrupts",
];
/// Parts of `/proc` that act on the host.
const READ_ONLY: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Compiles a plan. `root` is an empty folder, which is never written to.
///
/// # Errors
/// [`CompileError`]: what a bundle cannot say.
pub fn compile(plan: &Plan, root: &Path, owner: Owner) -> Result<Spec, CompileError> {
    let root = RootBuilder::default().path(unicode(root)?).readonly(true).build();
    let spec = SpecBuilder::default()
        .version(VERSION)
        .root(root.map_err(refused("root"))?)
        .hostname("sandbox")
        .mounts(mounts(plan)?)
        .process(process(plan, owner)?)
        .linux(linux(plan)?);
    spec.build().map_err(refused("the whole"))
}

/// Names the part of the specification that its library refused.
fn refused(part: &'static str) -> impl Fn(OciSpecError) -> CompileError {
    move |error| CompileError::Spec { part, why: error.to_string() }
}

fn process(plan: &Plan, owner: Owner) -> Result<Process, CompileError> {
    let user = UserBuilder::default().uid(owner.uid()).gid(owner.gid()).build();
    let mut process = ProcessBuilder::default()
        .user(user.map_err(refused("user"))?)
        .args(command(plan)?)
        .env(environment(plan)?)
        .cwd(unicode(&plan.cwd)?)
        .capabilities(no_capabilities()?)
        .no_new_privileges(true)
        .rlimits(rlimits(&plan.limits)?)
        .terminal(plan.terminal.is_some());
    if let Some(size) = plan.terminal {
        let size = BoxBuilder::default().height(size.rows).width(size.columns).build();
        process = process.console_size(size.map_err(refused("console size"))?);
    }
    process.build().map_err(refused("process"))
}

/// Every set is named and empty: the library's default is not.
fn no_capabilities() -> Result<LinuxCapabilities, CompileError> {
    let none = Capabilities::new;
    let sets = LinuxCapabilitiesBuilder::default()
        .bounding(none())
        .effective(none())
        .inheritable(none())
        .permitted(none())
        .ambient(none());
    sets.build().map_err(refused("capabilities"))
}

fn rlimits(limits: &ResourceLimits) -> Result<Vec<PosixRlimit>, CompileError> {
    let asked = [
        // A core file would hold what the command has read.
        (PosixRlimitType::RlimitCore, Some(0)),
        (PosixRlimitType::RlimitNofile, limits.open_files.map(u64::from)),
        (PosixRlimitType::RlimitFsize, limits.file_size.map(|size| size.bytes())),
        (PosixRlimitType::RlimitCpu, limits.cpu_time.map(|time| seconds(time.duration()))),
    ];
    let held = asked.into_iter().filter_map(|(kind, value)| Some((kind, value?)));
    let both = held.map(|(kind, value)| {
        PosixRlimitBuilder::default().typ(kind).soft(value).hard(value).build()
    });
    both.collect::<Result<_, _>>().map_err(refused("rlimits"))
}

fn linux(plan: &Plan) -> Result<Linux, CompileError> {
    let text = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
    LinuxBuilder::default()
        .namespaces(namespaces(&plan.network)?)
        .resources(resources(&plan.limits)?)
        .masked_paths(text(&MASKED))
        .readonly_paths(text(&READ_ONLY))
        .rootfs_propagation("rprivate")
        .build()
        .map_err(refused("linux"))
}

fn namespaces(network: &NetworkPolicy) -> Result<Vec<LinuxNamespace>, CompileError> {
    let mut kinds = vec![
        LinuxNamespaceType::Mount,
        LinuxNamespaceType::Pid,
        LinuxNamespaceType::Ipc,
        LinuxNamespaceType::Uts,
        LinuxNamespaceType::Cgroup,
    ];
    match network {
        NetworkPolicy::Unrestricted => {}
        denied if denied.is_denied() => kinds.push(LinuxNamespaceType::Network),
        NetworkPolicy::Limited { .. } => return Err(CompileError::Hosts),
    }
    let new = |kind| LinuxNamespaceBuilder::default().typ(kind).build();
    kinds.into_iter().map(new).collect::<Result<_, _>>().map_err(refused("namespaces"))
}

fn resources(limits: &ResourceLimits) -> Result<LinuxResources, CompileError> {
    let devices = LinuxDeviceCgroupBuilder::default().allow(false).access("rwm").build();
    let mut held =
        LinuxResourcesBuilder::default().devices(vec![devices.map_err(refused("devices"))?]);
    if let Some(memory) = limits.memory {
        let memory = signed("memory", memory.bytes())?;
        // Memory and swap together: no swap beside the memory.
        let both = LinuxMemoryBuilder::default().limit(memory).swap(memory).build();
        held = held.memory(both.map_err(refused("memory"))?);
    }
    if let Some(count) = limits.cpu_count {
        let quota = quota(count);
        let cpu = LinuxCpuBuilder::default().quota(quota).period(u64::from(PERIOD)).build();
        held = held.cpu(cpu.map_err(refused("cpu"))?);
    }
    if let Some(processes) = limits.processes {
        let pids = LinuxPidsBuilder::default().limit(i64::from(processes)).build();
        held = held.pids(pids.map_err(refused("pids"))?);
    }
    held.build().map_err(refused("resources"))
}

/// CPUs as microseconds in each period; the kernel takes no less than one millisecond.
fn quota(count: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "saturates, and no host has that many")]
    let quota = (count * f64::from(PERIOD)).round() as i64;
    quota.max(1000)
}

fn mounts(plan: &Plan) -> Result<Vec<SpecMount>, CompileError> {
    let shared_memory = layout::private_share(plan).map(|size| format!("size={size}"));
    let shm: Vec<&str> = ["nosuid", "noexec", "nodev", "mode=1777"]
        .into_iter()
        .chain(shared_memory.as_deref().or(Some("size=65536k")))
        .collect();
    let dev = ["nosuid", "noexec", "strictatime", "mode=755", "size=65536k"];
    let pts = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"];
    let mut mounts = vec![
        virtual_mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"])?,
        virtual_mount("/dev", "tmpfs", "tmpfs", &dev)?,
        virtual_mount("/dev/pts", "devpts", "devpts", &pts)?,
        virtual_mount("/dev/shm", "tmpfs", "shm", &shm)?,
    ];
    for mount in layout::compile(plan)? {
        mounts.push(place(&mount)?);
    }
    Ok(mounts)
}

fn virtual_mount(
    target: impl Into<PathBuf>,
    kind: &str,
    source: &str,
    options: &[&str],
) -> Result<SpecMount, CompileError> {
    let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
    let mount = MountBuilder::default().destination(target).typ(kind).source(source);
    mount.options(options).build().map_err(refused("mounts"))
}

fn place(mount: &Mount) -> Result<SpecMount, CompileError> {
    let target = unicode(&mount.target)?;
    match &mount.content {
        MountContent::Bind { source, writable, executable } => {
            bound(target, &unicode(source)?, *writable, *executable)
        }
        MountContent::EmptyFile => bound(target, "/dev/null", false, false),
        MountContent::Private { mode, size } => {
            let mut options = vec!["nosuid".into(), "nodev".into(), format!("mode={mode:o}")];
            options.extend(size.map(|size| format!("size={size}")));
            let options: Vec<&str> = options.iter().map(String::as_str).collect();
            virtual_mount(target, "tmpfs", "tmpfs", &options)
        }
        MountContent::EmptyFolder { mode } => {
            let mode = format!("mode={mode:o}");
            virtual_mount(target, "tmpfs", "tmpfs", &["nosuid", "nodev", "noexec", "ro", &mode])
        }
    }
}

/// A bind mount of a whole tree. Each promise is made twice, the second time for all mounts in the
/// tree: a runtime that does not know the second still keeps the first.
fn bound(
    target: String,
    source: &str,
    writable: bool,
    executable: bool,
) -> Result<SpecMount, CompileError> {
    let mut options = vec!["rbind", "rprivate", "nosuid", "rnosuid", "nodev", "rnodev"];
    if !writable {
        options.extend(["ro", "rro"]);
    }
    if !executable {
        options.extend(["noexec", "rnoexec"]);
    }
    virtual_mount(target, "bind", source, &options)
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
