//! Paths of requests, and the patterns that they are held against.

use std::fmt;

/// A path, or all that begin with one: `/user`, `/repos/*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    stem: String,
    open: bool,
}

impl PathPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (stem, open) = text.strip_suffix('*').map_or((text, false), |stem| (stem, true));
        let plain = PlainPath::of(stem).is_some() && !stem.contains(['*', '?', '#']);
        match plain {
            true => Ok(Self { stem: stem.into(), open }),
            false => Err(format!(
                "{text:?} is no path: write it from its first \"/\" on, with \"*\" at the end alone"
            )),
        }
    }

    /// Whether it is this path.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        if self.open { path.starts_with(&self.stem) } else { path == self.stem }
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.stem, if self.open { "*" } else { "" })
    }
}

/// The path of a request's target, if every server reads it alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainPath<'a>(&'a str);

impl<'a> PlainPath<'a> {
    /// The path of a target, its query left out; none where a server might go elsewhere with it: by
    /// `..`, by an empty segment, by a separator that is encoded or of another system, by parameters
    /// of a segment.
    #[must_use]
    pub fn of(target: &'a str) -> Option<Self> {
        let path = target.split(['?', '#']).next().unwrap_or_default();
        let mut segments = path.strip_prefix('/')?.split('/').peekable();
        while let Some(segment) = segments.next() {
            let last = segments.peek().is_none();
            let empty = segment.is_empty() && !last;
            if empty || matches!(segment, "." | "..") || !is_plain(segment) {
                return None;
            }
        }
        Some(Self(path))
    }

    /// The path as it was written.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

/// Whether no part of a segment means something else once it is decoded.
fn is_plain(segment: &str) -> bool {
    let encoded = |at: usize| {
        let digits = segment
            .get(at + 1..at + 3)
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        digits.and_then(|digits| u8::from_str_radix(digits, 16).ok())
    };
    let harmless = |byte: u8| !matches!(byte, b'.' | b'/' | b'\\' | b'%' | b';') && byte >= b' ';
    !segment.contains(['\\', ';'])
        && segment.match_indices('%').all(|(at, _)| encoded(at).is_some_and(harmless))
}
