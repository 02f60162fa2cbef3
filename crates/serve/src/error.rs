//! What keeps a server from starting or running.

use std::net::SocketAddr;

use loquat_spec::ErrorCode;

/// What keeps a server from starting or running.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is reachable from other machines and nobody asked for that.
    #[error(
        "refusing to listen on {listen}: other machines could reach it and requests carry no key; \
         make keys with loquat keys new and pass --keys, listen on 127.0.0.1, or pass --insecure"
    )]
    Exposed {
        /// The address asked for.
        listen: SocketAddr,
    },
    /// The address can't be bound.
    #[error("can't listen on {listen}: {source}; choose another with --listen")]
    Bind {
        /// The address asked for.
        listen: SocketAddr,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// The keys can't be used.
    #[error(transparent)]
    Keys(#[from] crate::keys::KeyError),
    /// The certificate can't be used.
    #[error(transparent)]
    Tls(#[from] crate::tls::TlsError),
    /// A thread can't be started.
    #[error("can't start a thread of the server: {source}")]
    Thread {
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
}

impl ServeError {
    /// The failure's kind.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Exposed { .. } => ErrorCode::Invalid,
            Self::Bind { .. } => ErrorCode::Unavailable,
            Self::Keys(error) => error.code(),
            Self::Tls(_) => ErrorCode::Invalid,
            Self::Thread { .. } => ErrorCode::Internal,
        }
    }
}
