//! The helper's life after launch: reap, obey, and end everything in time.

use super::abi::{Header, Report, Request, fd, reason, request};
use super::raw::{nr, syscall};
use super::watch::Watch;
use super::exit;

const SIGKILL: u64 = 9;
const WNOHANG: u64 = 1;

#[repr(C)]
struct Poll {
    descriptor: i32,
    events: i16,
    happened: i16,
}

#[repr(C)]
struct Time {
    seconds: i64,
    nanoseconds: i64,
}

/// `struct rusage`; only the first fields matter here.
#[repr(C)]
pub struct Rusage {
    user: [i64; 2],
    system: [i64; 2],
    /// The largest resident size, in KiB.
    peak: i64,
    others: [i64; 7],
    /// Blocks of 512 bytes.
    written: i64,
    rest: [i64; 5],
}

/// Returns only by ending the process.
pub fn until_the_end(program: &Header, payload: i32) -> ! {
    let signals = child_signals();
    let mut watch = Watch::new(program);
    let mut status = 0;
    let why = loop {
        let (control, child) = wait_for_news(signals, program.watch_interval);
        match if child { reap(payload, &mut status) } else { Reaped::Others } {
            Reaped::All => tell(reason::ENDED, status),
            Reaped::Payload => break reason::ENDED,
            Reaped::Others => {}
        }
        if control && let Some(why) = obey(payload) {
            break why;
        }
        if let Some(why) = watch.look() {
            break why;
        }
    };
    end_all(program.pid_namespace != 0, payload, &mut status);
    tell(why, status)
}

/// Ends everything and tells so, when there is no payload to tell of.
pub fn end() -> ! {
    let mut status = 0;
    end_all(true, 0, &mut status);
    tell(reason::KILLED, status)
}

/// Reports, and ends.
fn tell(reason: u32, status: i32) -> ! {
    let usage = used();
    let (cpu, peak) = (usage.cpu(), usage.peak as u64);
    report(Report { reason, status, cpu, peak, written: usage.written as u64 });
    exit(0)
}

/// A descriptor that becomes readable when a child ends.
pub fn child_signals() -> i32 {
    let mask: u64 = 1 << 16;
    const CLOEXEC_NONBLOCK: u64 = 0o2_004_000;
    // SAFETY: reads eight bytes of this stack.
    let made = unsafe {
        syscall(nr::SIGNALFD4, [u64::MAX, &raw const mask as u64, 8, CLOEXEC_NONBLOCK, 0, 0])
    };
    made as i32
}

/// Sleeps until the control socket or a child has something to say, or the interval is over.
pub fn wait_for_news(signals: i32, interval: u32) -> (bool, bool) {
    const READABLE: i16 = 1;
    let mut polls = [
        Poll { descriptor: fd::CONTROL, events: READABLE, happened: 0 },
        Poll { descriptor: signals, events: READABLE, happened: 0 },
    ];
    let time = Time {
        seconds: i64::from(interval / 1000),
        nanoseconds: i64::from(interval % 1000) * 1_000_000,
    };
    let timeout = if interval == 0 { 0 } else { &raw const time as u64 };
    // SAFETY: reads and writes values of this stack.
    unsafe { syscall(nr::PPOLL, [polls.as_mut_ptr() as u64, 2, timeout, 0, 0, 0]) };
    if polls[1].happened != 0 {
        let mut drain = [0u8; 128];
        // SAFETY: a buffer of this stack; what it says is learnt from wait4.
        unsafe { syscall(nr::READ, [signals as u64, drain.as_mut_ptr() as u64, 128, 0, 0, 0]) };
    }
    (polls[0].happened != 0, polls[1].happened != 0)
}

/// Who has ended.
#[derive(Clone, Copy)]
pub enum Reaped {
    /// Not the payload.
    Others,
    /// The payload, and something is left of it.
    Payload,
    /// The payload, and no child is left: with nothing to end, most commands are over.
    All,
}

/// Reaps every child that has ended.
pub fn reap(payload: i32, status: &mut i32) -> Reaped {
    const ECHILD: i64 = -10;
    let mut ended = false;
    loop {
        let (child, how) = wait(WNOHANG);
        if child <= 0 {
            return match (ended, child) {
                (true, ECHILD) => Reaped::All,
                (true, _) => Reaped::Payload,
                (false, _) => Reaped::Others,
            };
        }
        if child == i64::from(payload) {
            *status = how;
            ended = true;
        }
    }
}

fn wait(options: u64) -> (i64, i32) {
    const WALL: u64 = 0x4000_0000;
    let mut status = 0i32;
    let address = &raw mut status as u64;
    // SAFETY: writes a value of this stack.
    let child = unsafe { syscall(nr::WAIT4, [u64::MAX, address, options | WALL, 0, 0, 0]) };
    (child, status)
}

/// Does what the launcher asks; an answer means that everything is to end.
fn obey(payload: i32) -> Option<u32> {
    let mut wanted = Request { kind: 0, value: 0 };
    let size = core::mem::size_of::<Request>() as u64;
    let address = &raw mut wanted as u64;
    // SAFETY: writes a value of this stack.
    let read = unsafe { syscall(nr::READ, [fd::CONTROL as u64, address, size, 0, 0, 0]) };
    if read != size as i64 {
        // End of file: the launcher is gone, and nobody waits for a report.
        return Some(reason::KILLED);
    }
    match wanted.kind {
        request::SIGNAL => {
            kill(i64::from(payload), wanted.value as u64);
            None
        }
        request::SIGNAL_ALL => {
            signal_tree(wanted.value as u64);
            None
        }
        _ => Some(reason::KILLED),
    }
}

/// Signals everything that descends from this process. A process that forks while it is looked for
/// has a child that is missed, so it is done until there is nobody new: those that were stopped fork
/// no more.
fn signal_tree(signal: u64) {
    let mut before = 0;
    loop {
        let mut found = 0;
        super::watch::each_descendant(|process| {
            found += 1;
            kill(process, signal);
        });
        if found <= before {
            return;
        }
        before = found;
    }
}

pub fn kill(process: i64, signal: u64) {
    // SAFETY: the payload is our child and not reaped yet, so its number is its own; -1 means the
    // processes of our pid namespace.
    unsafe { syscall(nr::KILL, [process as u64, signal, 0, 0, 0, 0]) };
}

/// Ends every process of the sandbox and reaps it.
fn end_all(pid_namespace: bool, payload: i32, status: &mut i32) {
    loop {
        if pid_namespace {
            kill(-1, SIGKILL);
        } else {
            super::watch::each_child(|child| kill(child, SIGKILL));
        }
        let (child, how) = wait(0);
        if child < 0 {
            return;
        }
        if child == i64::from(payload) {
            *status = how;
        }
        reap(payload, status);
    }
}

/// What everything that was reaped has used.
pub fn used() -> Rusage {
    const CHILDREN: u64 = -1i64 as u64;
    let mut usage =
        Rusage { user: [0; 2], system: [0; 2], peak: 0, others: [0; 7], written: 0, rest: [0; 5] };
    // SAFETY: writes a value of this stack.
    unsafe { syscall(nr::GETRUSAGE, [CHILDREN, &raw mut usage as u64, 0, 0, 0, 0]) };
    usage
}

impl Rusage {
    /// CPU time in microseconds.
    pub fn cpu(&self) -> u64 {
        let micros = |time: [i64; 2]| (time[0] * 1_000_000 + time[1]) as u64;
        micros(self.user) + micros(self.system)
    }
}

fn report(report: Report) {
    let size = core::mem::size_of::<Report>() as u64;
    let address = &raw const report as u64;
    // SAFETY: reads a value of this stack.
    unsafe { syscall(nr::WRITE, [fd::CONTROL as u64, address, size, 0, 0, 0]) };
}
