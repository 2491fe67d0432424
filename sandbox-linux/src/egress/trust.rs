//! What programs inside are given of credentials: placeholders, and the session's authority to trust.
//!
//! The authority's certificate goes where programs look for those that they trust: into files over the
//! system's bundles, which have what the host's bundle has and this certificate beside it, and by
//! variables for programs that bring bundles of their own. The files are the sandbox's own; nothing is
//! written to the host. Keystores of other forms (Java, NSS) are left as they are.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sandbox_core::Result;
use sandbox_core::egress::injection::Injection;
use sandbox_core::plan::Plan;

use super::resolver;
use crate::fs::mounts::OwnFile;
use crate::jail::{Tier, Variables};

/// Where systems have the certificates that are trusted, all in one file.
const BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/lib/ssl/cert.pem",
];

/// Where it lies in a sandbox that shows none of these.
const OWN: &str = "/run/sandbox-ca.pem";

/// The variables by which programs are told of a bundle.
const VARIABLES: [&str; 12] = [
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
    "CARGO_HTTP_CAINFO",
    "PIP_CERT",
    "AWS_CA_BUNDLE",
    "DENO_CERT",
    "NIX_SSL_CERT_FILE",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
];

/// The credentials of one sandbox, and where its programs find whom to trust.
#[derive(Debug)]
pub(crate) struct Trust {
    pub(crate) injection: Arc<Injection>,
    /// The files inside that hold the bundle, the one that variables name first.
    paths: Vec<PathBuf>,
    bundle: String,
}

impl Trust {
    /// Reads the secrets of a plan that has any and a way out.
    ///
    /// # Errors
    /// As [`Injection::prepare`].
    pub(crate) fn prepare(plan: &Plan, tier: Tier) -> Result<Option<Self>> {
        if tier != Tier::Namespaces || super::Counts::of(&plan.network).is_none() {
            return Ok(None);
        }
        let Some(injection) = Injection::prepare(&plan.network)? else { return Ok(None) };
        let mut bundle = host_bundle();
        if !bundle.is_empty() && !bundle.ends_with('\n') {
            bundle.push('\n');
        }
        bundle.push_str(injection.certificate());
        let mut trust = Self { injection, paths: Vec::new(), bundle };
        // Found once: the variables and the files have to agree.
        trust.paths = trust.lay(&mut plan.clone());
        Ok(Some(trust))
    }

    /// Adds the files to a plan, as files that are covered; where they are then.
    fn lay(&self, plan: &mut Plan) -> Vec<PathBuf> {
        let known = BUNDLES.iter().filter_map(|path| resolver::existing(plan, Path::new(path)));
        let mut paths: Vec<PathBuf> = known.collect();
        paths.dedup();
        if paths.is_empty() {
            paths.push(OWN.into());
        }
        paths.iter().filter_map(|path| resolver::lay(plan, path)).collect()
    }

    /// The same, with what they hold.
    pub(super) fn file(&self, plan: &mut Plan) -> OwnFile {
        OwnFile { name: "ca.pem", paths: self.lay(plan), content: self.bundle.clone() }
    }

    /// A command's variables, with what it is told of credentials.
    pub(crate) fn variables(plan: &Plan, trust: Option<&Self>) -> Variables {
        let mut variables = plan.environment.clone();
        trust.inspect(|trust| trust.tell(&mut variables));
        variables
    }

    /// Adds the variables to a command's: placeholders over whatever has their names, and the bundle's
    /// path where nothing else is said.
    fn tell(&self, variables: &mut Variables) {
        let mut set = |name: &str, value: &OsStr, anyway: bool| match variables
            .iter_mut()
            .find(|(known, _)| known == name)
        {
            Some((_, old)) if anyway => *old = value.to_owned(),
            Some(_) => {}
            None => variables.push((OsString::from(name), value.to_owned())),
        };
        for (name, placeholder) in self.injection.variables() {
            set(name, placeholder.as_ref(), true);
        }
        if let Some(path) = self.paths.first() {
            VARIABLES.iter().for_each(|name| set(name, path.as_os_str(), false));
        }
        variables.sort();
    }
}

/// The certificates that the caller trusts.
fn host_bundle() -> String {
    let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let paths = named.into_iter().chain(BUNDLES.map(PathBuf::from));
    paths.filter_map(|path| std::fs::read_to_string(path).ok()).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::fs;

    use sandbox_core::plan::Host;
    use sandbox_core::{ExecRequest, NetworkPolicy, Policy};

    use super::*;

    type Outcome = std::result::Result<(), Box<dyn Error>>;

    fn plan(grant: &str, secret: &Path) -> std::result::Result<Plan, Box<dyn Error>> {
        let network: NetworkPolicy = serde_json::from_value(serde_json::json!({
            "mode": "limited", "allowed_hosts": ["a.example"],
            "credentials": [{ "env": "A_TOKEN", "from": { "file": secret }, "hosts": ["a.example"] }],
        }))?;
        let policy = Policy::builder().read("/usr")?.read("/bin")?.read(grant)?.network(network);
        Ok(Plan::new(&policy.build()?, &ExecRequest::new("/bin/true"), &Host::current())?)
    }

    #[test]
    fn a_bundle_lies_over_the_systems_or_in_a_place_of_its_own() -> Outcome {
        let folder = tempfile::tempdir()?;
        let secret = fs::canonicalize(folder.path())?.join("secret");
        fs::write(&secret, "a-secret-of-some-length")?;
        let missing = !Path::new(BUNDLES[0]).exists();
        let grants = [("/lib", true), ("/etc", missing), (BUNDLES[0], missing)];
        for (grant, own) in grants.into_iter().filter(|(grant, _)| Path::new(grant).exists()) {
            let mut plan = plan(grant, &secret)?;
            let trust = Trust::prepare(&plan, Tier::Namespaces)?.ok_or("no credential")?;
            let file = trust.file(&mut plan);
            assert_eq!(file.paths, trust.paths);
            assert_eq!(file.paths[0] == Path::new(OWN), own, "{grant}: {:?}", file.paths);
            assert!(plan.places.iter().any(|place| place.path == file.paths[0]));
            assert!(file.content.ends_with(trust.injection.certificate()));
        }
        let plan = plan("/lib", &secret)?;
        assert!(Trust::prepare(&plan, Tier::Landlock)?.is_none());
        Ok(())
    }

    #[test]
    fn placeholders_are_set_anyway_and_bundles_where_nothing_is() -> Outcome {
        let folder = tempfile::tempdir()?;
        let secret = fs::canonicalize(folder.path())?.join("secret");
        fs::write(&secret, "a-secret-of-some-length")?;
        let trust = Trust::prepare(&plan("/lib", &secret)?, Tier::Namespaces)?.ok_or("none")?;
        let mut variables: Variables = [("PIP_CERT", "/mine"), ("A_TOKEN", "real")]
            .map(|(name, value)| (name.into(), value.into()))
            .into();
        trust.tell(&mut variables);
        let value = |name: &str| {
            let mut named = variables.iter().filter(|(known, _)| known == name);
            named.next().and_then(|(_, value)| value.to_str()).unwrap_or_default()
        };
        assert_eq!((value("PIP_CERT"), value("SSL_CERT_FILE")), ("/mine", OWN));
        assert!(value("A_TOKEN").starts_with("sbx_"));
        assert!(variables.is_sorted());
        Ok(())
    }
}
