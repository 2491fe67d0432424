//! Credentials in files.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Credential, CredentialError, Format, HEADER, PathPattern, SandboxPath};
use crate::policy::network::rule::HostRule;

/// Where a secret is read from, outside of the sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Source {
    /// A variable of the process that makes the sandbox.
    Env(String),
    /// A file of the host, without the line end behind it. The policy hides it inside.
    File(SandboxPath),
}

/// A secret that commands use and do not have: a variable holds a placeholder, which the way out
/// replaces in requests to these hosts.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Credential")]
pub(super) struct Written {
    /// The variable that holds the placeholder.
    env: String,
    /// Where the secret is read from, outside. Default: the variable of the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<Source>,
    /// The hosts that get it: names or addresses, at port 443 or at one that is written. A rule of
    /// `allowed_hosts` must allow each.
    hosts: Vec<String>,
    /// The header that it goes into. Default: `authorization`.
    #[serde(default = "header")]
    header: String,
    /// What the header's value looks like, `{}` standing for the secret; one text or several.
    /// Default: `Bearer {}`, `token {}` and `Basic {}` for `authorization`, else `{}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    format: Option<Formats>,
    /// The methods that it goes with. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    methods: Vec<String>,
    /// The paths that it goes with; a `*` at the end stands for whatever follows. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    paths: Vec<String>,
}

/// One format or several.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Formats {
    One(String),
    Several(Vec<String>),
}

fn header() -> String {
    HEADER.to_owned()
}

impl TryFrom<Written> for Credential {
    type Error = CredentialError;

    fn try_from(written: Written) -> Result<Self, CredentialError> {
        let Written { env, from, hosts, header, format, methods, paths } = written;
        let error = |why: String| CredentialError { env: env.clone(), why };
        let rule =
            |text: &String| text.parse::<HostRule>().map_err(|wrong| error(wrong.to_string()));
        let hosts = hosts.iter().map(rule).collect::<Result<_, _>>()?;
        let formats = match format {
            None => Vec::new(),
            Some(Formats::One(text)) => vec![text],
            Some(Formats::Several(texts)) => texts,
        };
        let formats = formats.iter().map(|text| Format::parse(text).map_err(error));
        let formats = formats.collect::<Result<_, _>>()?;
        let paths = paths.iter().map(|text| PathPattern::parse(text).map_err(error));
        let paths = paths.collect::<Result<_, _>>()?;
        let from = from.unwrap_or_else(|| Source::Env(env.clone()));
        Credential { env, from, hosts, header, formats, methods, paths }.checked()
    }
}

impl From<Credential> for Written {
    fn from(credential: Credential) -> Self {
        let Credential { env, from, hosts, header, formats, methods, paths } = credential;
        let formats = formats.iter().map(ToString::to_string).collect();
        Self {
            from: Some(from),
            hosts: hosts.iter().map(ToString::to_string).collect(),
            format: Some(Formats::Several(formats)),
            paths: paths.iter().map(ToString::to_string).collect(),
            env,
            header,
            methods,
        }
    }
}
