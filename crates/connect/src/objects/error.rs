//! What can go wrong with an object store.

use std::path::{Path, PathBuf};

use loquat_spec::{ErrorCode, ObjectScheme};

/// An object, or a bucket, that can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// The settings of the store can't be right.
    #[error("{url}: {reason}; correct the variables {variables}", variables = variables(*scheme))]
    Settings {
        /// What was asked for.
        url: String,
        /// Which store.
        scheme: ObjectScheme,
        /// What is wrong with them.
        reason: String,
    },
    /// The store does not let this caller in.
    #[error("{url}: the store does not let this caller in ({reason}); set {variables}", variables = variables(*scheme))]
    Forbidden {
        /// What was asked for.
        url: String,
        /// Which store.
        scheme: ObjectScheme,
        /// What the store says.
        reason: String,
    },
    /// There is no such object or bucket.
    #[error("{url}: no such object; compare bucket and key with what the store lists")]
    NotFound {
        /// What was asked for.
        url: String,
    },
    /// The store can't be reached, or fails.
    #[error("{url}: {reason}; try again, or correct the endpoint in {variables}", variables = variables(*scheme))]
    Unavailable {
        /// What was asked for.
        url: String,
        /// Which store.
        scheme: ObjectScheme,
        /// The cause.
        reason: String,
    },
    /// A file of this machine can't be read or written.
    #[error("cannot {step} {path}: {source}", path = path.display())]
    File {
        /// What was tried.
        step: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The client's own thread can't be started.
    #[error("the client of {url} can't be started: {source}")]
    Start {
        /// What was asked for.
        url: String,
        /// The cause.
        source: std::io::Error,
    },
}

impl ObjectError {
    /// The failure's kind in the words that every surface shares.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Settings { .. } => ErrorCode::Invalid,
            Self::Forbidden { .. } | Self::NotFound { .. } => ErrorCode::NotFound,
            Self::Unavailable { .. } | Self::File { .. } => ErrorCode::Unavailable,
            Self::Start { .. } => ErrorCode::Failed,
        }
    }

    /// Whether the store was not reached or not able, so that a copy may serve instead.
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    pub(crate) fn file(step: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { step, path, source }
    }

    pub(crate) fn of(error: object_store::Error, url: String, scheme: ObjectScheme) -> Self {
        let reason = reason(&error);
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound { url },
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
                Self::Forbidden { url, scheme, reason }
            }
            object_store::Error::InvalidPath { .. } | object_store::Error::UnknownConfigurationKey { .. } => {
                Self::Settings { url, scheme, reason }
            }
            _ => Self::Unavailable { url, scheme, reason },
        }
    }
}

/// The innermost cause, which says it shortest; a store's own answer, which is XML, is cut.
fn reason(error: &object_store::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let text = cause.to_string();
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= 200 {
        line
    } else {
        format!("{}…", line.chars().take(200).collect::<String>())
    }
}

/// The variables that say where a store is and who asks.
fn variables(scheme: ObjectScheme) -> &'static str {
    match scheme {
        ObjectScheme::S3 => "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL",
        ObjectScheme::Gs => "GOOGLE_APPLICATION_CREDENTIALS or STORAGE_EMULATOR_HOST",
        ObjectScheme::Az => {
            "AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_ACCOUNT_KEY and AZURE_STORAGE_ENDPOINT"
        }
    }
}
