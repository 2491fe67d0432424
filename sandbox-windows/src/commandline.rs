//! Arguments to a command line.
//!
//! Windows hands a program one string, and the program splits it. Nearly all split by the rules of
//! `CommandLineToArgvW`, so each argument is quoted such that these rules give it back: a quotation
//! mark is escaped by a backslash, and backslashes are doubled, but only in front of a quotation
//! mark. The program's own name follows other rules (no escapes at all) and is always quoted.
//!
//! Text is UTF-16 code units, paired or not, because that is what names and arguments are made of.
//!
//! # Security
//! A batch file is no program: Windows starts `cmd.exe` on it, which splits the line by rules of
//! its own, expands variables in it and runs what stands behind a `&`. No quoting survives that for
//! every argument, so arguments for a batch file are refused, and so are batch files in folders
//! whose names `cmd.exe` would read as more than names.

/// The longest command line, its terminator included, in code units (`CreateProcessW`).
const LONGEST: usize = 32_767;

const QUOTE: u16 = b'"' as u16;
const BACKSLASH: u16 = b'\\' as u16;
const SPACE: u16 = b' ' as u16;

/// What `cmd.exe` acts upon in a file's name, quoted or not.
const CMD_MEANINGS: &[u8] = b"&<>()@^|%!\"";

/// Why arguments have no command line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandLineError {
    /// The program's name is empty, or holds a quotation mark.
    #[error("the program has no name that a command line can hold")]
    Program,
    /// A NUL, which would end the line.
    #[error("argument {at} holds a NUL, which no command line can")]
    Nul {
        /// Which argument; 0 is the program.
        at: usize,
    },
    /// Longer than Windows takes.
    #[error("the command line has {length} characters: Windows takes at most 32766")]
    TooLong {
        /// How long it would be.
        length: usize,
    },
    /// Arguments for a batch file.
    #[error("a batch file takes no arguments here: cmd.exe would run what stands in them")]
    BatchArguments,
    /// A batch file whose path means something to `cmd.exe`.
    #[error("the batch file lies in a path that cmd.exe would not read as a name")]
    BatchPath,
}

/// The command line for a program and the arguments after its name, without a terminator.
///
/// # Errors
/// [`CommandLineError`]: what cannot be handed over unchanged.
///
/// ```
/// use sandbox_windows::commandline::compose;
///
/// let wide = |text: &str| text.encode_utf16().collect::<Vec<_>>();
/// let line = compose(&wide("tool.exe"), &[wide("a b"), wide(r#"say "hi""#)])?;
/// assert_eq!(String::from_utf16_lossy(&line), r#""tool.exe" "a b" "say \"hi\"""#);
/// # Ok::<(), sandbox_windows::commandline::CommandLineError>(())
/// ```
pub fn compose(program: &[u16], arguments: &[Vec<u16>]) -> Result<Vec<u16>, CommandLineError> {
    if program.is_empty() || program.contains(&QUOTE) {
        return Err(CommandLineError::Program);
    }
    let texts = std::iter::once(program).chain(arguments.iter().map(Vec::as_slice));
    if let Some(at) = texts.into_iter().position(|text| text.contains(&0)) {
        return Err(CommandLineError::Nul { at });
    }
    if is_batch(program) {
        check_batch(program, arguments)?;
    }
    let mut line = vec![QUOTE];
    line.extend_from_slice(program);
    line.push(QUOTE);
    for argument in arguments {
        line.push(SPACE);
        quote(argument, &mut line);
    }
    if line.len() >= LONGEST {
        return Err(CommandLineError::TooLong { length: line.len() });
    }
    Ok(line)
}

/// Whether Windows would start `cmd.exe` for this file. Dots and blanks at the end of a name do not
/// count: Windows drops them before it looks.
#[must_use]
pub fn is_batch(program: &[u16]) -> bool {
    let dropped = |unit: &u16| *unit == SPACE || *unit == u16::from(b'.');
    let end = program.iter().rposition(|unit| !dropped(unit)).map_or(0, |last| last + 1);
    // A colon starts the name of a stream, as in "x.bat::$DATA", which opens the file all the same.
    let streams = program[..end].split(|unit| *unit == u16::from(b':'));
    streams.into_iter().any(|name| {
        let end = name.iter().rposition(|unit| !dropped(unit)).map_or(0, |last| last + 1);
        [".bat", ".cmd"].iter().any(|suffix| ends_with(&name[..end], suffix))
    })
}

/// Whether a text ends in an ASCII suffix, without regard to case.
fn ends_with(text: &[u16], suffix: &str) -> bool {
    let Some(start) = text.len().checked_sub(suffix.len()) else { return false };
    text[start..]
        .iter()
        .zip(suffix.bytes())
        .all(|(unit, byte)| u8::try_from(*unit).is_ok_and(|unit| unit.eq_ignore_ascii_case(&byte)))
}

fn check_batch(program: &[u16], arguments: &[Vec<u16>]) -> Result<(), CommandLineError> {
    if !arguments.is_empty() {
        return Err(CommandLineError::BatchArguments);
    }
    let means = |unit: &u16| u8::try_from(*unit).is_ok_and(|b| CMD_MEANINGS.contains(&b) || b < 32);
    if program.iter().any(means) { Err(CommandLineError::BatchPath) } else { Ok(()) }
}

/// Appends one argument such that it is split off unchanged.
fn quote(argument: &[u16], line: &mut Vec<u16>) {
    let splits = |unit: &u16| matches!(u8::try_from(*unit), Ok(b' ' | b'\t' | b'\n' | 0x0b | b'"'));
    if !argument.is_empty() && !argument.iter().any(splits) {
        // Backslashes are plain as long as no quotation mark follows.
        line.extend_from_slice(argument);
        return;
    }
    line.push(QUOTE);
    let mut backslashes = 0;
    for &unit in argument {
        if unit == QUOTE {
            // Those in front are doubled, and one more escapes the mark itself.
            line.extend(std::iter::repeat_n(BACKSLASH, backslashes + 1));
        }
        backslashes = if unit == BACKSLASH { backslashes + 1 } else { 0 };
        line.push(unit);
    }
    // The closing mark must not be escaped by what the argument ends in.
    line.extend(std::iter::repeat_n(BACKSLASH, backslashes));
    line.push(QUOTE);
}

#[cfg(test)]
mod tests;
