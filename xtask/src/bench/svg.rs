//! The results as a picture: a bar per contender, as long as its tenth percentile.
//!
//! The colours follow the reader's preference for dark or light; the picture has no background
//! of its own.

use super::report::{Measured, compared};

const WIDTH: f64 = 720.0;
const ROW: f64 = 34.0;
const TOP: f64 = 40.0;
/// Where the bars begin: to their left stand the names.
const LEFT: f64 = 190.0;
/// What is kept free to the right of the longest bar, for its numbers.
const RIGHT: f64 = 190.0;

const STYLE: &str = "\
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.note { fill: #59636e }
rect { fill: #2f6fd0 }
rect.base { fill: #8c959f }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .note { fill: #9198a1 }
  rect { fill: #6cb0ff }
  rect.base { fill: #7d8590 }
}";

pub(super) fn draw(measured: &[Measured]) -> String {
    let rows = compared(measured);
    let longest = rows.iter().filter_map(|(_, numbers)| numbers.map(|(times, _)| times.p10));
    let scale = (WIDTH - LEFT - RIGHT) / longest.fold(1.0, f64::max);
    let mut body = text(0.0, 20.0, "", "Starting a command: microseconds (p10), lower is better");
    for (index, (it, numbers)) in rows.iter().enumerate() {
        let y = TOP + index as f64 * ROW;
        body += &text(0.0, y + 17.0, "", it.label);
        body += &match numbers {
            Some((times, compared)) => {
                let label = match index {
                    0 => format!("{:.0}", times.p10),
                    _ => format!("{:.0} ({:.2} x plain)", times.p10, compared.ratio),
                };
                bar(y, times.p10 * scale, index == 0) + &after(times.p10 * scale, y, "", &label)
            }
            None => after(0.0, y, "note", "not run"),
        };
    }
    let height = TOP + rows.len() as f64 * ROW;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" role=\"img\">\n\
         <style>\n{STYLE}\n</style>\n{body}</svg>\n"
    )
}

fn bar(y: f64, length: f64, is_base: bool) -> String {
    let class = if is_base { " class=\"base\"" } else { "" };
    format!("<rect{class} x=\"{LEFT}\" y=\"{y}\" width=\"{length:.1}\" height=\"24\" rx=\"3\"/>\n")
}

/// Text behind a bar of that length.
fn after(length: f64, y: f64, class: &str, content: &str) -> String {
    text(LEFT + length + 8.0, y + 17.0, class, content)
}

fn text(x: f64, y: f64, class: &str, content: &str) -> String {
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    let content = content.replace('&', "&amp;").replace('<', "&lt;");
    format!("<text{class} x=\"{x:.1}\" y=\"{y:.1}\">{content}</text>\n")
}

#[cfg(test)]
mod tests {
    use super::super::stats::Summary;
    use super::*;

    #[test]
    fn each_contender_is_drawn() {
        let measured = [
            Measured { label: "a <b> & c", outcome: Ok(Summary { p10: 100.0, p50: 110.0 }) },
            Measured { label: "long", outcome: Ok(Summary { p10: 200.0, p50: 210.0 }) },
            Measured { label: "absent", outcome: Err("no such program".into()) },
        ];
        let picture = draw(&measured);
        assert_eq!(picture.matches("<rect").count(), 2);
        assert!(picture.contains("a &lt;b> &amp; c"));
        assert!(picture.contains("200 (2.00 x plain)"));
        assert!(picture.contains(&format!("width=\"{:.1}\"", WIDTH - LEFT - RIGHT)));
        assert!(picture.contains("not run"));
    }
}
