//! Rust with its comments and literals blanked out, so that rules see code alone.
//!
//! A scanner, not a parser: it knows how comments, strings and characters begin and end. Lines
//! keep their number and code keeps its column.

/// Replaces each character of a comment or literal by a space.
pub(super) fn mask(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let inside_name = out.chars().next_back().is_some_and(is_name);
        match opaque(rest, inside_name) {
            0 => {
                out.push(next);
                rest = &rest[next.len_utf8()..];
            }
            length => {
                let blank = |c| if c == '\n' { '\n' } else { ' ' };
                out.extend(rest[..length].chars().map(blank));
                rest = &rest[length..];
            }
        }
    }
    out
}

/// How many bytes of comment or literal the text begins with.
fn opaque(rest: &str, inside_name: bool) -> usize {
    if rest.starts_with("//") {
        rest.find('\n').unwrap_or(rest.len())
    } else if rest.starts_with("/*") {
        block_comment(rest)
    } else if rest.starts_with('"') {
        string(rest)
    } else if rest.starts_with('\'') {
        character(rest)
    } else if !inside_name && rest.starts_with(['r', 'b', 'c']) {
        raw_string(rest)
    } else {
        0
    }
}

/// They nest.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// A character ends with a quote after one character or an escape; a lifetime does not.
fn character(rest: &str) -> usize {
    let inside = &rest[1..];
    if let Some(escape) = inside.strip_prefix('\\') {
        let first = escape.chars().next().map_or(0, char::len_utf8);
        return escape[first..].find('\'').map_or(0, |at| 2 + first + at + 1);
    }
    let width = inside.chars().next().map_or(0, char::len_utf8);
    if inside[width..].starts_with('\'') { 1 + width + 1 } else { 0 }
}

/// `r"`, `r#"`, and the same after `b` or `c`.
fn raw_string(rest: &str) -> usize {
    let Some(after) = rest.trim_start_matches(['b', 'c']).strip_prefix('r') else { return 0 };
    let hashes = after.len() - after.trim_start_matches('#').len();
    let Some(body) = after[hashes..].strip_prefix('"') else { return 0 };
    let end = format!("\"{}", &after[..hashes]);
    let start = rest.len() - body.len();
    body.find(&end).map_or(rest.len(), |at| start + at + end.len())
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn comments_and_literals_are_blanked() {
        let text = "a // unsafe\nb /* x /* y */ unsafe */ c \"unsafe \\\" }\" d";
        assert_eq!(mask(text).split_whitespace().collect::<Vec<_>>(), ["a", "b", "c", "d"]);
        assert_eq!(mask(text).chars().count(), text.chars().count());
    }

    #[test]
    fn raw_strings_end_where_they_should() {
        let text = "x(r#\"a\"b\n}\"#, br\"c\\\", for_bar\"d\") y";
        assert_eq!(mask(text).split_whitespace().collect::<String>(), "x(,,for_bar)y");
        assert_eq!(mask(text).lines().count(), 2);
    }

    #[test]
    fn lifetimes_are_no_characters() {
        let text = "fn f<'a>(x: &'a str) { g('\"', '\\'', '\\u{41}', b'\\\\', 'é') }";
        assert_eq!(mask(text).replace(' ', ""), "fnf<'a>(x:&'astr){g(,,,b,)}");
    }
}
