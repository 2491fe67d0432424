//! What the host library and the helper agree on. Both compile this very file.
//!
//! The host hands over one sealed memory file, the *program*. The helper maps it at a fixed
//! address, so that every pointer in it is already right, and executes its lists of system calls.
//! There is no other language between the two: what the helper does to itself can be printed, and
//! is, by `sandbox policy explain`.

/// Where the program is mapped. Below 2^39, for arm64 kernels with small address spaces.
pub const BASE: u64 = 0x10_0000_0000;

/// The longest program that comes with the start itself.
pub const INLINE: usize = 64 << 10;

/// The first eight bytes of a program.
pub const MAGIC: u64 = 0x0031_786f_6264_6e61;

/// The helper's descriptors, beside the payload's 0, 1 and 2. It is born with the control socket
/// alone; the others arrive with [`request::START`], in this order.
pub mod fd {
    /// The control socket: requests in, one report out. Its end means that the launcher died.
    pub const CONTROL: i32 = 3;
    /// The status pipe: a [`Failure`](super::Failure), or end of file once the payload runs.
    pub const STATUS: i32 = 4;
    /// The program.
    pub const PROGRAM: i32 = 5;
    /// The Landlock ruleset.
    pub const RULESET: i32 = 6;
    /// User namespaces for idmapped mounts, from here on.
    pub const FIRST_EXTRA: i32 = 7;
    /// Where a helper that serves keeps the ruleset for the helpers that it forks.
    pub const KEPT_RULESET: i32 = 200;
    /// Where it keeps the folder of all layers.
    pub const KEPT_LAYERS: i32 = 201;
    /// From here on it keeps the folders that lie below layers.
    pub const FIRST_LOWER: i32 = 202;
    /// Where it keeps the way into the group of commands.
    pub const KEPT_GROUP: i32 = FIRST_LOWER + 100;
    /// Beyond this number it keeps nothing.
    pub const LAST_KEPT: i32 = KEPT_GROUP;
}

/// The start of a program.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// [`MAGIC`].
    pub magic: u64,
    /// Run by the helper before there is a payload.
    pub setup: List,
    /// Run by the payload's process; ends with an exec.
    pub payload: List,
    /// Run by the helper once the payload's process exists: gives up what setup needed.
    pub after: List,
    /// Whether the helper is the first process of a pid namespace.
    pub pid_namespace: u32,
    /// Whether the helper lasts and forks other helpers, instead of starting a payload.
    pub serves: u32,
    /// How the helpers that it forks get into the group of commands: one of [`group`].
    pub group: u32,
    /// Milliseconds between two looks at the limits below; 0 means that nobody looks.
    pub watch_interval: u32,
    /// CPU time of the whole tree in microseconds; 0 means no limit.
    pub cpu_limit: u64,
    /// Memory of the whole tree in bytes; 0 means no limit.
    pub memory_limit: u64,
}

/// The ways into the group of commands.
pub mod group {
    /// There is none.
    pub const NONE: u32 = 0;
    /// By being born there: what is kept is the group's folder, of version 2.
    pub const BORN: u32 = 1;
    /// By writing `0` to the file that is kept, of version 1.
    pub const MOVED: u32 = 2;
}

/// A list of calls, by its address in the mapped program.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct List {
    /// The first call.
    pub address: u64,
    /// How many there are.
    pub count: u64,
}

/// One system call.
///
/// Results are stored as 32-bit numbers, because all that is stored is descriptors.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// The arguments: numbers, addresses, or addresses of stored results.
    pub arguments: [u64; 6],
    /// Where the result goes; 0 means nowhere.
    pub result: u64,
    /// The system call's number.
    pub number: u32,
    /// Bit n: argument n is the address of a stored result.
    pub stored: u32,
    /// Error numbers that count as success; 0 ends the list.
    pub tolerated: [u16; 6],
    /// How many calls to leave out after a tolerated error.
    pub skip: u16,
    /// Whether a tolerated error is what the list fails with at its end.
    pub remembered: u16,
}

/// A list that could not be run to its end.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which list: 0 setup, 1 payload, 2 after, 3 [`OWN_STEPS`].
    pub list: u32,
    /// Which call of it.
    pub step: u32,
    /// The error number.
    pub errno: i32,
}

/// What the helper does by itself, in no list.
pub const OWN_STEPS: [&str; 7] = [
    "map the program",
    "start the command's process",
    "make the network namespace",
    "bring loopback up",
    "filter system calls",
    "make the sockets of the way out",
    "hand the way out over",
];

/// The sockets of a network that lead out of it, by way of whoever gets them. How many there are is
/// told beside the namespace in the value of [`request::AHEAD`]; without any there is no way out.
pub mod egress {
    /// The bits of the value that tell how many TCP sockets are made in each family.
    pub const TCP: u32 = 0xff;
    /// The bits that tell how many UDP sockets are.
    pub const UDP: u32 = 0xff00;
    /// Where those bits begin.
    pub const UDP_SHIFT: u32 = 8;
    /// The bit that has the filter's listener handed over, who makes sockets for the payload.
    pub const LISTENER: u32 = 1 << 16;
    /// The most sockets that one message carries (`SCM_MAX_FD`).
    pub const MOST: usize = 253;
}

/// What a helper says once it has made the sockets, which come along in this order: netlink for
/// routes, netlink for filters, then TCP and UDP of IPv4, then both of IPv6. The same where it is the
/// filter's listener that comes along.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sockets {
    /// The step of [`OWN_STEPS`] that failed, if the error number is not 0.
    pub step: u32,
    /// The error number.
    pub errno: i32,
    /// Whether the kernel has a netlink socket for filters.
    pub has_filters: u32,
    /// Whether it has IPv6.
    pub has_v6: u32,
}

/// A request on the control socket.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// One of [`request`].
    pub kind: u32,
    /// The signal, the namespaces, or the processor.
    pub value: i32,
}

/// The kinds of [`Request`].
pub mod request {
    /// Send a signal to the payload.
    pub const SIGNAL: u32 = 1;
    /// End everything and report.
    pub const KILL: u32 = 2;
    /// Done ahead of the start: drop every capability from the bounding set and leave the keyring;
    /// with the namespace of networks as its value, make one and bring its loopback up, and with
    /// numbers of sockets beside it ([`egress`](super::egress)) hand these over; with a filter behind
    /// the request, attach it, and with the bit for its listener hand that over.
    pub const AHEAD: u32 = 3;
    /// To a helper that serves: fork a helper, whose control socket comes along.
    pub const ENTER: u32 = 5;
    /// To a helper that serves: run the setup list of the program that comes along, and answer with
    /// a [`Failure`](super::Failure) whose error number is 0 for success.
    pub const RUN: u32 = 6;
    /// To a helper that serves: send a signal to every process of the sandbox.
    pub const SIGNAL_ALL: u32 = 7;
    /// To a helper that was forked: the start comes in a moment, from the processor with this number.
    pub const READY: u32 = 8;
    /// Begin; to a helper that was forked the program may come behind the request, if it is no longer
    /// than [`INLINE`](super::INLINE). The descriptors 0 to 2 and from [`STATUS`](super::fd::STATUS) on come along.
    pub const START: u32 = 4;
}

/// The report on the control socket, once everything has ended.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// One of [`reason`].
    pub reason: u32,
    /// The payload's wait status.
    pub status: i32,
    /// CPU time of the whole tree in microseconds.
    pub cpu: u64,
    /// The largest resident size of one process, in KiB.
    pub peak: u64,
    /// What the whole tree gave to the file systems of disks, in units of 512 bytes.
    pub written: u64,
}

/// Why everything ended.
pub mod reason {
    /// The payload did.
    pub const ENDED: u32 = 0;
    /// A request.
    pub const KILLED: u32 = 1;
    /// The CPU-time limit.
    pub const CPU: u32 = 2;
    /// The memory limit.
    pub const MEMORY: u32 = 3;
}
