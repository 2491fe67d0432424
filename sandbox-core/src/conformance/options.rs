//! The arguments of a conformance binary: those of the standard test harness that tools pass.

use std::env;

/// What the suite is asked to do.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// Only cases whose full name contains one of these; all when empty.
    pub filters: Vec<String>,
    /// No case whose full name contains one of these.
    pub skip: Vec<String>,
    /// The filters are whole names.
    pub exact: bool,
    /// Only list the cases.
    pub list: bool,
    /// A skipped case is a failed one.
    pub require_all: bool,
    /// One JSON object a line instead of text.
    pub json: bool,
    /// Say nothing.
    pub quiet: bool,
}

impl Options {
    /// From this process's arguments and `SANDBOX_REQUIRE_ALL`.
    ///
    /// # Errors
    /// An argument that is none of ours, in words.
    pub fn from_env() -> Result<Self, String> {
        let mut options = Self::parse(env::args().skip(1))?;
        options.require_all |= env::var_os("SANDBOX_REQUIRE_ALL").is_some_and(|v| v == "1");
        Ok(options)
    }

    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--list" => options.list = true,
                "--exact" => options.exact = true,
                "--require-all" => options.require_all = true,
                "--json" => options.json = true,
                "--quiet" | "-q" => options.quiet = true,
                "--skip" => {
                    options.skip.push(arguments.next().ok_or("--skip needs a part of a name")?);
                }
                // The standard harness knows these; they mean nothing here.
                "--nocapture" | "--no-capture" | "--show-output" | "--ignored"
                | "--include-ignored" => {}
                "--test-threads" | "--format" | "--color" | "-Z" => drop(arguments.next()),
                other if other.starts_with("--test-threads=") => {}
                other if other.starts_with("--format=") || other.starts_with("--color=") => {}
                other if other.starts_with('-') => {
                    return Err(format!(
                        "unknown argument {other:?}: --list, --skip PART, --exact, --require-all, \
                         --json, --quiet and parts of names are known"
                    ));
                }
                part => options.filters.push(part.to_owned()),
            }
        }
        Ok(options)
    }

    pub(super) fn wants(&self, name: &str) -> bool {
        let hit = |part: &String| if self.exact { name == part } else { name.contains(part) };
        (self.filters.is_empty() || self.filters.iter().any(hit)) && !self.skip.iter().any(hit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, String> {
        Options::parse(arguments.iter().map(|&a| a.to_owned()))
    }

    #[test]
    fn filters_and_skips_select_by_part_of_the_name() {
        let options = parse(&["network", "--skip", "udp"]).unwrap();
        assert!(options.wants("landlock::network::tcp_refused"));
        assert!(!options.wants("landlock::network::udp_refused"));
        assert!(!options.wants("landlock::limits::memory"));
    }

    #[test]
    fn an_unknown_argument_is_an_error_that_names_it() {
        assert!(parse(&["--requireall"]).unwrap_err().contains("--requireall"));
    }
}
