//! What can go wrong with a hub.

use std::path::{Path, PathBuf};

use loquat_spec::ErrorCode;

/// A model that can't be fetched.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The hub can't be reached, or breaks off again and again.
    #[error("{url}: {reason}; try again, or set HF_HUB_OFFLINE=1 to use what the cache holds")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// The cause.
        reason: String,
    },
    /// The hub answers with a failure.
    #[error("{url}: the hub answers with status {status}{detail}; try again later, or look at HF_ENDPOINT")]
    Status {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What the hub says, after a colon; empty when it says nothing.
        detail: String,
    },
    /// The hub wants another token, or any.
    #[error(
        "{model}: the hub does not let this caller in (status {status}{detail}): it is private, gated or does not exist; \
         set HF_TOKEN to a token that may read it, and accept its terms on its page"
    )]
    Forbidden {
        /// The model.
        model: String,
        /// The HTTP status.
        status: u16,
        /// What the hub says, after a colon; empty when it says nothing.
        detail: String,
    },
    /// The hub has no such model or revision.
    #[error(
        "{model}: the hub has no such model, data set or revision; compare the name and the revision with its page"
    )]
    NotFound {
        /// The model.
        model: String,
    },
    /// All weights are pickles.
    #[error(
        "{model}: its weights are pickles alone ({file}), which run code when read and are never fetched; convert it where it \
         is trusted with AutoModel.from_pretrained(…).save_pretrained(\"folder\", safe_serialization=True) and name the folder"
    )]
    Pickle {
        /// The model.
        model: String,
        /// One of its pickles.
        file: String,
    },
    /// There are no weights.
    #[error("{model}: it holds no model.safetensors; name a model whose page lists one")]
    NoWeights {
        /// The model.
        model: String,
    },
    /// A data set without a conversion.
    #[error(
        "{dataset}: the hub holds no Parquet files of it; name its own files with https://, or convert them to Parquet"
    )]
    NoParquet {
        /// The data set.
        dataset: String,
    },
    /// Which part of a data set is meant can't be told.
    #[error("{dataset}: its {what} are {known}; write one as hf://datasets/owner/name/{write}")]
    Choose {
        /// The data set.
        dataset: String,
        /// What there are several of.
        what: &'static str,
        /// What to write behind the name.
        write: &'static str,
        /// Those that there are.
        known: String,
    },
    /// The hub's answer can't be believed.
    #[error("{url}: {problem}; the hub, or a proxy before it, does not speak the Hugging Face protocol")]
    Protocol {
        /// What was asked for.
        url: String,
        /// What is wrong with the answer.
        problem: String,
    },
    /// A file came through with another content than the hub announced.
    #[error(
        "{url}: the content's SHA-256 is {found}, announced was {announced}; what was fetched is deleted, try again"
    )]
    Checksum {
        /// What was asked for.
        url: String,
        /// The announced checksum.
        announced: String,
        /// The checksum of what came.
        found: String,
    },
    /// Offline, and the cache does not hold the model.
    #[error("{model}: not in the cache {cache} and HF_HUB_OFFLINE is set; fetch it once without", cache = cache.display())]
    Offline {
        /// The model.
        model: String,
        /// The folder of the cache.
        cache: PathBuf,
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

impl HubError {
    /// The failure's kind in the words that every surface shares.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Unreachable { .. } | Self::Status { .. } | Self::File { .. } | Self::Checksum { .. } => {
                ErrorCode::Unavailable
            }
            Self::Forbidden { .. } | Self::NotFound { .. } | Self::Offline { .. } | Self::Choose { .. } => {
                ErrorCode::NotFound
            }
            Self::Pickle { .. } | Self::NoWeights { .. } | Self::NoParquet { .. } => ErrorCode::Unsupported,
            Self::Protocol { .. } => ErrorCode::Failed,
        }
    }

    /// Whether the hub was not reached or not able, so that what the cache holds may serve instead.
    pub(crate) fn is_outage(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Status { .. })
    }

    pub(crate) fn file(step: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { step, path, source }
    }
}
