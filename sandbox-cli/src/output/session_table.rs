//! Tables, and how long ago something was.

use std::time::{SystemTime, UNIX_EPOCH};

use anstyle::Style;

use super::style::{TITLE, paint};
use super::text::Text;

/// A cell: its text and its style.
pub(super) type Cell = (Style, String);

/// A cell without a style.
pub(super) fn plain(text: impl Into<String>) -> Cell {
    (Style::new(), text.into())
}

/// A table with its titles; the last column is as wide as it likes.
pub(super) fn table<const N: usize>(titles: [&str; N], rows: &[[Cell; N]]) -> String {
    let width = |at: usize| {
        let cells = rows.iter().map(|row| row[at].1.chars().count());
        cells.chain([titles[at].len()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |cells: [(Style, &str); N]| {
        let cells = cells.iter().enumerate().map(|(at, (style, text))| {
            paint(*style, text, if at + 1 == N { 0 } else { widths[at] })
        });
        cells.collect::<Vec<_>>().join("  ")
    };
    let mut text = Text::default();
    text.line(0, &line(titles.map(|title| (TITLE, title))));
    for row in rows {
        text.line(0, &line(row.each_ref().map(|(style, cell)| (*style, cell.as_str()))));
    }
    text.finish()
}

/// How long ago a moment was, in seconds since 1970, as one number and its unit.
pub(super) fn age(moment: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    elapsed(now.saturating_sub(moment))
}

fn elapsed(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=7199 => format!("{}m", seconds / 60),
        7200..=172_799 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let bold = Style::new().bold();
        let rows =
            [[plain("long"), (bold, "x".into()), plain("1")], [plain("ä"), plain(""), plain("22")]];
        let shown = table(["A", "BB", "C"], &rows);
        let shown = anstream::adapter::strip_str(&shown).to_string();
        assert_eq!(shown, "A     BB  C\nlong  x   1\nä         22\n");
    }

    #[test]
    fn an_age_has_one_unit() {
        for (seconds, text) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (7199, "119m"),
            (7200, "2h"),
            (172_799, "47h"),
            (172_800, "2d"),
        ] {
            assert_eq!(elapsed(seconds), text);
        }
    }
}
