//! What can go wrong while files are fetched.

use std::path::{Path, PathBuf};

use loquat_spec::ErrorCode;

use crate::hub::HubError;
use crate::objects::ObjectError;

/// A file that can't be fetched.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The hub refuses or fails.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// The object store refuses or fails.
    #[error(transparent)]
    Objects(#[from] ObjectError),
    /// The server can't be reached, or breaks off again and again.
    #[error("{url}: {reason}; try again, or copy the file here and name its path")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// The cause.
        reason: String,
    },
    /// The server answers with a failure.
    #[error("{url}: the server answers with status {status}; open the address in a browser and compare")]
    Status {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// Nothing has the name.
    #[error("{address}: matches no object; compare it with what the store lists")]
    NoMatch {
        /// The address.
        address: String,
    },
    /// The pattern can't be read.
    #[error("{address}: not a valid pattern: {reason}")]
    Pattern {
        /// The address.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of the cache can't be read or written.
    #[error("cannot {step} {path}: {source}", path = path.display())]
    File {
        /// What was tried.
        step: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
}

impl SourceError {
    /// The failure's kind in the words that every surface shares.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Hub(error) => error.code(),
            Self::Objects(error) => error.code(),
            Self::Status { status: 401 | 403 | 404 | 410, .. } | Self::NoMatch { .. } => ErrorCode::NotFound,
            Self::Pattern { .. } => ErrorCode::Invalid,
            Self::Unreachable { .. } | Self::Status { .. } | Self::File { .. } => ErrorCode::Unavailable,
        }
    }

    /// Whether the server was not reached or not able: asking again may help, and a copy may serve instead.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500 | 502..=504),
            Self::Objects(error) => error.is_outage(),
            _ => false,
        }
    }

    pub(crate) fn file(step: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { step, path, source }
    }
}
