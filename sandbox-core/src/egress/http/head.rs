//! One request's head: where it ends, and what of it decides.

use crate::egress::Target;

use super::{Authority, Framing, Malformed};

/// The head of a request that has one reading.
#[derive(Clone, Debug)]
pub struct Head {
    pub(crate) method: String,
    pub(crate) form: Form,
    pub(crate) host: Option<Authority>,
    pub(crate) framing: Framing,
    /// What the client offers to change to, lower case.
    pub(crate) upgrade: Option<String>,
    /// What it shows a proxy, to be served.
    pub(crate) credentials: Option<String>,
}

/// The four forms of a request's target (RFC 9112, section 3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// `/path`: the host is the Host field's alone.
    Origin,
    /// `http://host/path`, as proxies get it.
    Absolute(Authority),
    /// `host:port` of CONNECT.
    Tunnel(Authority),
    /// `*`.
    Asterisk,
}

/// Where a head ends: behind its empty line. `from` is how much has been looked at before.
pub(crate) fn end(bytes: &[u8], from: usize) -> Result<Option<usize>, Malformed> {
    for at in from..bytes.len() {
        let before = at.checked_sub(1).map(|at| bytes[at]);
        match (before, bytes[at]) {
            (Some(b'\r'), b'\n') if bytes[..=at].ends_with(b"\r\n\r\n") => return Ok(Some(at + 1)),
            (Some(b'\r'), b'\n') => {}
            (Some(b'\r'), _) | (_, b'\n' | 0) => return Err(Malformed::Line),
            _ => {}
        }
    }
    Ok(None)
}

impl Head {
    /// Reads a head, its empty line included.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        if end(bytes, 0)? != Some(bytes.len()) {
            return Err(Malformed::Line);
        }
        let mut lines = lines(bytes);
        let (method, target, version) = request(lines.next().ok_or(Malformed::Line)?)?;
        let mut fields = Fields::default();
        for line in lines {
            fields.add(line)?;
        }
        let form = Form::of(method, target)?;
        if version == Version::New && fields.host.is_none() {
            return Err(Malformed::Host);
        }
        let framing = fields.framing(version)?;
        Ok(Self {
            method: method.into(),
            form,
            host: fields.host,
            framing,
            upgrade: fields.upgrade,
            credentials: fields.credentials,
        })
    }

    /// The request's method.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The form of its target.
    #[must_use]
    pub fn form(&self) -> &Form {
        &self.form
    }

    /// What its Host field says.
    #[must_use]
    pub fn host(&self) -> Option<&Authority> {
        self.host.as_ref()
    }

    /// The first host in the request that is not this one. A request without any is for whoever it
    /// is sent to; where an address is what was allowed, the names on it are the server's matter.
    pub(crate) fn stranger(&self, target: &Target, port: u16) -> Option<&Authority> {
        let named = match &self.form {
            Form::Absolute(authority) | Form::Tunnel(authority) => Some(authority),
            Form::Origin | Form::Asterisk => None,
        };
        let both = || named.into_iter().chain(&self.host);
        match target {
            Target::Name(_) => both().find(|authority| !authority.is(target, port)),
            Target::Address(_) => {
                let named = named?;
                let agrees = |host: &&Authority| !named.is(&host.target, host.port.unwrap_or(port));
                self.host.as_ref().filter(agrees)
            }
        }
    }
}

impl Form {
    fn of(method: &str, target: &str) -> Result<Self, Malformed> {
        if method == "CONNECT" {
            let authority = Authority::parse(target).map_err(|_| Malformed::Target)?;
            return authority.port.map(|_| Self::Tunnel(authority)).ok_or(Malformed::Target);
        }
        match target {
            "*" => Ok(Self::Asterisk),
            path if path.starts_with('/') => Ok(Self::Origin),
            url => split(url).map(|(authority, _)| Self::Absolute(authority)),
        }
    }
}

/// Parts an absolute target into its host and its path, which may be empty.
pub(super) fn split(url: &str) -> Result<(Authority, &str), Malformed> {
    let scheme = url.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("http://"));
    let rest = scheme.map(|_| &url[7..]).ok_or(Malformed::Target)?;
    let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let authority = Authority::parse(host).map_err(|_| Malformed::Target)?;
    Ok((authority, path))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    /// HTTP/1.0
    Old,
    /// HTTP/1.1
    New,
}

/// The lines of a head, without the empty one.
pub(crate) fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let text = head.strip_suffix(b"\r\n\r\n").unwrap_or(head);
    text.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

fn request(line: &[u8]) -> Result<(&str, &str, Version), Malformed> {
    let text = std::str::from_utf8(line).map_err(|_| Malformed::Line)?;
    let mut parts = text.split(' ');
    let (method, target, version) = (parts.next(), parts.next(), parts.next());
    let (Some(method), Some(target), Some(version), None) = (method, target, version, parts.next())
    else {
        return Err(Malformed::Line);
    };
    let version = match version {
        "HTTP/1.1" => Version::New,
        "HTTP/1.0" => Version::Old,
        _ => return Err(Malformed::Line),
    };
    let clean = !target.is_empty() && !target.chars().any(|c| c.is_control() || c.is_whitespace());
    let token = !method.is_empty() && method.bytes().all(is_token);
    if clean && token { Ok((method, target, version)) } else { Err(Malformed::Line) }
}

/// What names of methods and fields are made of.
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A field's name and value, without the blanks around it.
pub(crate) fn field(line: &[u8]) -> Result<(&str, &[u8]), Malformed> {
    let at = line.iter().position(|&byte| byte == b':').ok_or(Malformed::Field)?;
    let (name, value) = (&line[..at], line[at + 1..].trim_ascii());
    let clean = value.iter().all(|&byte| byte == b'\t' || !byte.is_ascii_control());
    let token = !name.is_empty() && name.iter().all(|&byte| is_token(byte));
    let name = std::str::from_utf8(name).ok().filter(|_| clean && token);
    Ok((name.ok_or(Malformed::Field)?, value))
}

/// The fields that decide.
#[derive(Default)]
struct Fields {
    host: Option<Authority>,
    length: Option<u64>,
    chunked: bool,
    upgrade: Option<String>,
    credentials: Option<String>,
}

impl Fields {
    fn add(&mut self, line: &[u8]) -> Result<(), Malformed> {
        let (name, value) = field(line)?;
        let value = || std::str::from_utf8(value).map_err(|_| Malformed::Field);
        match &*name.to_ascii_lowercase() {
            "host" => {
                let host = Authority::parse(value()?)?;
                self.host.replace(host).map_or(Ok(()), |_| Err(Malformed::Host))
            }
            "content-length" => {
                let length = decimal(value()?)?;
                self.length.replace(length).map_or(Ok(()), |_| Err(Malformed::Framing))
            }
            "transfer-encoding" => {
                let known = value()?.eq_ignore_ascii_case("chunked");
                let again = std::mem::replace(&mut self.chunked, true);
                if known && !again { Ok(()) } else { Err(Malformed::Framing) }
            }
            "proxy-authorization" => {
                let shown = value()?.to_owned();
                self.credentials.replace(shown).map_or(Ok(()), |_| Err(Malformed::Field))
            }
            "upgrade" => {
                let offers = self.upgrade.get_or_insert_default();
                offers.push(',');
                offers.push_str(&value()?.to_ascii_lowercase());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn framing(&self, version: Version) -> Result<Framing, Malformed> {
        match (self.length, self.chunked) {
            (None, true) if version == Version::New => Ok(Framing::Chunked),
            (_, true) => Err(Malformed::Framing),
            (length, false) => Ok(Framing::Length(length.unwrap_or(0))),
        }
    }
}

fn decimal(text: &str) -> Result<u64, Malformed> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or(Malformed::Framing)
}

#[cfg(test)]
mod tests;
