//! The bytes below a connection: plain, or by TLS.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use loquat_client::TlsFiles;
use loquat_spec::ErrorCode;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::failure::Failure;

/// Longest time to open a connection, its handshake included twice.
const OPEN_LIMIT: Duration = Duration::from_secs(5);

/// What is trusted and shown over `https://`.
#[derive(Debug, Clone)]
pub(crate) struct Security(Option<Arc<ClientConfig>>);

impl Security {
    /// Nothing is trusted, for plain connections.
    #[cfg(test)]
    pub(crate) const DEFAULT: Self = Self(None);

    /// Reads the files; without an authority those of the public web are trusted.
    pub(crate) fn of(files: &TlsFiles) -> Result<Self, Failure> {
        let mut roots = RootCertStore::empty();
        match &files.authority {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(path) => {
                for certificate in certificates(path)? {
                    roots.add(certificate).map_err(|error| unfit(path, &error))?;
                }
            }
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::new(ErrorCode::Internal, error.to_string()))?
            .with_root_certificates(roots);
        let config = match &files.identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| unfit(key, &error))?;
                builder
                    .with_client_auth_cert(certificates(chain)?, secret)
                    .map_err(|error| unfit(chain, &error))?
            }
        };
        Ok(Self(Some(Arc::new(config))))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let read = read.map_err(|error| unfit(path, &error))?;
    if read.is_empty() { Err(unfit(path, &"it holds no certificate in PEM form")) } else { Ok(read) }
}

fn unfit(path: &Path, reason: &dyn std::fmt::Display) -> Failure {
    Failure::new(ErrorCode::Invalid, format!("{} can't be used for TLS: {reason}", path.display()))
}

/// A stream that is read and written without waiting.
#[derive(Debug)]
pub(super) enum Wire {
    Plain(TcpStream),
    Secure(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Wire {
    /// Connects; by TLS where the server has a name that its certificate must be for.
    pub(super) fn open(address: SocketAddr, secure: Option<(&str, &Security)>) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, OPEN_LIMIT)?;
        stream.set_nodelay(true)?;
        let Some((host, Security(Some(config)))) = secure else {
            stream.set_nonblocking(true)?;
            return Ok(Self::Plain(stream));
        };
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let connection = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        stream.set_read_timeout(Some(OPEN_LIMIT))?;
        stream.set_write_timeout(Some(OPEN_LIMIT))?;
        let mut secured = StreamOwned::new(connection, stream);
        while secured.conn.is_handshaking() {
            secured.conn.complete_io(&mut secured.sock)?;
        }
        secured.sock.set_nonblocking(true)?;
        Ok(Self::Secure(Box::new(secured)))
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Secure(stream) => stream.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Secure(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Secure(stream) => stream.flush(),
        }
    }
}
