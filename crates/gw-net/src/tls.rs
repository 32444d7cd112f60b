//! TLS settings: ring, TLS 1.2 and 1.3, the system's roots or else Mozilla's.

use std::sync::Arc;

use gw_core::{Error, Kind, Result};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// Settings without ALPN; the connector adds that.
///
/// `SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured by `rustls-native-certs`. Mozilla's roots are
/// only a fallback, for images without a certificate store: where the system has one, its choice
/// of whom to trust stands.
pub(crate) fn client_config(extra_roots_pem: &[u8]) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (added, ignored) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        tracing::debug!(ignored, "no system certificates, trusting the built-in roots");
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    for certificate in CertificateDer::pem_slice_iter(extra_roots_pem) {
        let certificate = certificate.map_err(|error| bad_root(&error.to_string()))?;
        roots.add(certificate).map_err(|error| bad_root(&error.to_string()))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::internal("the TLS library offers no protocol").with_source(error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

fn bad_root(detail: &str) -> Error {
    Error::new(Kind::NotConfigured, format!("an extra root certificate is not readable: {detail}"))
        .with_hint("Give certificates in PEM form.")
}
