//! Limits that no kernel mechanism holds here, held by looking.
//!
//! Where a cgroup is out of reach, nothing in the kernel bounds the CPU time or the memory of a
//! whole tree. The helper then looks at `/proc` every few milliseconds and adds up. A tree can
//! overshoot between two looks, which the report says; the limits of a single process are exact,
//! because rlimits hold those.

use super::abi::{Header, reason};
use super::close;
use super::raw::{nr, syscall};
use super::supervise::used;

const PAGE: u64 = 4096;
/// `USER_HZ`: the unit of times in `/proc/PID/stat`, the same on every Linux.
const MICROS_PER_TICK: u64 = 10_000;
const O_RDONLY_CLOEXEC: u64 = 0o2_000_000;
const AT_FDCWD: u64 = -100i64 as u64;

/// The limits that are watched.
pub struct Watch {
    cpu: u64,
    memory: u64,
    whole: bool,
}

/// What one look added up.
#[derive(Default)]
struct Sum {
    cpu: u64,
    memory: u64,
}

impl Watch {
    pub fn new(program: &Header) -> Self {
        Self {
            cpu: program.cpu_limit,
            memory: program.memory_limit,
            whole: program.pid_namespace != 0,
        }
    }

    /// Adds everything up; an answer means that a limit is passed.
    pub fn look(&mut self) -> Option<u32> {
        if self.cpu == 0 && self.memory == 0 {
            return None;
        }
        let mut sum = Sum { cpu: used().cpu(), memory: 0 };
        if self.whole {
            each_process(|process| add(process, &mut sum));
        } else {
            each_descendant(|process| add(process, &mut sum));
        }
        if self.cpu != 0 && sum.cpu > self.cpu {
            return Some(reason::CPU);
        }
        (self.memory != 0 && sum.memory > self.memory).then_some(reason::MEMORY)
    }
}

/// Every process of our pid namespace but ourselves.
fn each_process(mut visit: impl FnMut(i64)) {
    let Some(directory) = open(b"/proc\0") else { return };
    let mut entries = [0u8; 4096];
    loop {
        let address = entries.as_mut_ptr() as u64;
        // SAFETY: writes a buffer of this stack.
        let read = unsafe { syscall(nr::GETDENTS64, [directory as u64, address, 4096, 0, 0, 0]) };
        if read <= 0 {
            break;
        }
        let mut at = 0;
        while at < read as usize {
            let size = usize::from(u16::from_ne_bytes([entries[at + 16], entries[at + 17]]));
            if let (process @ 2.., _) = number(&entries[at + 19..]) {
                visit(process as i64);
            }
            at += size.max(1);
        }
    }
    close(directory);
}

/// Our direct children.
pub fn each_child(visit: impl FnMut(i64)) {
    // SAFETY: asks for our own number.
    let own = unsafe { syscall(nr::GETPID, [0; 6]) };
    children_of(own, visit);
}

fn children_of(process: i64, mut visit: impl FnMut(i64)) {
    let mut name = Name::new();
    name.text(b"/proc/").number(process as u64).text(b"/task/").number(process as u64);
    name.text(b"/children\0");
    let mut buffer = [0u8; 4096];
    let length = read_all(name.bytes(), &mut buffer);
    let mut at = 0;
    while at < length {
        let (child, digits) = number(&buffer[at..length]);
        // A number that the buffer cut is left for the next look.
        if digits > 0 && at + digits < buffer.len() {
            visit(child as i64);
        }
        at += digits + 1;
    }
}

/// Without a pid namespace: our children and theirs, to a bounded depth.
pub fn each_descendant(mut visit: impl FnMut(i64)) {
    fn descend(process: i64, depth: u32, visit: &mut dyn FnMut(i64)) {
        visit(process);
        if depth > 0 {
            children_of(process, |child| descend(child, depth - 1, visit));
        }
    }
    each_child(|child| descend(child, 24, &mut visit));
}

/// Adds one process: its own time and that of the children it reaped, and its resident pages.
fn add(process: i64, sum: &mut Sum) {
    let mut name = Name::new();
    name.text(b"/proc/").number(process as u64).text(b"/stat\0");
    let mut buffer = [0u8; 1024];
    let length = read_all(name.bytes(), &mut buffer);
    // The command's name is in parentheses and may hold anything; the fields follow the last ')'.
    let Some(close) = buffer[..length].iter().rposition(|&byte| byte == b')') else { return };
    let mut fields = buffer[close..length].split(|&byte| byte == b' ');
    // Behind the name comes field 3, the state; utime is field 14, rss field 24.
    let mut field = |skip: usize| number(fields.nth(skip).unwrap_or(b"0")).0;
    let times = field(12) + field(0) + field(0) + field(0);
    sum.cpu += times * MICROS_PER_TICK;
    sum.memory += field(6) * PAGE;
}

/// The number at the start of a text, and how many digits it has.
fn number(text: &[u8]) -> (u64, usize) {
    let mut value = 0u64;
    let mut digits = 0;
    while digits < text.len() && text[digits].is_ascii_digit() && digits < 18 {
        value = value * 10 + u64::from(text[digits] - b'0');
        digits += 1;
    }
    (value, digits)
}

fn open(name: &[u8]) -> Option<i32> {
    let address = name.as_ptr() as u64;
    // SAFETY: the name ends in NUL.
    let made = unsafe { syscall(nr::OPENAT, [AT_FDCWD, address, O_RDONLY_CLOEXEC, 0, 0, 0]) };
    (made >= 0).then_some(made as i32)
}

fn read_all(name: &[u8], buffer: &mut [u8]) -> usize {
    let Some(file) = open(name) else { return 0 };
    let address = buffer.as_mut_ptr() as u64;
    let size = buffer.len() as u64;
    // SAFETY: writes into the buffer, within its size.
    let read = unsafe { syscall(nr::READ, [file as u64, address, size, 0, 0, 0]) };
    close(file);
    read.max(0) as usize
}

/// A short text, composed.
struct Name {
    bytes: [u8; 64],
    length: usize,
}

impl Name {
    fn new() -> Self {
        Self { bytes: [0; 64], length: 0 }
    }

    fn text(&mut self, text: &[u8]) -> &mut Self {
        for &byte in text {
            if self.length < self.bytes.len() {
                self.bytes[self.length] = byte;
                self.length += 1;
            }
        }
        self
    }

    fn number(&mut self, value: u64) -> &mut Self {
        let mut digits = [0u8; 20];
        let mut at = digits.len();
        let mut rest = value;
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.text(&digits[at..])
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
