//! The table: every system call of both architectures, and how it is classed.
//!
//! This is an allow-list. A number that no row names fails with ENOSYS, the answer of a kernel
//! that is older than the program, so that libraries use what they used before. A call that is
//! known and refused fails with EPERM, unless another error lets programs degrade better; the
//! comment of the row says so.
//!
//! Rows are grouped by subject. A name that one architecture lacks is skipped there.

use super::errno::Errno::{ENOSYS, EOPNOTSUPP, EPERM};
use super::guards;
use super::ruling::Class::{self, Allow, Attribute, Debug, Fail, Guarded, Ipc, Lenient, Xattr};

/// Class, and the names of the calls of that class.
pub(super) const TABLE: &[(Class, &[&str])] = &[
    // ---- Descriptors and their bytes ----
    (Allow, &["read", "write", "pread64", "pwrite64", "readv", "writev", "preadv", "pwritev"]),
    (Allow, &["preadv2", "pwritev2", "lseek", "sendfile", "copy_file_range", "splice", "tee"]),
    (Allow, &["vmsplice", "close", "close_range", "dup", "dup2", "dup3", "fcntl", "flock"]),
    (Allow, &["pipe", "pipe2", "sync", "syncfs", "fsync", "fdatasync", "sync_file_range"]),
    (Allow, &["fadvise64", "readahead", "fallocate", "truncate", "ftruncate", "cachestat"]),
    (Guarded(guards::ioctl, 1), &["ioctl"]),
    // ---- Opening and making files ----
    (Guarded(guards::open, 1), &["open"]),
    (Guarded(guards::open, 2), &["openat"]),
    // Its flags and mode lie behind a pointer, where no filter can look.
    (Fail(ENOSYS), &["openat2"]),
    (Guarded(guards::creat, 1), &["creat", "mkdir"]),
    (Guarded(guards::creat, 2), &["mkdirat"]),
    (Guarded(guards::mknod, 1), &["mknod"]),
    (Guarded(guards::mknod, 2), &["mknodat"]),
    (Allow, &["rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat"]),
    (Allow, &["unlink", "unlinkat", "rmdir", "umask"]),
    // By handle a file is opened without a walk through its directories.
    (Fail(EPERM), &["open_by_handle_at"]),
    (Fail(EOPNOTSUPP), &["name_to_handle_at"]),
    // ---- Looking at files ----
    (Allow, &["stat", "fstat", "lstat", "newfstatat", "fstatat", "statx", "access", "faccessat"]),
    (Allow, &["faccessat2", "readlink", "readlinkat", "getdents", "getdents64", "getcwd"]),
    (Allow, &["chdir", "fchdir", "statfs", "fstatfs", "getxattr", "lgetxattr", "fgetxattr"]),
    (Allow, &["getxattrat", "listxattr", "llistxattr", "flistxattr", "listxattrat"]),
    (Allow, &["file_getattr", "inotify_init", "inotify_init1", "inotify_add_watch"]),
    (Allow, &["inotify_rm_watch"]),
    (Fail(EPERM), &["fanotify_init", "fanotify_mark"]),
    // ---- Metadata ----
    (Guarded(guards::chmod, 1), &["chmod", "fchmod"]),
    (Guarded(guards::chmod, 2), &["fchmodat", "fchmodat2"]),
    (Attribute, &["chown", "lchown", "fchown", "fchownat"]),
    (Attribute, &["utime", "utimes", "futimesat", "utimensat"]),
    (Xattr, &["setxattr", "lsetxattr", "fsetxattr", "setxattrat"]),
    (Xattr, &["removexattr", "lremovexattr", "fremovexattr", "removexattrat"]),
    // Inode flags, as by the ioctl that is refused too.
    (Fail(EOPNOTSUPP), &["file_setattr"]),
    // ---- Waiting ----
    (Allow, &["poll", "ppoll", "select", "pselect6", "epoll_create", "epoll_create1"]),
    (Allow, &["epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd", "eventfd2"]),
    (Allow, &["signalfd", "signalfd4", "timerfd_create", "timerfd_settime", "timerfd_gettime"]),
    (Allow, &["pause", "nanosleep", "clock_nanosleep"]),
    (Lenient, &["io_setup", "io_destroy", "io_submit", "io_cancel", "io_getevents"]),
    (Lenient, &["io_pgetevents"]),
    // Its opens and sockets pass by every filter.
    (Fail(ENOSYS), &["io_uring_setup", "io_uring_enter", "io_uring_register"]),
    // ---- Memory ----
    (Allow, &["mmap", "munmap", "mremap", "mprotect", "msync", "madvise", "mincore", "brk"]),
    (Allow, &["mlock", "mlock2", "munlock", "mlockall", "munlockall", "mseal"]),
    (Allow, &["pkey_alloc", "pkey_free", "pkey_mprotect", "map_shadow_stack", "membarrier"]),
    (Allow, &["mbind", "set_mempolicy", "get_mempolicy", "set_mempolicy_home_node"]),
    (Lenient, &["remap_file_pages"]),
    (Guarded(guards::memfd_create, 1), &["memfd_create"]),
    // Memory that not even the supervisor could look into.
    (Fail(ENOSYS), &["memfd_secret"]),
    (Fail(EPERM), &["move_pages", "migrate_pages", "userfaultfd", "process_madvise"]),
    // ---- Processes and threads ----
    (Allow, &["fork", "vfork", "execve", "exit", "exit_group", "wait4", "waitid"]),
    (Lenient, &["execveat"]),
    (Guarded(guards::clone, 0), &["clone"]),
    // Its flags lie behind a pointer; libraries fall back to clone.
    (Fail(ENOSYS), &["clone3"]),
    (Guarded(guards::unshare, 0), &["unshare"]),
    (Fail(EPERM), &["setns"]),
    (Guarded(guards::prctl, 0), &["prctl"]),
    (Allow, &["arch_prctl", "set_tid_address", "set_robust_list", "get_robust_list", "rseq"]),
    (Allow, &["futex", "futex_wake", "futex_wait", "futex_requeue", "futex_waitv"]),
    (Allow, &["restart_syscall", "getpid", "getppid", "gettid", "getpgid", "getpgrp", "getsid"]),
    (Allow, &["setpgid", "setsid", "pidfd_open", "pidfd_send_signal", "getrusage", "times"]),
    (Guarded(guards::personality, 0), &["personality"]),
    // Segments for 16-bit code; kernels are built without it.
    (Fail(ENOSYS), &["modify_ldt", "set_thread_area", "get_thread_area"]),
    // ---- Other processes ----
    (Debug, &["ptrace", "process_vm_readv", "kcmp"]),
    (Fail(EPERM), &["process_vm_writev", "process_mrelease", "pidfd_getfd"]),
    // ---- Signals ----
    (Allow, &["kill", "tkill", "tgkill", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn"]),
    (Allow, &["rt_sigpending", "rt_sigsuspend", "rt_sigtimedwait", "rt_sigqueueinfo"]),
    (Allow, &["rt_tgsigqueueinfo", "sigaltstack"]),
    // ---- Scheduling and limits ----
    (Allow, &["sched_yield", "sched_getaffinity", "sched_getattr", "sched_getparam"]),
    (Allow, &["sched_getscheduler", "sched_get_priority_max", "sched_get_priority_min"]),
    (Allow, &["sched_rr_get_interval", "getpriority", "ioprio_get", "getrlimit", "setrlimit"]),
    (Allow, &["getcpu"]),
    (Guarded(guards::sched_pid, 0), &["sched_setaffinity", "sched_setparam"]),
    (Guarded(guards::sched_setscheduler, 0), &["sched_setscheduler"]),
    // Its policy lies behind a pointer.
    (Fail(EPERM), &["sched_setattr"]),
    (Guarded(guards::setpriority, 0), &["setpriority"]),
    (Guarded(guards::ioprio_set, 0), &["ioprio_set"]),
    (Guarded(guards::prlimit64, 0), &["prlimit64"]),
    // ---- Identity: without capabilities these can only give up rights ----
    (Allow, &["getuid", "geteuid", "getgid", "getegid", "getgroups", "getresuid", "getresgid"]),
    (Allow, &["setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid"]),
    (Allow, &["setfsgid", "setgroups", "capget", "capset"]),
    (Allow, &["landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"]),
    (Guarded(guards::seccomp, 0), &["seccomp"]),
    (Allow, &["lsm_get_self_attr", "lsm_list_modules"]),
    (Fail(EOPNOTSUPP), &["lsm_set_self_attr"]),
    // Keyrings belong to users, not to namespaces. Kernels are built without them.
    (Fail(ENOSYS), &["add_key", "request_key", "keyctl"]),
    // ---- Sockets ----
    (Guarded(guards::socket, 0), &["socket"]),
    (Guarded(guards::socketpair, 0), &["socketpair"]),
    (Guarded(guards::visitors, 0), &["bind", "listen"]),
    (Allow, &["accept", "accept4", "connect", "shutdown", "getsockname"]),
    (Allow, &["getpeername", "getsockopt", "recvfrom", "recvmsg", "recvmmsg"]),
    (Guarded(guards::send_flags, 2), &["sendmsg"]),
    (Guarded(guards::send_flags, 3), &["sendto", "sendmmsg"]),
    (Guarded(guards::setsockopt, 1), &["setsockopt"]),
    // ---- System V and POSIX IPC ----
    (Ipc, &["shmget", "shmat", "shmdt", "shmctl", "semget", "semop", "semtimedop", "semctl"]),
    (Ipc, &["msgget", "msgsnd", "msgrcv", "msgctl", "mq_open", "mq_unlink", "mq_timedsend"]),
    (Ipc, &["mq_timedreceive", "mq_notify", "mq_getsetattr"]),
    // ---- Clocks and the machine ----
    (Allow, &["time", "gettimeofday", "clock_gettime", "clock_getres", "timer_create"]),
    (Allow, &["timer_settime", "timer_gettime", "timer_getoverrun", "timer_delete", "alarm"]),
    (Allow, &["getitimer", "setitimer", "uname", "sysinfo", "getrandom"]),
    (Fail(EPERM), &["settimeofday", "clock_settime", "adjtimex", "clock_adjtime"]),
    (Fail(EPERM), &["sethostname", "setdomainname", "reboot", "kexec_load", "kexec_file_load"]),
    (Fail(EPERM), &["init_module", "finit_module", "delete_module", "swapon", "swapoff"]),
    (Fail(EPERM), &["acct", "quotactl", "quotactl_fd", "syslog", "vhangup", "iopl", "ioperm"]),
    (Fail(EPERM), &["bpf", "perf_event_open"]),
    // ---- Mounts ----
    (Fail(EPERM), &["mount", "umount2", "pivot_root", "chroot", "open_tree", "open_tree_attr"]),
    (Fail(EPERM), &["move_mount", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr"]),
    // Newer than what they replace, which is /proc/self/mountinfo.
    (Fail(ENOSYS), &["statmount", "listmount"]),
    // ---- Trampolines of the kernel's own tracing ----
    (Fail(ENOSYS), &["uprobe", "uretprobe"]),
    // ---- Gone, never finished, or of 32-bit machines ----
    (Fail(ENOSYS), &["_sysctl", "afs_syscall", "create_module", "epoll_ctl_old"]),
    (Fail(ENOSYS), &["epoll_wait_old", "get_kernel_syms", "getpmsg", "lookup_dcookie"]),
    (Fail(ENOSYS), &["nfsservctl", "putpmsg", "query_module", "security", "sysfs", "tuxcall"]),
    (Fail(ENOSYS), &["uselib", "ustat", "vserver"]),
    (Fail(ENOSYS), &["clock_adjtime64", "clock_getres_time64", "clock_gettime64"]),
    (Fail(ENOSYS), &["clock_nanosleep_time64", "clock_settime64", "futex_time64"]),
    (Fail(ENOSYS), &["io_pgetevents_time64", "mq_timedreceive_time64", "mq_timedsend_time64"]),
    (Fail(ENOSYS), &["ppoll_time64", "pselect6_time64", "recvmmsg_time64"]),
    (Fail(ENOSYS), &["rt_sigtimedwait_time64", "sched_rr_get_interval_time64"]),
    (Fail(ENOSYS), &["semtimedop_time64", "timer_gettime64", "timer_settime64"]),
    (Fail(ENOSYS), &["timerfd_gettime64", "timerfd_settime64", "utimensat_time64"]),
];
