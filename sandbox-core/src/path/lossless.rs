//! Paths in JSON: a text, or what the operating system has where they are none. Whoever makes a file
//! chooses its name, so no name may break a message.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    match path.to_str() {
        Some(text) => serializer.serialize_str(text),
        None => path.as_os_str().serialize(serializer),
    }
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Name {
        Text(String),
        Bytes(OsString),
    }
    Ok(match Name::deserialize(deserializer)? {
        Name::Text(text) => text.into(),
        Name::Bytes(bytes) => bytes.into(),
    })
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Holder(#[serde(with = "super")] PathBuf);

    #[test]
    fn every_path_comes_back() {
        for bytes in [&b"a/b"[..], b"x\xffy", b"", b"\x1b[0m"] {
            let path = Holder(OsString::from_vec(bytes.to_vec()).into());
            let text = serde_json::to_string(&path).unwrap();
            assert_eq!(serde_json::from_str::<Holder>(&text).unwrap(), path, "{text}");
        }
        assert_eq!(serde_json::to_string(&Holder("a b".into())).unwrap(), "\"a b\"");
    }
}
