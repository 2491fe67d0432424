//! The gateway as a client of the real server, whose certificate it verifies.

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::egress::rules::Target;

/// Who is trusted to name servers, and what follows from it.
#[derive(Debug)]
pub(crate) struct Upstream {
    /// The roots in DER; none: the platform's.
    roots: Option<Vec<Vec<u8>>>,
    config: OnceLock<Result<Arc<ClientConfig>, String>>,
}

impl Upstream {
    pub(crate) fn new(roots: Option<Vec<Vec<u8>>>) -> Self {
        Self { roots, config: OnceLock::new() }
    }

    /// Shakes hands with the server of this host.
    ///
    /// # Errors
    /// The server's certificate is not good for the host, or what else the handshake came to.
    pub(crate) async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        target: &Target,
        stream: S,
    ) -> io::Result<TlsStream<S>> {
        let name = match target {
            Target::Name(name) => {
                ServerName::try_from(name.to_string()).map_err(io::Error::other)?
            }
            Target::Address(address) => ServerName::from(IpAddr::to_canonical(address)),
        };
        let config = self.config.get_or_init(|| config(self.roots.as_deref()));
        let config = config.as_ref().map_err(|why| io::Error::other(why.clone()))?;
        TlsConnector::from(Arc::clone(config)).connect(name, stream).await
    }
}

fn config(roots: Option<&[Vec<u8>]>) -> Result<Arc<ClientConfig>, String> {
    let known = match roots {
        Some(roots) => roots.iter().map(|root| CertificateDer::from(root.clone())).collect(),
        None => rustls_native_certs::load_native_certs().certs,
    };
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(known);
    if store.is_empty() {
        return Err("this machine has no root certificates: install ca-certificates, or name a \
                    bundle in SSL_CERT_FILE"
            .into());
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let mut config = config.with_root_certificates(store).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
