//! `/proc`, `/dev`, `/sys`: what every program needs, and as little of the machine as possible.
//!
//! `/proc` is read-only: nothing that a payload may change of itself there is worth what else could
//! be changed. Parts of it that are not about processes are covered.

use std::path::{Path, PathBuf};

use super::Build;
use super::verbs::{From, NODEV, NOEXEC, NOSUID, RDONLY};

/// Files of `/proc` that tell everybody of the kernel rather than of processes.
const FILES: &[&str] = &["kallsyms", "keys", "key-users"];

/// Folders of `/proc` that let everybody look into the machine's devices.
const FOLDERS: &[&str] = &["acpi", "asound", "scsi"];

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

/// Folders that matter for such a payload alone.
const ROOT_FOLDERS: &[&str] = &["bus", "driver", "fs", "irq"];

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
        let lists = [
            (FILES, "file", true),
            (FOLDERS, "folder", true),
            (ROOT_FILES, "file", self.options.root),
            (ROOT_FOLDERS, "folder", self.options.root),
        ];
        for (names, cover, _) in lists.iter().filter(|(_, _, wanted)| *wanted) {
            for name in names.iter().map(Path::new) {
                // The host's `/proc` has the same names: they are the kernel's.
                if Path::new("/proc").join(name).exists() {
                    let covers = From::Inside(self.covers);
                    let tree = self.program.clone_own(covers, Path::new(cover), 0);
                    self.program.attach_own(tree, proc, name);
                }
            }
        }
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
        // In the host's root there is a `/dev` already, and it is the host's.
        let (at, base, dev, prefix) = if self.host_root {
            let tree = self.lend(path, 0o755, false, NOEXEC | RDONLY);
            let (at, base) = self.lent.get(path).cloned().unwrap_or((tree, PathBuf::new()));
            (at, base, tree, PathBuf::new())
        } else {
            (self.root, "dev".into(), self.root, "dev".into())
        };
        for name in DEVICES {
            self.program.make_file(at, &base.join(name), 0o444);
        }
        for name in ["pts", "shm"] {
            self.program.make_folder(at, &base.join(name), 0o755);
        }
        for (name, target) in LINKS {
            self.program.make_link(at, &base.join(name), Path::new(target));
        }
        if self.host_root {
            self.attach(dev, path);
        }
        // A read-only mount still lets a device be written to; its mode, owner and times stay.
        let flags = RDONLY | NOEXEC;
        for name in DEVICES {
            let node = self.program.clone_own(From::Host, &path.join(name), flags);
            self.program.attach_own(node, dev, &prefix.join(name));
        }
        let options = [("mode", "0600"), ("ptmxmode", "0666")];
        let terminals = self.program.filesystem("devpts", "terminals", &options, NOSUID | NOEXEC);
        self.program.attach_own(terminals, dev, &prefix.join("pts"));
        let memory = self.lend(&path.join("shm"), 0o1777, true, NODEV);
        self.program.attach_own(memory, dev, &prefix.join("shm"));
    }
}
