//! Small values: labels, sizes of terminals, ports, counts.

use std::str::FromStr;

use sandbox_core::TerminalSize;
use sandbox_core::session::Labels;

use crate::failure::Failure;

/// `NAME=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    name: String,
    value: String,
}

/// `PORT[:HOSTPORT]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ports {
    /// The port in the session.
    pub(crate) inside: u16,
    /// The port on this machine.
    pub(crate) host: Option<u16>,
}

impl FromStr for Pair {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                Ok(Self { name: name.into(), value: value.into() })
            }
            _ => Err("write NAME=VALUE, such as team=build".into()),
        }
    }
}

impl FromStr for Ports {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write PORT or PORT:HOSTPORT, from 1 to 65535, such as 3000:8080".to_owned();
        let port = |text: &str| text.parse().ok().filter(|port| *port != 0).ok_or_else(wrong);
        match text.split_once(':') {
            None => Ok(Self { inside: port(text)?, host: None }),
            Some((inside, host)) => Ok(Self { inside: port(inside)?, host: Some(port(host)?) }),
        }
    }
}

/// The names and values, each name once.
pub(super) fn labels(option: &str, pairs: &[Pair]) -> Result<Labels, Failure> {
    let mut labels = Labels::new();
    for Pair { name, value } in pairs {
        if labels.insert(name.clone(), value.clone()).is_some_and(|before| before != *value) {
            let message = format!("{option} gives {name:?} two values");
            return Err(Failure::usage(message).with_help("keep one of the two"));
        }
    }
    Ok(labels)
}

/// `ROWSxCOLUMNS`.
pub(super) fn size(text: &str) -> Result<TerminalSize, String> {
    let number = |text: &str| text.parse().ok().filter(|number| *number != 0);
    let size = text.split_once('x');
    let size = size.and_then(|(rows, columns)| Some((number(rows)?, number(columns)?)));
    let (rows, columns) = size.ok_or("write ROWSxCOLUMNS, such as 24x80")?;
    Ok(TerminalSize { rows, columns })
}

/// How many, at least one.
pub(super) fn count(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| *count != 0);
    count.ok_or_else(|| "write a whole number, at least 1".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_split_at_the_first_sign() {
        let pair = |name: &str, value: &str| Ok(Pair { name: name.into(), value: value.into() });
        assert_eq!("a=b=c".parse(), pair("a", "b=c"));
        assert_eq!("a=".parse(), pair("a", ""));
        for bad in ["a", "=b", ""] {
            assert!(bad.parse::<Pair>().unwrap_err().contains("NAME=VALUE"), "{bad}");
        }
    }

    #[test]
    fn a_name_has_one_value() {
        let pairs = |texts: &[&str]| -> Vec<Pair> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        assert_eq!(labels("--label", &pairs(&["a=1", "b=2", "a=1"])).unwrap().len(), 2);
        let clash = labels("--label", &pairs(&["a=1", "a=2"])).unwrap_err();
        assert_eq!(clash.to_string(), "--label gives \"a\" two values");
    }

    #[test]
    fn ports_are_between_1_and_65535() {
        assert_eq!("80".parse(), Ok(Ports { inside: 80, host: None }));
        assert_eq!("80:65535".parse(), Ok(Ports { inside: 80, host: Some(65535) }));
        for bad in ["", "0", "65536", "80:", ":80", "80:0", "80:1:2", "http", "-1"] {
            assert!(bad.parse::<Ports>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_size_has_rows_and_columns() {
        assert_eq!(size("24x80"), Ok(TerminalSize { rows: 24, columns: 80 }));
        for bad in ["", "24", "x", "24x", "0x80", "24x0", "24X80", "24x80x1", "99999x1"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_count_is_not_zero() {
        assert_eq!(count("3"), Ok(3));
        for bad in ["0", "-1", "", "many"] {
            assert!(count(bad).is_err(), "{bad}");
        }
    }
}
