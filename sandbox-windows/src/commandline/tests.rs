//! Command lines split by a parser that was written from the documented rules.

use super::*;

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

/// Splits a command line as `CommandLineToArgvW` does.
fn split(line: &[u16]) -> Vec<Vec<u16>> {
    let blank = |unit: u16| unit == SPACE || unit == u16::from(b'\t');
    let mut units = line.iter().copied().peekable();
    // The program's name: to the next mark if it starts with one, else to the next blank.
    let quoted = units.next_if_eq(&QUOTE).is_some();
    let mut name = Vec::new();
    while let Some(unit) = units.next_if(|&unit| if quoted { unit != QUOTE } else { !blank(unit) })
    {
        name.push(unit);
    }
    let mut found = vec![name];
    units.next_if(|_| quoted);
    loop {
        while units.next_if(|&unit| blank(unit)).is_some() {}
        if units.peek().is_none() {
            return found;
        }
        found.push(split_one(&mut units));
    }
}

/// Splits one argument off: 2n backslashes before a mark are n backslashes, one more is a mark; two
/// marks inside a quotation are one mark and, by the newer rule, stay inside.
fn split_one(units: &mut std::iter::Peekable<impl Iterator<Item = u16>>) -> Vec<u16> {
    let mut argument = Vec::new();
    let mut inside = false;
    loop {
        let mut backslashes = 0;
        while units.next_if_eq(&BACKSLASH).is_some() {
            backslashes += 1;
        }
        if units.peek() == Some(&QUOTE) {
            argument.extend(std::iter::repeat_n(BACKSLASH, backslashes / 2));
            units.next();
            match () {
                () if backslashes % 2 == 1 => argument.push(QUOTE),
                () if inside && units.next_if_eq(&QUOTE).is_some() => argument.push(QUOTE),
                () => inside = !inside,
            }
            continue;
        }
        argument.extend(std::iter::repeat_n(BACKSLASH, backslashes));
        let blank = |unit: u16| unit == SPACE || unit == u16::from(b'\t');
        match units.next_if(|&unit| inside || !blank(unit)) {
            Some(unit) => argument.push(unit),
            None => return argument,
        }
    }
}

/// A small generator, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

#[test]
fn the_reference_splits_as_documented() {
    for (line, expected) in [
        (r#"p "abc" d e"#, vec!["p", "abc", "d", "e"]),
        (r#"p a\\b d"e f"g h"#, vec!["p", r"a\\b", "de fg", "h"]),
        (r#"p a\\\"b c d"#, vec!["p", r#"a\"b"#, "c", "d"]),
        (r#"p a\\\\"b c" d e"#, vec!["p", r"a\\b c", "d", "e"]),
        (r#""p q" """#, vec!["p q", ""]),
        (r#""c:\p\" x"#, vec![r"c:\p\", "x"]),
    ] {
        let expected: Vec<_> = expected.into_iter().map(wide).collect();
        assert_eq!(split(&wide(line)), expected, "{line}");
    }
}

#[test]
fn every_argument_comes_back_unchanged() {
    let letters: Vec<u16> =
        wide("a\\\" \t\n\u{b}'%^&|é𝄞\u{feff}").into_iter().chain([0xd800]).collect();
    let mut dice = Dice(7);
    for _ in 0..20_000 {
        let mut word = |most| (0..dice.roll(most)).map(|_| 0).collect::<Vec<u16>>();
        let mut arguments: Vec<Vec<u16>> = (0..4).map(|_| word(9)).collect();
        let units = arguments.iter_mut().flatten();
        units.for_each(|unit| *unit = letters[dice.roll(letters.len())]);
        let program = wide(r"C:\Program Files\tool\");
        let line = compose(&program, &arguments).unwrap();
        let mut expected = vec![program];
        expected.extend(arguments);
        assert_eq!(split(&line), expected, "{:?}", String::from_utf16_lossy(&line));
    }
}

#[test]
fn plain_arguments_stay_plain() {
    let arguments = [wide(r"C:\a\b\"), wide("--x=y"), wide("")];
    let line = compose(&wide("t"), &arguments).unwrap();
    assert_eq!(String::from_utf16(&line).unwrap(), r#""t" C:\a\b\ --x=y """#);
}

#[test]
fn what_no_line_can_hold_is_refused() {
    let refused = |program: &str, arguments: &[Vec<u16>]| compose(&wide(program), arguments);
    assert_eq!(refused("", &[]), Err(CommandLineError::Program));
    assert_eq!(refused("a\"b", &[]), Err(CommandLineError::Program));
    assert_eq!(refused("a\0b", &[]), Err(CommandLineError::Nul { at: 0 }));
    assert_eq!(refused("a", &[wide("x"), wide("\0")]), Err(CommandLineError::Nul { at: 2 }));
    // `"a" ` and the argument.
    let longest = LONGEST - 1 - 4;
    assert!(refused("a", &[vec![u16::from(b'x'); longest]]).is_ok());
    let length = LONGEST;
    let result = refused("a", &[vec![u16::from(b'x'); longest + 1]]);
    assert_eq!(result, Err(CommandLineError::TooLong { length }));
}

#[test]
fn batch_files_are_known_by_every_name() {
    for name in [
        r"C:\a\x.bat",
        "x.CMD",
        "x.Bat.",
        "x.bat. . ",
        "x.cmd  ",
        "x.bat::$DATA",
        "x.bat .:s:$DATA",
    ] {
        assert!(is_batch(&wide(name)), "{name}");
    }
    for name in ["x.exe", "bat", "x.batch", r"C:\x.bat\y.exe", "x.bat.exe", "", "...", "x.bät"] {
        assert!(!is_batch(&wide(name)), "{name}");
    }
}

#[test]
fn batch_files_take_no_arguments() {
    let batch = |path: &str, arguments: &[Vec<u16>]| compose(&wide(path), arguments);
    let refused = Err(CommandLineError::BatchArguments);
    assert_eq!(batch(r"C:\x.bat", &[wide("\"&calc.exe")]), refused);
    assert_eq!(batch(r"C:\x.cmd. ", &[wide("plain")]), refused);
    assert!(batch(r"C:\my scripts\x.bat", &[]).is_ok());
    for path in [r"C:\a&b\x.bat", r"C:\%PATH%\x.bat", r"C:\a (x86)\x.bat", "C:\\a\nb\\x.bat"] {
        assert_eq!(batch(path, &[]), Err(CommandLineError::BatchPath), "{path}");
    }
}
