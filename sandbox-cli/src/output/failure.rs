//! Errors, as a person or a program reads them.

use std::io::{self, Write};

use serde::Serialize;

use super::style::{ERROR, HELP};
use crate::exit;
use crate::failure::Failure;

#[derive(Serialize)]
struct Report<'a> {
    error: Body<'a>,
}

#[derive(Serialize)]
struct Body<'a> {
    kind: &'a str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
}

/// Shows a failure: as JSON on standard output, or as text on standard error.
pub(crate) fn show(failure: &Failure, json: bool) {
    if failure.is_silent() {
        return;
    }
    if !json || show_json(failure.kind(), failure.to_string(), failure.help()).is_err() {
        show_text(&failure.to_string(), failure.help());
    }
}

/// Shows what clap found, or the help that was asked for, and tells the exit code.
pub(crate) fn show_usage(error: &clap::Error) -> i32 {
    if !error.use_stderr() {
        // Help or version; whoever asked and then closed the stream has read enough.
        let _ = error.print();
        return 0;
    }
    let rendered = printable(&error.render().to_string());
    let (message, rest) = split(&rendered);
    if !json_was_asked() || show_json("usage", message.to_owned(), None).is_err() {
        show_text(&format!("{message}{}", rest.trim_end()), None);
    }
    exit::SANDBOX_FAILED
}

fn show_json(kind: &str, message: String, help: Option<&str>) -> Result<(), Failure> {
    super::print_json(&Report { error: Body { kind, message, help } })
}

fn show_text(message: &str, help: Option<&str>) {
    let mut out = stderr();
    // Where standard error is gone there is nobody to tell; the exit code remains.
    let _ = writeln!(out, "sandbox: {ERROR}error:{ERROR:#} {message}");
    if let Some(help) = help {
        let _ = writeln!(out, "  {HELP}help:{HELP:#} {help}");
    }
}

fn stderr() -> impl Write {
    anstream::AutoStream::auto(io::stderr().lock())
}

/// clap's first paragraph without its own "error:", and the rest.
fn split(rendered: &str) -> (&str, &str) {
    let text = rendered.strip_prefix("error: ").unwrap_or(rendered);
    let end = text.find("\n\n").unwrap_or(text.trim_end().len());
    text.split_at(end)
}

/// clap repeats arguments as they are; whatever a terminal would act upon is escaped here.
fn printable(text: &str) -> String {
    let escape = |c: char| -> String {
        if c == '\n' {
            c.into()
        } else if c.is_control() {
            c.escape_unicode().collect()
        } else {
            c.into()
        }
    };
    text.chars().map(escape).collect()
}

/// Whether the arguments that clap could not make sense of ask for JSON.
fn json_was_asked() -> bool {
    std::env::args_os().take_while(|argument| argument != "--").any(|argument| argument == "--json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_paragraph_is_the_message() {
        assert_eq!(split("error: wrong:\n  x\n\nUsage: x\n"), ("wrong:\n  x", "\n\nUsage: x\n"));
        assert_eq!(split("odd\n"), ("odd", "\n"));
    }

    #[test]
    fn what_a_terminal_would_act_upon_is_escaped() {
        assert_eq!(printable("a\u{1b}[31m\nb\r"), "a\\u{1b}[31m\nb\\u{d}");
    }
}
