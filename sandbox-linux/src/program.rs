//! Builds the helper's program: lists of system calls with everything they point to.
//!
//! Pure: paths and numbers in, bytes out. The image is laid out for its fixed address, so the
//! helper has nothing to relocate. Every call has a name, which is what a failure is reported by
//! and what `sandbox policy explain` prints.

use std::borrow::Cow;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::abi::{BASE, Call, Header, List, MAGIC};

/// Which list a call belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// By the helper, before there is a payload.
    Setup = 0,
    /// By the payload's process.
    Payload = 1,
    /// By the helper, once there is a payload.
    After = 2,
}

/// An address in the mapped image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pointer(u64);

/// A place in the image that holds the result of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(u64);

/// An argument of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Argument {
    Number(u64),
    Stored(Slot),
}

/// Unsigned and signed numbers keep their bits; a negative one is sign-extended, as the kernel
/// expects of `AT_FDCWD`.
macro_rules! number_argument {
    ($($type:ty),*) => {$(
        impl From<$type> for Argument {
            #[allow(clippy::cast_sign_loss, clippy::cast_lossless, reason = "bits are kept")]
            fn from(number: $type) -> Self {
                Self::Number(number as i64 as u64)
            }
        }
    )*};
}
number_argument!(i32, u32, i64, u64, usize);

impl From<Pointer> for Argument {
    fn from(pointer: Pointer) -> Self {
        Self::Number(pointer.0)
    }
}

impl From<Slot> for Argument {
    fn from(slot: Slot) -> Self {
        Self::Stored(slot)
    }
}

impl Pointer {
    /// The slot that lies `offset` bytes behind this address.
    pub(crate) fn slot_at(self, offset: u64) -> Slot {
        Slot(self.0 + offset)
    }

    /// The address as a number, for structures that hold it.
    pub(crate) fn address(self) -> u64 {
        self.0
    }
}

/// What a call is called: most always the same.
pub(crate) type Name = Cow<'static, str>;

/// One list with the names of its calls.
#[derive(Clone, Debug, Default)]
struct Steps {
    calls: Vec<Call>,
    names: Vec<Name>,
}

/// A program under construction.
#[derive(Debug)]
pub(crate) struct Program {
    data: Vec<u8>,
    steps: [Steps; 3],
    /// Whether descriptors are closed one by one as they are used up.
    pub(crate) close: bool,
    /// See [`Header::pid_namespace`].
    pub(crate) pid_namespace: bool,
    /// See [`Header::serves`].
    pub(crate) serves: bool,
    /// See [`Header::group`].
    pub(crate) group: u32,
    /// See [`Header::watch_interval`].
    pub(crate) watch_interval: u32,
    /// See [`Header::cpu_limit`].
    pub(crate) cpu_limit: u64,
    /// See [`Header::memory_limit`].
    pub(crate) memory_limit: u64,
}

/// A program, ready to be mapped.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    /// The bytes of the mapping.
    pub(crate) bytes: Vec<u8>,
    /// The names of the calls, list by list.
    pub(crate) names: [Vec<Name>; 3],
}

/// The call that was just added, for what few calls need.
pub(crate) struct Added<'a>(&'a mut Call);

impl Added<'_> {
    /// Stores the result.
    pub(crate) fn store(self, slot: Slot) -> Self {
        self.0.result = slot.0;
        self
    }

    /// Counts these errors as success.
    pub(crate) fn tolerate(self, errors: &[i32]) -> Self {
        for (place, error) in self.0.tolerated.iter_mut().zip(errors) {
            *place = u16::try_from(*error).unwrap_or_default();
        }
        self
    }

    /// Fails with a tolerated error after all, if the list comes to its end.
    pub(crate) fn remember(self) -> Self {
        self.0.remembered = 1;
        self
    }
}

impl Program {
    pub(crate) fn new() -> Self {
        Self {
            data: Vec::with_capacity(4096),
            steps: Default::default(),
            close: false,
            pid_namespace: false,
            serves: false,
            group: 0,
            watch_interval: 0,
            cpu_limit: 0,
            memory_limit: 0,
        }
    }

    /// Where the next datum lies.
    fn next(&self) -> u64 {
        BASE + size_of::<Header>() as u64 + self.data.len() as u64
    }

    /// The address of what comes next, aligned for any structure.
    fn aligned(&mut self) -> Pointer {
        self.data.resize(self.data.len().next_multiple_of(8), 0);
        Pointer(self.next())
    }

    /// Lays bytes out.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Pointer {
        let pointer = self.aligned();
        self.data.extend_from_slice(bytes);
        pointer
    }

    /// Lays a structure of numbers out.
    pub(crate) fn words(&mut self, words: &[u64]) -> Pointer {
        let pointer = self.aligned();
        self.data.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
        pointer
    }

    /// Lays a text out, with its NUL.
    pub(crate) fn text(&mut self, text: impl AsRef<[u8]>) -> Pointer {
        let pointer = self.bytes(text.as_ref());
        self.data.push(0);
        pointer
    }

    /// Lays a path out.
    pub(crate) fn path(&mut self, path: &Path) -> Pointer {
        self.text(path.as_os_str().as_bytes())
    }

    /// Lays a NULL-terminated list of texts out.
    pub(crate) fn texts<T: AsRef<[u8]>>(&mut self, texts: impl IntoIterator<Item = T>) -> Pointer {
        let mut words: Vec<u64> = texts.into_iter().map(|text| self.text(text).0).collect();
        words.push(0);
        self.words(&words)
    }

    /// Reserves room for a result.
    pub(crate) fn slot(&mut self) -> Slot {
        Slot(self.bytes(&[0; 8]).0)
    }

    /// Adds a call.
    pub(crate) fn call(
        &mut self,
        phase: Phase,
        name: impl Into<Name>,
        number: libc::c_long,
        arguments: &[Argument],
    ) -> Added<'_> {
        let mut call =
            Call { number: u32::try_from(number).unwrap_or(u32::MAX), ..Call::default() };
        for (at, argument) in arguments.iter().enumerate() {
            match argument {
                Argument::Number(number) => call.arguments[at] = *number,
                Argument::Stored(slot) => {
                    call.arguments[at] = slot.0;
                    call.stored |= 1 << at;
                }
            }
        }
        let steps = &mut self.steps[phase as usize];
        steps.calls.push(call);
        steps.names.push(name.into());
        let last = steps.calls.len() - 1;
        Added(&mut steps.calls[last])
    }

    /// Adds calls of which the first may fail with one of `errors`; the others are then left out.
    pub(crate) fn optional(&mut self, phase: Phase, errors: &[i32], add: impl FnOnce(&mut Self)) {
        let first = self.steps[phase as usize].calls.len();
        add(self);
        let calls = &mut self.steps[phase as usize].calls;
        let rest = calls.len().saturating_sub(first + 1);
        if let Some(call) = calls.get_mut(first) {
            Added(call).tolerate(errors).0.skip = u16::try_from(rest).unwrap_or(u16::MAX);
        }
    }

    /// As [`Self::optional`], and the list fails with that error after all, at its end.
    pub(crate) fn optional_remembered(
        &mut self,
        phase: Phase,
        errors: &[i32],
        add: impl FnOnce(&mut Self),
    ) {
        let first = self.steps[phase as usize].calls.len();
        self.optional(phase, errors, add);
        if let Some(call) = self.steps[phase as usize].calls.get_mut(first) {
            Added(call).remember();
        }
    }

    /// Lays the lists out behind the data.
    pub(crate) fn finish(mut self) -> Image {
        let mut lists = [List::default(); 3];
        let steps = std::mem::take(&mut self.steps);
        for (list, steps) in lists.iter_mut().zip(&steps) {
            let pointer = self.aligned();
            for call in &steps.calls {
                self.data.extend_from_slice(crate::sys::bytes_of_call(call));
            }
            *list = List { address: pointer.0, count: steps.calls.len() as u64 };
        }
        let [setup, payload, after] = lists;
        let header = Header {
            magic: MAGIC,
            setup,
            payload,
            after,
            pid_namespace: u32::from(self.pid_namespace),
            serves: u32::from(self.serves),
            group: self.group,
            watch_interval: self.watch_interval,
            cpu_limit: self.cpu_limit,
            memory_limit: self.memory_limit,
        };
        let header = crate::sys::bytes_of_header(&header);
        let bytes = [header, &self.data].concat();
        Image { bytes, names: steps.map(|steps| steps.names) }
    }
}
