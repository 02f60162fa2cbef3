//! What can be wrong with a file of keys.

use std::path::PathBuf;

use loquat_spec::ErrorCode;

/// What can be wrong with a file of keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file can't be read or written.
    #[error("the file of keys {} can't be {step}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        step: &'static str,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is no file of keys.
    #[error("{} is no file of keys: {source}; make one with loquat keys new", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        #[source]
        source: serde_json::Error,
    },
    /// The file was written by a later loquat.
    #[error("{} has format version {found}, of which this loquat knows nothing; it reads {known}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version found.
        found: String,
        /// The version known.
        known: &'static str,
    },
    /// An entry can't be used.
    #[error("key {name:?} in {}: {problem}", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// Name of the key.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A name that exists.
    #[error("{} holds a key named {name:?} already; choose another name, or delete that entry", path.display())]
    Taken {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// The operating system gives no random numbers, or the hash can't be computed.
    #[error("no key can be made: {problem}")]
    Make {
        /// What failed.
        problem: String,
    },
}

impl KeyError {
    /// The failure's kind.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::File { source, .. } if source.kind() == std::io::ErrorKind::NotFound => ErrorCode::NotFound,
            Self::File { .. } => ErrorCode::Unavailable,
            Self::Form { .. } | Self::Version { .. } | Self::Entry { .. } => ErrorCode::Invalid,
            Self::Taken { .. } => ErrorCode::Conflict,
            Self::Make { .. } => ErrorCode::Internal,
        }
    }
}
