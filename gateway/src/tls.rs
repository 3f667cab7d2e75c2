//! The certificate that clients see; it can be replaced while they are connected.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use common::error::{Error, Kind, Result, internal};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio_rustls::TlsAcceptor;

use crate::config::Tls;

/// The certificate in use.
#[derive(Debug, Default)]
pub(crate) struct Certificate(ArcSwapOption<CertifiedKey>);

impl Certificate {
    /// Reads it again. One that is wrong changes nothing.
    pub(crate) fn read(&self, tls: &Tls) -> Result<()> {
        common::http::use_ring();
        let wrong = |what: &str| Error::new(Kind::InvalidRequest, format!("tls: {what} is no PEM file of one"));
        let chain = CertificateDer::pem_file_iter(&tls.certificate)
            .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>);
        let chain = chain.map_err(|cause| wrong("certificate").because(cause))?;
        let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|cause| wrong("key").because(cause))?;
        let key = rustls::crypto::ring::sign::any_supported_type(&key).map_err(|cause| wrong("key").because(cause))?;
        let whole = CertifiedKey::new(chain, key);
        whole.keys_match().map_err(|cause| {
            Error::new(Kind::InvalidRequest, "tls: the key is not the certificate's").because(cause)
        })?;
        self.0.store(Some(Arc::new(whole)));
        Ok(())
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load_full()
    }
}

/// Speaks TLS 1.2 and 1.3, with HTTP/2 where the client can.
pub(crate) fn acceptor(certificate: Arc<Certificate>) -> Result<TlsAcceptor> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(internal)?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
