//! The session's own certificate authority, and the certificates that clients inside are served by.
//!
//! It is for the hosts of the session's credentials alone, which name constraints say too, and its
//! key is in this process's memory alone.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, DnValue, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use crate::egress::rules::Target;
use crate::policy::network::{Host, HostRule};

/// What a client of one host is served by.
pub(crate) type Leaf = Arc<ServerConfig>;

/// How far clocks may differ.
const SKEW: Duration = Duration::from_secs(3600);
/// How long the authority's certificate is good; a session that lasts longer has to be made anew.
const LIFE: Duration = Duration::from_secs(90 * 24 * 3600);
/// How long a host's certificate is good, and after which time it is made anew.
const LEAF_LIFE: Duration = Duration::from_secs(2 * 24 * 3600);
const LEAF_AGE: Duration = Duration::from_secs(24 * 3600);
/// How many hosts' certificates are kept.
const KEPT: usize = 256;

pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
    /// The key of all hosts' certificates.
    key: KeyPair,
    leaves: Mutex<BTreeMap<String, (Instant, Leaf)>>,
}

impl Authority {
    /// An authority for these hosts.
    pub(super) fn new<'a>(hosts: impl Iterator<Item = &'a HostRule>) -> Result<Self, String> {
        let mut params = CertificateParams::default();
        (params.not_before, params.not_after) = life(LIFE);
        // Two sessions' authorities must not be taken for one another.
        let key = KeyPair::generate().map_err(text)?;
        let print = blake3::hash(key.public_key_raw()).to_hex();
        let name = format!("sandbox session {}", &print[..16]);
        params.distinguished_name.remove(DnType::CommonName);
        params.distinguished_name.push(DnType::CommonName, DnValue::Utf8String(name));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let permitted_subtrees = hosts.filter_map(subtree).collect();
        let excluded_subtrees = Vec::new();
        params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees });
        let certificate = params.self_signed(&key).map_err(text)?;
        let pem = certificate.pem();
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate: certificate.der().clone(),
            pem,
            key: KeyPair::generate().map_err(text)?,
            leaves: Mutex::default(),
        })
    }

    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    /// What a client of this host is served by.
    pub(super) fn leaf(&self, target: &Target) -> Result<Leaf, String> {
        let name = target.to_string();
        let mut leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made, leaf)) = leaves.get(&name)
            && made.elapsed() < LEAF_AGE
        {
            return Ok(Arc::clone(leaf));
        }
        if leaves.len() >= KEPT {
            leaves.clear();
        }
        let leaf = self.sign(&name)?;
        leaves.insert(name, (Instant::now(), Arc::clone(&leaf)));
        Ok(leaf)
    }

    fn sign(&self, name: &str) -> Result<Leaf, String> {
        let mut params = CertificateParams::new([name.to_owned()]).map_err(text)?;
        (params.not_before, params.not_after) = life(LEAF_LIFE);
        params.distinguished_name.remove(DnType::CommonName);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&self.key, &self.issuer).map_err(text)?;
        let chain = vec![certificate.der().clone(), self.certificate.clone()];
        let key = PrivatePkcs8KeyDer::from(self.key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(text)?
            .with_no_client_auth();
        let mut config = config.with_single_cert(chain, key.into()).map_err(text)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// From a moment ago, for as long as this. Generic over what the library takes for a time.
fn life<T: From<SystemTime>>(life: Duration) -> (T, T) {
    let now = SystemTime::now();
    (now.checked_sub(SKEW).unwrap_or(now).into(), now.checked_add(life).unwrap_or(now).into())
}

fn subtree(host: &HostRule) -> Option<GeneralSubtree> {
    match host.host() {
        Host::Name(name) => Some(GeneralSubtree::DnsName(name.to_string())),
        Host::Address(address) => {
            let whole = if matches!(address, IpAddr::V4(_)) { 32 } else { 128 };
            Some(GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(*address, whole)))
        }
        Host::Below(_) | Host::Block(_) => None,
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
