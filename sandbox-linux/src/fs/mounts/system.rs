//! `/proc`, `/dev`, `/sys`: what every program needs, and as little of the machine as possible.
//!
//! `/proc` is mounted at `/sys` first, because the scratch, whose files cover parts of it, sits at
//! `/proc` until the end. It is read-only: nothing that a payload may change of itself there is
//! worth what else could be changed.

use std::path::Path;

use sandbox_core::path::quoted;

use super::Build;
use super::verbs::{From, NODEV, NOEXEC, NOSUID, RDONLY};
use crate::program::{Phase, Slot};

/// Files of `/proc` that tell of the kernel rather than of processes.
const FILES: &[&str] = &[
    "kallsyms",
    "kcore",
    "keys",
    "key-users",
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
    /// Mounts `/proc` at `/sys` and covers what is not about processes.
    pub(super) fn processes(&mut self) -> Slot {
        let sys = Path::new("/sys");
        self.folder(sys);
        if self.host_root {
            self.hide_services();
        }
        let proc = self.program.filesystem("proc", "processes", &[], NODEV | NOEXEC | RDONLY);
        self.attach(proc, sys);
        self.program.make_file(self.scratch, Path::new("closed"), 0);
        self.program.make_folder(self.scratch, Path::new("closed-folder"), 0);
        for (names, cover) in [(FILES, "closed"), (FOLDERS, "closed-folder")] {
            for name in names {
                self.cover(proc, name, cover);
            }
        }
        proc
    }

    /// Covers a name of `/proc`, if this kernel has it.
    fn cover(&mut self, proc: Slot, name: &str, cover: &str) {
        let scratch = self.scratch;
        let title = format!("/proc/{name}");
        self.program.optional(Phase::Setup, &[libc::ENOENT], |program| {
            let place = program.open_place(From::Inside(proc), Path::new(name));
            let source = program.open_place(From::Inside(scratch), Path::new(cover));
            let tree = program.clone_tree(source, "a cover", NODEV | NOEXEC | RDONLY);
            program.attach(tree, place, &title);
            program.setup("close the tree", libc::SYS_close, &[tree.into()]);
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
    pub(super) fn devices(&mut self) {
        let dev = Path::new("/dev");
        self.folder(dev);
        let tree = self.lend(dev, 0o755, false, NOEXEC | RDONLY);
        let lent = self.lent.get(dev).cloned().unwrap_or_default();
        for name in DEVICES {
            self.program.make_file(self.scratch, &lent.join(name), 0o444);
        }
        for name in ["pts", "shm"] {
            self.program.make_folder(self.scratch, &lent.join(name), 0o755);
        }
        for (name, target) in LINKS {
            self.program.make_link(self.scratch, &lent.join(name), Path::new(target));
        }
        self.attach_last(tree, dev);
        for path in DEVICES.iter().map(|name| dev.join(name)) {
            let source = self.program.open_place(From::Host, &path);
            // A read-only mount still lets a device be written to; its mode and owner stay.
            let node = self.program.clone_tree(source, &quoted(&path), RDONLY | NOEXEC);
            self.attach_last(node, &path);
        }
        let options = [("mode", "0600"), ("ptmxmode", "0666")];
        let flags = NOSUID | NOEXEC;
        let terminals = self.program.filesystem("devpts", "terminals", &options, flags);
        self.attach_last(terminals, Path::new("/dev/pts"));
        let memory = self.lend(Path::new("/dev/shm"), 0o1777, true, NODEV);
        self.attach_last(memory, Path::new("/dev/shm"));
    }
}
