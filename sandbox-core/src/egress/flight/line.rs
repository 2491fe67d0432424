//! The first line of what is no TLS, as it comes. Each byte is looked at once, however slowly the
//! line comes.

use crate::egress::http::is_token;

/// What a request without a version, or one that a lenient server completes, begins with.
const METHODS: &[&[u8]] = &[
    b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH", b"PRI",
];

/// What makes any line a request.
const VERSION: &[u8] = b"HTTP/";

/// The first line, as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Where it begins: servers skip line ends in front.
    start: usize,
    /// How far it has been looked at.
    looked: usize,
    whole: bool,
    /// It holds a byte that no server reads in a line.
    strange: bool,
    request: bool,
    word: Word,
}

/// Its first word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Word {
    /// Blanks, so far.
    #[default]
    Blank,
    /// What could be a method, so far.
    Begun,
    /// What could be a method, and a blank.
    Method,
    /// Something else.
    Other,
}

impl Line {
    /// Goes on with everything that the client has sent so far.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        if self.looked == self.start {
            self.start += leading(&bytes[self.start..]);
            self.looked = self.start;
        }
        if self.whole {
            return;
        }
        let from = self.looked;
        let end = bytes[from..].iter().position(|&byte| byte == b'\n');
        let to = end.map_or(bytes.len(), |end| from + end);
        let new = &bytes[from..to];
        self.whole = end.is_some();
        self.looked = to;
        self.strange |= !new.iter().all(|&byte| is_text(byte));
        for &byte in new {
            self.word = self.word.then(byte);
        }
        let overlap = &bytes[from.saturating_sub(VERSION.len() - 1).max(self.start)..to];
        self.request |= has_version(overlap) || has_known_method(&bytes[self.start..to]);
    }

    pub(super) fn start(&self) -> usize {
        self.start
    }

    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Whether some server might take the line, as far as it goes, for a request.
    pub(super) fn is_request(&self) -> bool {
        self.request
    }

    /// Whether it begins with what could be a method, and a blank.
    pub(super) fn has_method(&self) -> bool {
        self.word == Word::Method
    }

    /// Whether what is to come of it can make it a request.
    pub(super) fn is_open(&self) -> bool {
        !self.whole && (self.has_method() || !self.strange)
    }
}

impl Word {
    fn then(self, byte: u8) -> Self {
        let blank = is_text(byte) && !byte.is_ascii_graphic();
        match self {
            Self::Blank if blank => Self::Blank,
            Self::Blank | Self::Begun if is_token(byte) => Self::Begun,
            Self::Begun if blank => Self::Method,
            Self::Blank | Self::Begun => Self::Other,
            Self::Method | Self::Other => self,
        }
    }
}

/// How many line ends stand in front: servers skip them.
pub(crate) fn leading(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or(bytes.len())
}

/// Whether a server might read this in a line: any sign, and what some languages count as blanks.
fn is_text(byte: u8) -> bool {
    matches!(byte, 0x09..=0x0d | 0x1c..=0x7e | 0x80..)
}

fn has_version(part: &[u8]) -> bool {
    part.windows(VERSION.len()).any(|part| part.eq_ignore_ascii_case(VERSION))
}

fn has_known_method(line: &[u8]) -> bool {
    let known = |method: &&[u8]| {
        let blank = line.strip_prefix(*method).and_then(<[u8]>::first);
        blank.is_some_and(|byte| !byte.is_ascii_graphic())
    };
    METHODS.iter().any(known)
}
