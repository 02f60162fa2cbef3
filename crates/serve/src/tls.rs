//! TLS by rustls: a certificate chain and its key, read again when they change; clients proven by an authority, if one is named.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use crate::stamp::FileStamp;

/// Protocols offered to clients, the preferred first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The files of a TLS server, in PEM form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate chain, the server's own first.
    pub certificate: PathBuf,
    /// Private key of the certificate.
    pub key: PathBuf,
    /// Authority that client certificates must come from; without one, clients need none.
    pub client_authority: Option<PathBuf>,
}

/// TLS files that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read as PEM.
    #[error("{} can't be read as PEM: {source}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// A file without a certificate.
    #[error("{} holds no certificate; name a file with -----BEGIN CERTIFICATE-----", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Certificate, key or authority don't go together.
    #[error("certificate {} and key {} can't be used: {source}", certificate.display(), key.display())]
    Unfit {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// What rustls said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The TLS configuration in force.
#[derive(Debug)]
pub(crate) struct Tls {
    files: TlsFiles,
    config: RwLock<Arc<ServerConfig>>,
    stamps: Mutex<[FileStamp; 3]>,
}

impl Tls {
    /// Reads the files.
    pub(crate) fn new(files: TlsFiles) -> Result<Self, TlsError> {
        let stamps = Mutex::new(files.stamps());
        let config = RwLock::new(Arc::new(files.config()?));
        Ok(Self { files, config, stamps })
    }

    /// What new connections are accepted with.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Reads the files again where they changed. Files that can't be used leave everything as it was.
    pub(crate) fn follow(&self) {
        let found = self.files.stamps();
        let mut stamps = self.stamps.lock().unwrap_or_else(PoisonError::into_inner);
        if *stamps == found {
            return;
        }
        *stamps = found;
        drop(stamps);
        match self.files.config() {
            Ok(config) => {
                tracing::info!("certificate read again");
                *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
            }
            Err(error) => tracing::warn!(%error, "certificate not taken; the one before it stays"),
        }
    }
}

impl TlsFiles {
    fn stamps(&self) -> [FileStamp; 3] {
        [Some(&self.certificate), Some(&self.key), self.client_authority.as_ref()]
            .map(|path| FileStamp::of(path.map(PathBuf::as_path)))
    }

    fn config(&self) -> Result<ServerConfig, TlsError> {
        let chain = certificates(&self.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|source| TlsError::Pem { path: self.key.clone(), source })?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| self.unfit(error))?;
        let builder = match &self.client_authority {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(path)? {
                    roots.add(certificate).map_err(|error| self.unfit(error))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().map_err(|error| self.unfit(error))?)
            }
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|error| self.unfit(error))?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(config)
    }

    fn unfit(&self, error: impl std::error::Error + Send + Sync + 'static) -> TlsError {
        TlsError::Unfit {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            source: Box::new(error),
        }
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = |source| TlsError::Pem { path: path.to_owned(), source };
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(pem)?.collect();
    let read = read.map_err(pem)?;
    if read.is_empty() { Err(TlsError::Empty { path: path.to_owned() }) } else { Ok(read) }
}
