//! From the form that a proxy gets to the form that a server gets.

use super::Malformed;
use super::head::{field, lines, split};

/// Fields between the client and this side alone (RFC 9110, section 7.6.1). The transfer encoding
/// is one as well, and stays: the body is passed on as it is.
const HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
];

/// Fields that no client may have dropped, because they decide.
const KEPT: &[&str] = &["host", "content-length", "transfer-encoding"];

/// The head as the server gets it. Only for heads that have been parsed, with an absolute target.
pub(super) fn to_origin(head: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut lines = lines(head);
    let first = lines.next().and_then(|line| std::str::from_utf8(line).ok());
    let mut parts = first.ok_or(Malformed::Line)?.split(' ');
    let (Some(method), Some(url), Some(version)) = (parts.next(), parts.next(), parts.next())
    else {
        return Err(Malformed::Line);
    };
    let fields = lines.map(field).collect::<Result<Vec<_>, _>>()?;
    let named = named(&fields)?;
    let mut out = format!("{method} {} {version}\r\n", path(method, url)?).into_bytes();
    for (name, value) in fields {
        let lower = name.to_ascii_lowercase();
        if HOP.contains(&&*lower) || named.contains(&lower) {
            continue;
        }
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
    if named.iter().any(|name| name == "close") {
        out.extend_from_slice(b"Connection: close\r\n");
    }
    out.extend_from_slice(b"\r\n");
    Ok(out)
}

/// The target in origin form. OPTIONS without a path asks about the server as a whole.
fn path(method: &str, url: &str) -> Result<String, Malformed> {
    let (_, path) = split(url)?;
    let path = path.split('#').next().unwrap_or_default();
    Ok(match path {
        "" if method == "OPTIONS" => "*".into(),
        path if path.starts_with('/') => path.into(),
        path => format!("/{path}"),
    })
}

/// What the Connection fields name, lower case.
fn named(fields: &[(&str, &[u8])]) -> Result<Vec<String>, Malformed> {
    let mut names = Vec::new();
    for (name, value) in fields {
        if !name.eq_ignore_ascii_case("connection")
            && !name.eq_ignore_ascii_case("proxy-connection")
        {
            continue;
        }
        let value = std::str::from_utf8(value).map_err(|_| Malformed::Field)?;
        names.extend(value.split(',').map(|option| option.trim().to_ascii_lowercase()));
    }
    if names.iter().any(|name| KEPT.contains(&&**name)) {
        return Err(Malformed::Field);
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(head: &str) -> Result<String, Malformed> {
        to_origin(head.as_bytes()).map(|head| String::from_utf8(head).unwrap())
    }

    #[test]
    fn a_server_gets_the_path_and_no_field_of_the_proxy() {
        let head = "GET http://example.org?x=1#y HTTP/1.1\r\nHost: example.org\r\n\
            Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic eDp5\r\nX-Mine: 1\r\n\
            Connection: close, X-Mine\r\nUpgrade: h2c\r\nAccept: */*\r\n\r\n";
        let plain = "GET /?x=1 HTTP/1.1\r\nHost: example.org\r\nAccept: */*\r\n\
            Connection: close\r\n\r\n";
        assert_eq!(rewritten(head), Ok(plain.into()));
    }

    #[test]
    fn options_without_a_path_keeps_its_meaning() {
        let head = "OPTIONS http://example.org HTTP/1.1\r\nHost: example.org\r\n\r\n";
        assert!(rewritten(head).unwrap().starts_with("OPTIONS * HTTP/1.1\r\n"));
    }

    #[test]
    fn a_field_that_decides_cannot_be_dropped() {
        for name in KEPT {
            let head = format!(
                "POST http://example.org/ HTTP/1.1\r\nHost: example.org\r\nConnection: {name}\r\n\r\n"
            );
            assert_eq!(rewritten(&head), Err(Malformed::Field));
        }
    }
}
