//! The way to the server: its address, encryption, and the settings of every connection.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gw_core::{Error, Kind, Result};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use secrecy::ExposeSecret as _;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::fault::Place;
use crate::options::{PostgresOptions, Tls};

const EXAMPLE: &str = "write it like postgres://user:password@host:5432/database";

/// All that is needed to connect.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) config: Config,
    pub(crate) tls: MakeRustlsConnect,
    pub(crate) place: Place,
}

impl Address {
    /// # Errors
    /// [`Kind::NotConfigured`]: the address or the certificates cannot be read.
    pub(crate) fn new(options: &PostgresOptions) -> Result<Self> {
        let url = options.url.expose_secret();
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            let message = "store.url is not the address of a PostgreSQL database";
            return Err(Error::new(Kind::NotConfigured, message).with_hint(EXAMPLE));
        }
        let (url, said) = take_ssl(url)?;
        let tls = said.tls.unwrap_or(options.tls);
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
            let why =
                std::error::Error::source(&error).map_or_else(String::new, |it| it.to_string());
            let message = format!("store.url cannot be read ({why})");
            Error::new(Kind::NotConfigured, message).with_hint(EXAMPLE)
        })?;
        config
            .ssl_mode(match tls {
                Tls::Disable => SslMode::Disable,
                Tls::Prefer => SslMode::Prefer,
                Tls::Require | Tls::Verify => SslMode::Require,
            })
            .connect_timeout(Duration::from_millis(options.connect_timeout_ms))
            // A peer that vanished without a word is noticed.
            .keepalives_idle(Duration::from_secs(15));
        if config.get_application_name().is_none() {
            config.application_name("ai-mcp-gateway");
        }
        let roots = said.root_file.or_else(|| options.ca_file.clone());
        let tls = MakeRustlsConnect::new(client_config(tls, roots.as_deref())?);
        let place = Place::new(place(&config));
        Ok(Self { config, tls, place })
    }
}

/// Host, port and database, for people.
fn place(config: &Config) -> String {
    let ports = config.get_ports();
    let hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .enumerate()
        .map(|(at, host)| {
            let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                #[cfg(unix)]
                Host::Unix(folder) => format!("{}:{port}", folder.display()),
            }
        })
        .collect();
    let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
    format!("{}/{database}", hosts.join(","))
}

/// What an address says of encryption.
#[derive(Default)]
struct Said {
    tls: Option<Tls>,
    root_file: Option<PathBuf>,
}

/// Takes out of an address what the driver does not know.
fn take_ssl(url: &str) -> Result<(String, Said)> {
    let mut said = Said::default();
    let Some((before, query)) = url.split_once('?') else {
        return Ok((url.to_owned(), said));
    };
    let mut kept = Vec::new();
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("sslmode", word)) => {
                let mode = Tls::from_word(word).ok_or_else(|| {
                    let message = format!("store.url has an unknown sslmode `{word}`");
                    Error::new(Kind::NotConfigured, message)
                        .with_hint("use disable, prefer, require or verify-full")
                })?;
                said.tls = Some(mode);
            }
            Some(("sslrootcert", file)) => said.root_file = Some(file.into()),
            _ => kept.push(pair),
        }
    }
    let url =
        if kept.is_empty() { before.to_owned() } else { format!("{before}?{}", kept.join("&")) };
    Ok((url, said))
}

fn client_config(tls: Tls, root_file: Option<&Path>) -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| {
            Error::internal("the TLS library offers no protocol").with_source(error)
        })?;
    if tls != Tls::Verify {
        let verifier = Arc::new(AnyServer(provider));
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        return Ok(builder.with_no_client_auth());
    }
    let mut roots = RootCertStore::empty();
    let (added, _) =
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    if let Some(file) = root_file {
        let bad = |why: String| {
            let message = format!("the certificates in `{}` cannot be read: {why}", file.display());
            Error::new(Kind::NotConfigured, message)
                .with_hint("name a file of certificates in PEM form in store.tls_ca_file")
        };
        let found = CertificateDer::pem_file_iter(file).map_err(|error| bad(error.to_string()))?;
        for certificate in found {
            let certificate = certificate.map_err(|error| bad(error.to_string()))?;
            roots.add(certificate).map_err(|error| bad(error.to_string()))?;
        }
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Takes any certificate, as `sslmode=require` means it: eavesdroppers are kept out, impostors are not.
#[derive(Debug)]
struct AnyServer(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _between: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
