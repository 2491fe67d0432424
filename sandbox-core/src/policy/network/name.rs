//! Host names as they are compared: one spelling for each.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

/// A host name: ASCII, lower case, without a trailing dot, at most 253 bytes in labels of at most
/// 63, and nothing that a resolver would take for an address.
///
/// Two of them are the same host exactly if they are equal. Rules, DNS questions and what a client
/// says it wants (`Host`, SNI) all come to this type before they are compared.
///
/// ```
/// use sandbox_core::egress::HostName;
/// let name: HostName = "API.Example.ORG.".parse()?;
/// assert_eq!(name.as_str(), "api.example.org");
/// assert_eq!(HostName::from_labels([&b"Api"[..], b"example", b"org"])?, name);
/// assert!("127.1".parse::<HostName>().is_err());
/// # Ok::<(), sandbox_core::egress::HostNameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(Box<str>);

/// Why something is no [`HostName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostNameError {
    /// No label at all, or an empty one.
    #[error("a host name is labels joined by single dots, as in \"www.example.org\"")]
    Empty,
    /// More than 253 bytes.
    #[error("a host name has at most 253 characters: write a shorter one")]
    Long,
    /// A label of more than 63 bytes.
    #[error("a label between two dots has at most 63 characters: write a shorter one")]
    LongLabel,
    /// A byte that no host name has.
    #[error(
        "a label is letters, digits, hyphens and underscores, and neither begins nor ends with a \
         hyphen: write the name alone"
    )]
    Character,
    /// What `inet_aton` takes for an address, in whatever base.
    #[error("a number is no host name: write an address in full, as in \"192.0.2.1\"")]
    Number,
}

impl HostName {
    /// The most bytes in a name.
    pub const LONGEST: usize = 253;

    /// The name made of labels, as a DNS message has them, the empty root label left out.
    ///
    /// # Errors
    /// [`HostNameError`], also for a label that holds a dot: text could not tell it from two.
    pub fn from_labels<'a>(
        labels: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, HostNameError> {
        let mut name = String::new();
        for label in labels {
            let label = check_label(label)?;
            if !name.is_empty() {
                name.push('.');
            }
            if name.len() + label.len() > Self::LONGEST {
                return Err(HostNameError::Long);
            }
            name.push_str(label);
        }
        name.make_ascii_lowercase();
        check_last(name.rsplit('.').next().unwrap_or_default())?;
        Ok(Self(name.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The names above this one, the nearest first: of `a.b.c` they are `b.c` and `c`.
    pub fn above(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('.').map(|(dot, _)| &self.0[dot + 1..])
    }
}

fn check_label(label: &[u8]) -> Result<&str, HostNameError> {
    let legal = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    match label {
        [] => Err(HostNameError::Empty),
        _ if label.len() > 63 => Err(HostNameError::LongLabel),
        [b'-', ..] | [.., b'-'] => Err(HostNameError::Character),
        _ if !label.iter().all(legal) => Err(HostNameError::Character),
        _ => std::str::from_utf8(label).map_err(|_| HostNameError::Character),
    }
}

/// A resolver decides by the last label whether it reads a number.
fn check_last(label: &str) -> Result<(), HostNameError> {
    match label {
        "" => Err(HostNameError::Empty),
        _ if label.starts_with("0x") => Err(HostNameError::Number),
        _ if label.bytes().all(|byte| byte.is_ascii_digit()) => Err(HostNameError::Number),
        _ => Ok(()),
    }
}

impl FromStr for HostName {
    type Err = HostNameError;

    /// Reads an ASCII name; an international one has to be in its `xn--` form.
    fn from_str(text: &str) -> Result<Self, HostNameError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        Self::from_labels(text.split('.').map(str::as_bytes))
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Maps with names as keys are asked with parts of names, see [`HostName::above`].
impl Borrow<str> for HostName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests;
