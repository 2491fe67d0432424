//! `/proc`, `/dev`, `/sys`: what every program needs, and as little of the machine as possible.
//!
//! `/proc` is read-only: nothing that a payload may change of itself there is worth what else could
//! be changed. Parts of it that are not about processes are covered.

use std::path::{Path, PathBuf};

use super::Build;
use super::verbs::{From, NODEV, NOEXEC, NOSUID, RDONLY};
use crate::program::{Phase, Slot};

/// Files of `/proc` that tell everybody of the kernel rather than of processes.
const FILES: &[&str] = &["kallsyms", "keys", "key-users"];

/// Files that only the host's root can open; covered for a payload that keeps that user.
const ROOT_FILES: &[&str] = &[
    "kcore",
    "kmsg",
    "latency_stats",
    "sched_debug",
    "sysrq-trigger",
    "timer_list",
    "modules",
    "iomem",
    "ioports",
];

/// Folders of `/proc` that tell of the kernel and of devices.
const FOLDERS: &[&str] = &["acpi", "asound", "bus", "driver", "fs", "irq", "scsi"];

/// Devices that only give and take bytes.
const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];

const LINKS: &[(&str, &str)] = &[
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

impl Build<'_> {
    /// Everything that no policy names, because every program needs it.
    pub(super) fn system(&mut self) {
        self.folder(Path::new("/sys"));
        if self.host_root {
            self.hide_services();
        }
        self.processes();
        self.devices();
    }

    fn processes(&mut self) {
        self.folder(Path::new("/proc"));
        let proc = self.program.filesystem("proc", "processes", &[], NODEV | NOEXEC | RDONLY);
        self.attach(proc, Path::new("/proc"));
        let root_files = if self.options.root { ROOT_FILES } else { &[] };
        for (names, cover) in [(FILES, "file"), (root_files, "file"), (FOLDERS, "folder")] {
            for name in names {
                self.cover(proc, name, cover);
            }
        }
    }

    /// Covers a name of `/proc`, if this kernel has it.
    fn cover(&mut self, proc: Slot, name: &str, cover: &str) {
        let covers = self.covers;
        let name = PathBuf::from(name);
        let path = self.program.path(&name);
        self.program.optional(Phase::Setup, &[libc::ENOENT], |program| {
            let text = format!("look for /proc/{}", name.display());
            let arguments = [proc.into(), path.into(), 0.into(), 0.into()];
            program.setup(text, libc::SYS_faccessat, &arguments);
            let tree = program.clone_own(From::Inside(covers), Path::new(cover), 0);
            program.attach_own(tree, proc, &name);
        });
    }

    /// Where the whole host is readable, its services still are not: a read-only mount does not
    /// stop a connect to a socket.
    fn hide_services(&mut self) {
        for path in ["/sys", "/run"].map(Path::new) {
            if self.plan.places.iter().any(|place| place.path == path) {
                continue;
            }
            let tree = self.lend(path, 0o755, false, NODEV | NOEXEC | RDONLY);
            self.attach_last(tree, path);
        }
    }

    /// `/dev`: the few devices that programs need, terminals of the sandbox's own, shared memory.
    fn devices(&mut self) {
        let path = Path::new("/dev");
        self.folder(path);
        let dev = self.lend(path, 0o755, false, NOEXEC | RDONLY);
        let lent = self.lent.get(path).cloned().unwrap_or_default();
        for name in DEVICES {
            self.program.make_file(self.scratch, &lent.join(name), 0o444);
        }
        for name in ["pts", "shm"] {
            self.program.make_folder(self.scratch, &lent.join(name), 0o755);
        }
        for (name, target) in LINKS {
            self.program.make_link(self.scratch, &lent.join(name), Path::new(target));
        }
        self.attach(dev, path);
        for name in DEVICES.iter().map(Path::new) {
            // A read-only mount still lets a device be written to; its mode and owner stay.
            let node = self.program.clone_own(From::Host, &path.join(name), RDONLY | NOEXEC);
            self.program.attach_own(node, dev, name);
        }
        let options = [("mode", "0600"), ("ptmxmode", "0666")];
        let flags = NOSUID | NOEXEC;
        let terminals = self.program.filesystem("devpts", "terminals", &options, flags);
        self.program.attach_own(terminals, dev, Path::new("pts"));
        let memory = self.lend(Path::new("/dev/shm"), 0o1777, true, NODEV);
        self.program.attach_own(memory, dev, Path::new("shm"));
    }
}
