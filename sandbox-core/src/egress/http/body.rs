//! Where a request's body ends (RFC 9112, section 6), so that the next request's head is found.

use super::Malformed;

/// The longest line in front of a chunk or behind the last one.
const LINE: usize = 4 << 10;
/// The most that the trailer fields of one request come to.
const TRAILERS: usize = 64 << 10;

/// How a request's body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// This many bytes; 0 for a request without a body.
    Length(u64),
    /// Chunks, each with its length.
    Chunked,
}

/// A body that is being passed on.
#[derive(Debug)]
pub(crate) enum Body {
    /// So much of it, or of a chunk of it, is to come.
    Left { left: u64, chunked: bool },
    /// The line end behind a chunk's data.
    Gap { seen: Vec<u8> },
    /// The line in front of a chunk.
    Size { line: Vec<u8> },
    /// The fields behind the last chunk.
    Trailer { line: Vec<u8>, total: usize },
    /// Nothing is to come.
    Done,
}

impl Body {
    pub(crate) fn new(framing: Framing) -> Self {
        match framing {
            Framing::Length(0) => Self::Done,
            Framing::Length(left) => Self::Left { left, chunked: false },
            Framing::Chunked => Self::Size { line: Vec::new() },
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// How many of these bytes belong to the body.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut taken = 0;
        while taken < bytes.len() && !self.is_done() {
            taken += self.step(&bytes[taken..])?;
        }
        Ok(taken)
    }

    /// Goes on by one piece of what the body is made of: how many bytes it has, and whether they are
    /// content.
    #[cfg(feature = "mitm")]
    pub(crate) fn piece(&mut self, bytes: &[u8]) -> Result<(usize, bool), Malformed> {
        let is_content = matches!(self, Self::Left { .. });
        Ok((self.step(bytes)?, is_content))
    }

    fn step(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        match self {
            Self::Left { left, chunked } => {
                let now = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= now as u64;
                if *left == 0 {
                    *self = if *chunked { Self::Gap { seen: Vec::new() } } else { Self::Done };
                }
                Ok(now)
            }
            Self::Gap { seen } => {
                let (now, ended) = line(seen, bytes)?;
                if ended && !seen.is_empty() {
                    return Err(Malformed::Body);
                }
                if ended {
                    *self = Self::Size { line: Vec::new() };
                }
                Ok(now)
            }
            Self::Size { line: text } => {
                let (now, ended) = line(text, bytes)?;
                if ended {
                    *self = match size(text)? {
                        0 => Self::Trailer { line: Vec::new(), total: 0 },
                        left => Self::Left { left, chunked: true },
                    };
                }
                Ok(now)
            }
            Self::Trailer { line: text, total } => {
                let (now, ended) = line(text, bytes)?;
                *total += now;
                if *total > TRAILERS {
                    return Err(Malformed::TooLong);
                }
                match (ended, text.is_empty()) {
                    (true, true) => *self = Self::Done,
                    (true, false) => text.clear(),
                    (false, _) => {}
                }
                Ok(now)
            }
            Self::Done => Ok(0),
        }
    }
}

/// Takes bytes up to the end of a line, which is CR LF and nothing else; the line is kept without.
fn line(text: &mut Vec<u8>, bytes: &[u8]) -> Result<(usize, bool), Malformed> {
    for (at, &byte) in bytes.iter().enumerate() {
        match (text.last(), byte) {
            (Some(b'\r'), b'\n') => {
                text.pop();
                return Ok((at + 1, true));
            }
            (Some(b'\r'), _) | (_, b'\n' | 0) => return Err(Malformed::Body),
            _ if text.len() >= LINE => return Err(Malformed::TooLong),
            _ => text.push(byte),
        }
    }
    Ok((bytes.len(), false))
}

/// A chunk's length: digits alone. Extensions are refused, as parsers differ on where they end.
fn size(line: &[u8]) -> Result<u64, Malformed> {
    let text = std::str::from_utf8(line).map_err(|_| Malformed::Body)?;
    if text.is_empty() || text.len() > 15 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Malformed::Body);
    }
    u64::from_str_radix(text, 16).map_err(|_| Malformed::Body)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds a text in pieces of this size; how much of it was the body, and whether it ended.
    fn feed(framing: Framing, text: &[u8], piece: usize) -> Result<(usize, bool), Malformed> {
        let mut body = Body::new(framing);
        let mut total = 0;
        for bytes in text.chunks(piece) {
            let taken = body.take(bytes)?;
            total += taken;
            if taken < bytes.len() {
                break;
            }
        }
        Ok((total, body.is_done()))
    }

    #[test]
    fn a_body_ends_where_its_framing_says() {
        let chunked = b"5\r\nhello\r\n00A\r\n0123456789\r\n0\r\nx: y\r\n\r\nGET";
        for piece in 1..=chunked.len() {
            assert_eq!(feed(Framing::Length(3), b"abcGET", piece), Ok((3, true)));
            assert_eq!(feed(Framing::Chunked, chunked, piece), Ok((chunked.len() - 3, true)));
            assert_eq!(feed(Framing::Chunked, b"5\r\nhel", piece), Ok((6, false)));
        }
        assert_eq!(feed(Framing::Length(0), b"GET", 3), Ok((0, true)));
    }

    #[test]
    fn what_servers_read_differently_is_refused() {
        let bad: [&[u8]; 10] = [
            b"5;x=y\r\nhello\r\n0\r\n\r\n",
            b"5\nhello\r\n0\r\n\r\n",
            b"5;x=\"\r\n\"\r\nhello\r\n0\r\n\r\n",
            b"+5\r\nhello\r\n",
            b"0x5\r\nhello\r\n",
            b" 5\r\nhello\r\n",
            b"\r\nhello\r\n",
            b"5\r\nhelloX\r\n",
            b"5\r\nhello\n0\r\n\r\n",
            b"ffffffffffffffff\r\n",
        ];
        for text in bad {
            for piece in [1, 2, text.len()] {
                assert_eq!(feed(Framing::Chunked, text, piece), Err(Malformed::Body), "{text:?}");
            }
        }
        let endless = [b"0\r\n".as_slice(), &b"a: b\r\n".repeat(20_000)].concat();
        assert_eq!(feed(Framing::Chunked, &endless, 4096), Err(Malformed::TooLong));
    }
}
