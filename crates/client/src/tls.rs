//! TLS of a client, from files in PEM form.

use std::path::{Path, PathBuf};

use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use crate::error::ClientError;

/// What a client trusts and shows over `https://`, as files in PEM form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Authorities that the server's certificate must come from; those of the public web when absent.
    pub authority: Option<PathBuf>,
    /// Certificate chain, the client's own first, for servers that ask for one, and its private key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl TlsFiles {
    /// Reads the files.
    pub(crate) fn config(&self) -> Result<TlsConfig, ClientError> {
        let mut config = TlsConfig::builder();
        if let Some(path) = &self.authority {
            config = config.root_certs(RootCerts::new_with_certs(&certificates(path)?));
        }
        if let Some((chain, key)) = &self.identity {
            let identity = ClientCert::new_with_certs(&certificates(chain)?, private_key(key)?);
            config = config.client_cert(Some(identity));
        }
        Ok(config.build())
    }
}

fn items(path: &Path) -> Result<Vec<PemItem<'static>>, ClientError> {
    let unfit = |reason: String| ClientError::Pem { path: path.to_owned(), reason };
    let text = std::fs::read(path).map_err(|error| unfit(error.to_string()))?;
    parse_pem(&text).collect::<Result<_, _>>().map_err(|error| unfit(error.to_string()))
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, ClientError> {
    let certificate = |item| match item {
        PemItem::Certificate(certificate) => Some(certificate),
        _ => None,
    };
    let found: Vec<_> = items(path)?.into_iter().filter_map(certificate).collect();
    if found.is_empty() {
        let reason = "it holds no certificate; name a file with -----BEGIN CERTIFICATE-----".to_owned();
        return Err(ClientError::Pem { path: path.to_owned(), reason });
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKey<'static>, ClientError> {
    let key = |item| match item {
        PemItem::PrivateKey(key) => Some(key),
        _ => None,
    };
    items(path)?.into_iter().find_map(key).ok_or_else(|| {
        let reason = "it holds no private key; name a file with -----BEGIN PRIVATE KEY-----".to_owned();
        ClientError::Pem { path: path.to_owned(), reason }
    })
}
