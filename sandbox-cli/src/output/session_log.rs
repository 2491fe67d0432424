//! What a task has written: as it was, or as JSON.

use sandbox_core::session::log::{Piece, Stream as Written};
use serde::Serialize;

use super::notes;
use super::result::{Base64, text_or_base64};
use crate::failure::Failure;
use crate::platform::stdio;
use crate::streams::Stream;

/// How a log is shown.
#[derive(Debug)]
pub(crate) enum Shown {
    /// Each stream on ours, at once.
    Raw,
    /// One object for each piece, at once.
    Pieces,
    /// One object at the end.
    Whole(Whole),
}

#[derive(Debug, Default)]
pub(crate) struct Whole {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    missed: u64,
}

#[derive(Serialize)]
struct Answer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout_base64: Option<Base64<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr_base64: Option<Base64<'a>>,
    missed: u64,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Line<'a> {
    Bytes {
        stream: Written,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        base64: Option<Base64<'a>>,
    },
    Missed {
        missed: u64,
    },
}

impl Shown {
    /// Shows the next piece.
    pub(crate) fn add(&mut self, piece: &Piece) -> Result<(), Failure> {
        match (self, piece) {
            (Self::Whole(whole), Piece::Bytes { stream: Written::Stdout, bytes }) => {
                whole.stdout.extend_from_slice(bytes);
            }
            (Self::Whole(whole), Piece::Bytes { bytes, .. }) => {
                whole.stderr.extend_from_slice(bytes);
            }
            (Self::Whole(whole), Piece::Lagged { missed }) => whole.missed += missed,
            (Self::Pieces, Piece::Bytes { stream, bytes }) => {
                let (text, base64) = text_or_base64(bytes);
                super::print_json(&Line::Bytes { stream: *stream, text, base64 })?;
            }
            (Self::Pieces, Piece::Lagged { missed }) => {
                super::print_json(&Line::Missed { missed: *missed })?;
            }
            (Self::Raw, Piece::Bytes { stream, bytes }) => {
                let stream = match stream {
                    Written::Stdout => Stream::Stdout,
                    Written::Stderr => Stream::Stderr,
                };
                stdio::write_all(stream, bytes).map_err(Failure::output(stream.name()))?;
            }
            (Self::Raw, Piece::Lagged { missed }) => {
                notes::say([format!("{missed} bytes are no longer in the log")]);
            }
            _ => {}
        }
        Ok(())
    }

    /// Shows what is left to show.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        let Self::Whole(whole) = self else { return Ok(()) };
        super::print_json(&whole.answer())
    }
}

impl Whole {
    fn answer(&self) -> Answer<'_> {
        let (stdout, stdout_base64) = text_or_base64(&self.stdout);
        let (stderr, stderr_base64) = text_or_base64(&self.stderr);
        Answer { stdout, stdout_base64, stderr, stderr_base64, missed: self.missed }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_whole_log_keeps_the_streams_apart() {
        let pieces = r#"[{"stream":"stdout","bytes":[195]},{"stream":"stderr","bytes":[255]},
            {"stream":"stdout","bytes":[164]}]"#;
        let pieces: Vec<serde_json::Value> = serde_json::from_str(pieces).unwrap();
        let mut whole = Shown::Whole(Whole::default());
        for piece in pieces {
            let stream = serde_json::from_value(piece["stream"].clone()).unwrap();
            let bytes = serde_json::from_value(piece["bytes"].clone()).unwrap();
            assert!(whole.add(&Piece::Bytes { stream, bytes }).is_ok());
        }
        assert!(whole.add(&Piece::Lagged { missed: 7 }).is_ok());
        let Shown::Whole(whole) = whole else { panic!("another way") };
        let answer = serde_json::to_value(whole.answer()).unwrap();
        assert_eq!(answer, json!({"stdout": "ä", "stderr_base64": "/w==", "missed": 7}));
    }
}
